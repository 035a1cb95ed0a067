/** Restarts by policy: the wait, and the start after it. */

import { messageOf } from '../../base/error.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import { restartCancelled } from './life.ts';
import { nextDelayMs } from './restart-policy.ts';
import { launch } from './launch.ts';

/** Start `container` again after its back-off. `ranMs`: how long the run before was, in milliseconds. */
export function scheduleRestart(
  parts: EngineParts,
  container: Container,
  run: { readonly ranMs: number },
): void {
  const delayMs = nextDelayMs(container.restart?.delayMs ?? 0, run.ranMs);
  const timer = parts.clock.after(delayMs, () => {
    restartNow(parts, container).catch((error: unknown) => {
      parts.log.warn('restart by policy failed', { id: container.id, error: messageOf(error) });
    });
  });
  container.restart = { delayMs, cancel: () => timer.cancel() };
}

async function restartNow(parts: EngineParts, container: Container): Promise<void> {
  if (parts.isClosing()) return;
  await container.lock.run(async () => {
    if (container.state.phase !== 'restarting' || container.isRemoving) return;
    await launch(parts, container, 'policy');
  });
}

/**
 * Break a wait for a restart off; the container is then exited.
 * Precondition: the caller holds the container's lock.
 */
export function cancelRestart(container: Container): void {
  container.restart?.cancel();
  if (container.state.phase !== 'restarting') return;
  container.save(restartCancelled(container.state));
  container.announceExit();
}
