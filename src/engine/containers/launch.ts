/**
 * From a container that does not run to one that does: files, plan, process,
 * state. Shared by start, restart, restart policies and recovery.
 */

import { isEngineError, messageOf } from '../../base/error.ts';
import type { EngineParts } from '../parts.ts';
import { announce, announceNetwork } from './announce.ts';
import type { Container, LiveProcess } from './container.ts';
import { watchExit } from './exit.ts';
import { startHealth } from './health.ts';
import { prepareLaunch } from './prepare-launch.ts';
import type { StartReason } from './life.ts';
import { startFailed, started } from './life.ts';
import { hasProbe } from './probe.ts';

/**
 * Start the process. Errors: `details.exitCode` 127, 126 or 128 when the
 * process could not run; the container is then as before, with the error in its state.
 * Precondition: the caller holds the container's lock; it has no process.
 */
export async function launch(
  parts: EngineParts,
  container: Container,
  reason: StartReason,
): Promise<void> {
  const { failpoints } = parts;
  container.restart?.cancel();
  try {
    failpoints.hit('start.begin');
    const request = await prepareLaunch(parts, container);
    failpoints.hit('start.prepared');
    const runtime = await parts.runtime.start(request);
    failpoints.hit('start.spawned');
    adoptLive(parts, container, { runtime, spec: request.spec }, reason);
  } catch (error) {
    if (container.live === undefined) recordFailure(parts, container, error);
    throw error;
  }
}

/**
 * A process runs for this container: connect clients, make it known, watch it.
 * Precondition: as `launch`.
 */
export function adoptLive(
  parts: EngineParts,
  container: Container,
  live: LiveProcess,
  reason: StartReason,
): void {
  container.live = live;
  container.nextExecNumber = 1;
  container.attachments.connect(live.runtime);
  const probe = hasProbe(container.record.config.Healthcheck);
  const state = started(container.state, live.runtime, { reason, hasProbe: probe });
  try {
    container.save(state);
  } catch (error) {
    // It runs: the next engine finds it by its monitor.
    parts.log.error('cannot save a start; kept in memory', { id: container.id, error: messageOf(error) });
    container.assume(state);
  }
  parts.failpoints.hit('start.saved');
  announceNetwork(parts, container, 'connect');
  announce(parts, container, 'start');
  if (probe) startHealth(parts, container);
  watchExit(parts, container, live);
}

function recordFailure(parts: EngineParts, container: Container, error: unknown): void {
  const details = isEngineError(error) ? error.details : {};
  const code = typeof details['exitCode'] === 'number' ? details['exitCode'] : 128;
  container.attachments.endWaiting();
  container.save(startFailed(container.state, code, messageOf(error)));
  announce(parts, container, 'die', { exitCode: String(code), execDuration: '0' });
  container.announceExit();
}
