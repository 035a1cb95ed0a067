/**
 * From a container that does not run to one that does: files, plan, process,
 * state. Shared by start, restart, restart policies and recovery.
 */

import { isEngineError, messageOf } from '../../base/error.ts';
import type { RunningContainer } from '../../runtime/runtime.ts';
import type { EngineParts } from '../parts.ts';
import { announce, announceNetwork } from './announce.ts';
import type { Container, LiveProcess } from './container.ts';
import { watchExit } from './exit.ts';
import { startHealth } from './health.ts';
import { singleMountsOf } from './launch-sources.ts';
import { checkLinked } from '../networks/links.ts';
import { leaveSeats } from '../networks/seat.ts';
import { inUse, isFixed, portInUse } from '../networks/port-in-use.ts';
import { portKey } from '../../network/choose-ports.ts';
import { type Launch, prepareLaunch } from './prepare-launch.ts';
import type { StartReason } from './life.ts';
import { startFailed, started } from './life.ts';
import { hasProbe } from './probe.ts';
import type { Relaunch } from './schedule-restart.ts';
import type { ResolvedUser } from './spec/input.ts';
import { announceMounts } from '../volumes/announce.ts';

const SIGKILL = 9;

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
    // By policy, e.g. after a boot, one starts without the other.
    if (reason === 'user') checkLinked(parts, container.record);
    await parts.volumeLocks.run(singleMountsOf(parts, container.record), async () => {
      const { runtime, request, user } = await startProcess(parts, container);
      await orEnd(runtime, () => failpoints.hit('start.spawned'));
      becomeLive(parts, container, { live: { runtime, spec: request.spec }, reason, user });
    });
  } catch (error) {
    if (container.live === undefined) {
      leaveSeats(parts, container, false);
      recordFailure(parts, container, error);
    }
    throw error;
  }
}

/**
 * Another program may have a host port that carve chose: then another one is chosen. It may have taken the
 * table of published ports away: then that is made again. Errors: as `launch`.
 */
async function startProcess(
  parts: EngineParts,
  container: Container,
): Promise<Launch & { readonly runtime: RunningContainer }> {
  const refused = new Set<string>();
  let isMended = false;
  for (;;) {
    const launched = await prepareLaunch(parts, container, refused);
    parts.failpoints.hit('start.prepared');
    try {
      const runtime = await parts.runtime.start(launched.request);
      await parts.fabric.started(container.id);
      return { ...launched, runtime };
    } catch (error) {
      leaveSeats(parts, container, false);
      const port = portInUse(error);
      if (port === undefined && !isMended && (await parts.fabric.mend(error))) {
        isMended = true;
        continue;
      }
      if (port === undefined) throw error;
      const key = portKey(port);
      if (refused.has(key) || isFixed(container.record, port)) throw inUse(port, error);
      refused.add(key);
    }
  }
}

/** A process that nobody would know of must not run on. */
async function orEnd(runtime: RunningContainer, step: () => void): Promise<void> {
  try {
    step();
  } catch (error) {
    await runtime.signal(SIGKILL);
    await runtime.exited;
    throw error;
  }
}

/** A process, and how it came about. */
interface NewProcess {
  readonly live: LiveProcess;
  readonly reason: StartReason;
  readonly user: ResolvedUser;
}

/** A process runs for this container: connect clients, make it known, watch it. */
function becomeLive(parts: EngineParts, container: Container, run: NewProcess): void {
  const { live, reason, user } = run;
  container.live = live;
  container.nextExecNumber = 1;
  container.attachments.connect(live.runtime);
  const probe = hasProbe(container.record.config.Healthcheck);
  const state = started(container.state, live.runtime, { reason, hasProbe: probe, user });
  // A killed engine's successor finds the process by its monitor.
  container.saveSoon(state);
  parts.failpoints.hit('start.saved');
  announceNetwork(parts, container, 'connect');
  announceMounts(parts, container, 'mount');
  announce(parts, container, 'start');
  parts.failpoints.hit('start.announced');
  watchLive(parts, container, live);
}

/** Probes and the exit of a process that runs, new or found again. */
export function watchLive(parts: EngineParts, container: Container, live: LiveProcess): void {
  startHealth(parts, container);
  watchExit(parts, container, { live, relaunch: relaunchOf(parts) });
}

/** Starts by policy. */
export function relaunchOf(parts: EngineParts): Relaunch {
  return async (container) => launch(parts, container, 'policy');
}

function recordFailure(parts: EngineParts, container: Container, error: unknown): void {
  const details = isEngineError(error) ? error.details : {};
  const code = typeof details['exitCode'] === 'number' ? details['exitCode'] : 128;
  container.attachments.endWaiting();
  container.save(startFailed(container.state, code, messageOf(error)));
  announce(parts, container, 'die', { exitCode: String(code), execDuration: '0' });
  container.announceExit();
}
