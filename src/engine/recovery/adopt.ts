/**
 * Finding out what became of a container's process while no engine ran.
 *
 * **Invariant:** afterwards the record agrees with the machine: it runs and is
 * watched, or its true exit is recorded, or nothing is known and it is exited
 * with code 255.
 *
 * Source: engine-api facts 10.4.
 */

import { statSync } from 'node:fs';
import type { ExitRecord, RunningContainer } from '../../runtime/runtime.ts';
import type { Container } from '../containers/container.ts';
import { applyExit } from '../containers/exit.ts';
import { relaunchOf, watchLive } from '../containers/launch.ts';
import { started } from '../containers/life.ts';
import { runDirOf, stateDirOf } from '../containers/paths.ts';
import { adoptRequest, findUser, rootOf } from '../containers/prepare-launch.ts';
import { hasProbe } from '../containers/probe.ts';
import { leaveLive } from '../networks/live.ts';
import { adoptSeats, strayNetworks } from '../networks/seat.ts';
import type { EngineParts } from '../parts.ts';

/** Exit code of a process nobody knows the end of. Source: dockerd's. */
const UNKNOWN_EXIT = 255;

/** Bring one container's record up to the truth. */
export async function adoptContainer(parts: EngineParts, container: Container): Promise<void> {
  if (container.state.phase === 'dead' || !mayHaveRun(parts, container)) return;
  const request = adoptRequest(parts, container.record);
  const found = await parts.runtime.adopt(request);
  if (found === undefined) {
    if (container.isAlive || hasBegun(parts, container))
      recordExit(parts, container, unknownExit(parts, container));
  } else if ('exited' in found) {
    await takeOver(parts, container, { runtime: found, spec: request.spec });
  } else if (container.isAlive || found.startedAtNs > container.state.startedAtNs) {
    // Also the end of a start that was never acknowledged.
    recordExit(parts, container, found);
  }
}

/** It ran when the record was last written, or a start was begun since. */
function mayHaveRun(parts: EngineParts, container: Container): boolean {
  if (container.isAlive) return true;
  const runDir = runDirOf(parts.paths, container.id);
  if (statSync(runDir, { throwIfNoEntry: false }) !== undefined) return true;
  // A boot takes the run directory, and may come before the record.
  return hasBegun(parts, container);
}

/**
 * A monitor began a run and did not live to record its end. Its start may have
 * been acknowledged a moment before this engine's predecessor died, and not be
 * in the database.
 */
function hasBegun(parts: EngineParts, container: Container): boolean {
  const begun = `${stateDirOf(parts.paths, container.id)}/exit.tmp`;
  const found = statSync(begun, { bigint: true, throwIfNoEntry: false });
  return found !== undefined && found.mtimeNs > container.state.finishedAtNs;
}

async function takeOver(
  parts: EngineParts,
  container: Container,
  live: {
    readonly runtime: RunningContainer;
    readonly spec: NonNullable<Container['live']>['spec'];
  },
): Promise<void> {
  const { state, record } = container;
  container.live = live;
  adoptSeats(parts, container);
  for (const name of strayNetworks(container)) await leaveLive(parts, container, name);
  // Numbers that no exec of an earlier engine has.
  container.nextExecNumber = 1 + Number.parseInt(parts.randomHex().slice(0, 7), 16);
  const isKnown =
    container.isAlive && state.process?.startTicks === live.runtime.process.startTicks;
  if (!isKnown) {
    // The start was not in the database yet: whom it runs as is looked up again, for its execs.
    const user = await findUser(parts, record, rootOf(parts, record));
    const how = { reason: 'policy', hasProbe: hasProbe(record.config.Healthcheck), user } as const;
    container.save(started(state, live.runtime, how));
    container.live = { ...live, spec: adoptRequest(parts, container.record).spec };
  }
  // The engine may have died between the freezer and the record.
  if (container.state.phase === 'paused') await live.runtime.pause();
  else await live.runtime.resume();
  watchLive(parts, container, container.live);
}

function recordExit(parts: EngineParts, container: Container, exit: ExitRecord): void {
  applyExit(parts, container, { record: exit, relaunch: relaunchOf(parts) });
}

function unknownExit(parts: EngineParts, container: Container): ExitRecord {
  return {
    code: UNKNOWN_EXIT,
    signal: 0,
    isOomKilled: false,
    startedAtNs: container.state.startedAtNs,
    exitedAtNs: parts.clock.nowNs(),
  };
}
