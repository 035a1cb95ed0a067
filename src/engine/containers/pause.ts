/** `pause` and `unpause`: the freezer. Source: Engine API; engine-api facts 5.1. */

import { EngineError } from '../../base/error.ts';
import type { EngineParts } from '../parts.ts';
import { announce } from './announce.ts';
import type { Container, LiveProcess } from './container.ts';

/** Errors: `conflict` when not running, paused already, or restarting. */
export async function pauseContainer(parts: EngineParts, ref: string): Promise<void> {
  const container = parts.containers.get(ref);
  await container.lock.run(async () => {
    const live = liveOf(container);
    if (container.state.phase === 'paused') {
      throw new EngineError('conflict', `container ${container.id} is already paused`);
    }
    parts.failpoints.hit('pause.begin');
    await live.runtime.pause();
    try {
      parts.failpoints.hit('pause.frozen');
      container.save({ ...container.state, phase: 'paused' });
    } catch (error) {
      await live.runtime.resume();
      throw error;
    }
    announce(parts, container, 'pause');
  });
}

/** Errors: `conflict` when not paused. */
export async function unpauseContainer(parts: EngineParts, ref: string): Promise<void> {
  const container = parts.containers.get(ref);
  await container.lock.run(async () => {
    if (container.live === undefined || container.state.phase !== 'paused') {
      throw new EngineError('conflict', `container ${container.id} is not paused`);
    }
    await container.live.runtime.resume();
    parts.failpoints.hit('unpause.thawed');
    container.save({ ...container.state, phase: 'running' });
    announce(parts, container, 'unpause');
  });
}

function liveOf(container: Container): LiveProcess {
  if (container.state.phase === 'restarting') {
    throw new EngineError(
      'conflict',
      `container ${container.id} is restarting, wait until the container is running`,
    );
  }
  if (container.live === undefined) {
    throw new EngineError('conflict', `container ${container.id} is not running`);
  }
  return container.live;
}
