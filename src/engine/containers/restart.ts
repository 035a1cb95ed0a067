/** `restart`: stop and start as one operation. Source: Engine API `POST /containers/{id}/restart`. */

import { parseSignal } from '../../spec/signal.ts';
import type { EngineParts } from '../parts.ts';
import { announce } from './announce.ts';
import { launch } from './launch.ts';
import { removeStopped } from './remove.ts';
import { cancelRestart } from './schedule-restart.ts';
import { checkStartable } from './start.ts';
import type { StopOptions } from './stop.ts';
import { stopSignalOf, terminate } from './stop.ts';

/** `restart`: stop when it runs, then start. An `AutoRemove` container is kept. */
export async function restartContainer(
  parts: EngineParts,
  ref: string,
  options: StopOptions = {},
): Promise<void> {
  const container = parts.containers.get(ref);
  const number = parseSignal(options.signalName ?? stopSignalOf(container));
  container.isHeld = true;
  try {
    const live = await container.lock.run(() => {
      if (container.isRemoving) checkStartable(container);
      cancelRestart(container);
      return container.live;
    });
    if (live !== undefined) {
      await terminate(parts, container, { live, number, options });
      parts.failpoints.hit('restart.stopped');
      announce(parts, container, 'stop');
    }
    await container.lock.run(async () => {
      checkStartable(container);
      if (!container.isAlive) await launch(parts, container, 'user');
    });
  } finally {
    container.isHeld = false;
    const isLost = !container.isAlive && container.record.hostConfig.AutoRemove === true;
    if (isLost) await removeStopped(parts, container, { volumes: true, force: false });
  }
  announce(parts, container, 'restart');
}
