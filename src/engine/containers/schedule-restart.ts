/** Restarts by policy: the wait, and the start after it. */

import { messageOf } from '../../base/error.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import { restartCancelled } from './life.ts';
import { nextDelayMs } from './restart-policy.ts';

/** Starts a container that has no process; called with its lock held. */
export type Relaunch = (container: Container) => Promise<void>;

/** Start `container` again after its back-off. */
export function scheduleRestart(
  parts: EngineParts,
  container: Container,
  run: {
    /** How long the run before was, in milliseconds. */
    readonly ranMs: number;
    readonly relaunch: Relaunch;
  },
): void {
  const delayMs = nextDelayMs(container.restart?.delayMs ?? 0, run.ranMs);
  const timer = parts.clock.after(delayMs, () => {
    restartNow(parts, container, run.relaunch).catch((error: unknown) => {
      parts.log.warn('restart by policy failed', { id: container.id, error: messageOf(error) });
    });
  });
  container.restart = { delayMs, cancel: () => timer.cancel() };
}

async function restartNow(
  parts: EngineParts,
  container: Container,
  relaunch: Relaunch,
): Promise<void> {
  if (parts.isClosing()) return;
  await container.lock.run(async () => {
    if (container.state.phase !== 'restarting' || container.isRemoving) return;
    await relaunch(container);
  });
}

/**
 * Break a wait for a restart off; the container is then exited. `false` when there was none.
 * Precondition: the caller holds the container's lock.
 */
export function cancelRestart(container: Container): boolean {
  container.restart?.cancel();
  container.restart = undefined;
  if (container.state.phase !== 'restarting') return false;
  container.save(restartCancelled(container.state));
  container.announceExit();
  return true;
}
