/** `start`: run a container's process. Source: Engine API `POST /containers/{id}/start`. */

import { EngineError } from '../../base/error.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import { launch } from './launch.ts';
import { removeStopped } from './remove.ts';

/** `false` when it was running already. Errors: `conflict` when paused or being removed; those of `launch`. */
export async function startContainer(parts: EngineParts, ref: string): Promise<boolean> {
  const container = parts.containers.get(ref);
  try {
    return await container.lock.run(async () => {
      checkStartable(container);
      if (container.isAlive) return false;
      await launch(parts, container, 'user');
      return true;
    });
  } catch (error) {
    const isLeftover = !container.isAlive && container.record.hostConfig.AutoRemove === true;
    if (isLeftover && container.state.error !== '') {
      await removeStopped(parts, container, { volumes: true, force: false });
    }
    throw error;
  }
}

/** Errors: `conflict`. */
export function checkStartable(container: Container): void {
  if (container.isRemoving) {
    throw new EngineError('conflict', 'container is marked for removal and cannot be started');
  }
  if (container.state.phase === 'paused') {
    throw new EngineError('conflict', 'cannot start a paused container, try unpause instead');
  }
  if (container.state.phase === 'dead') {
    throw new EngineError('conflict', 'container is dead and cannot be started');
  }
}
