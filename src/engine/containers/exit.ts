/**
 * What follows when a container's process is gone. In this order: the state
 * changes, waiters are woken, `die` is published, and then the container is
 * started again, removed, or left.
 *
 * Source: engine-api facts 5.3 and 10.1: order of dockerd's exit handling.
 */

import { messageOf } from '../../base/error.ts';
import type { ExitRecord } from '../../runtime/runtime.ts';
import { leaveSeats } from '../networks/seat.ts';
import type { EngineParts } from '../parts.ts';
import { announceMounts } from '../volumes/announce.ts';
import { announce, announceNetwork } from './announce.ts';
import type { Container, LiveProcess } from './container.ts';
import { exited } from './life.ts';
import { removeStopped } from './remove.ts';
import { wantsRestart } from './restart-policy.ts';
import type { Relaunch } from './schedule-restart.ts';
import { scheduleRestart } from './schedule-restart.ts';

/** Handle the exit of `live` whenever it comes. */
export function watchExit(
  parts: EngineParts,
  container: Container,
  run: { readonly live: LiveProcess; readonly relaunch: Relaunch },
): void {
  run.live.runtime.exited
    .then(async (record) => onExit(parts, container, { ...run, record }))
    .catch((error: unknown) => {
      parts.log.error('exit handling failed', { id: container.id, error: messageOf(error) });
    });
}

async function onExit(
  parts: EngineParts,
  container: Container,
  exit: { readonly live: LiveProcess; readonly record: ExitRecord; readonly relaunch: Relaunch },
): Promise<void> {
  // A closing engine leaves the exit record for the next one.
  if (parts.isClosing()) return;
  parts.failpoints.hit('exit.before-lock');
  const isLast = await container.lock.run(() => {
    if (container.live !== exit.live) return false;
    return applyExit(parts, container, exit);
  });
  if (isLast && container.record.hostConfig.AutoRemove === true && !container.isHeld) {
    await removeStopped(parts, container, { volumes: true, force: false });
  }
}

/**
 * The container is not running any more. Returns whether it will stay so.
 * Precondition: the caller holds the container's lock, or nobody else knows the container.
 */
export function applyExit(
  parts: EngineParts,
  container: Container,
  exit: { readonly record: ExitRecord; readonly relaunch: Relaunch },
): boolean {
  const { record, relaunch } = exit;
  container.live = undefined;
  container.health?.stop();
  leaveSeats(parts, container, record.isUnrecorded === true);
  const policy = container.record.hostConfig.RestartPolicy ?? {};
  const mayRestart = !container.isHeld && !container.isRemoving;
  const willRestart = mayRestart && wantsRestart(policy, container.state, record.code);
  const state = exited(container.state, record, willRestart);
  if (record.isUnrecorded === true) container.save(state);
  // The record on disk tells it again, should this engine die before it is saved.
  else container.saveSoon(state);
  parts.failpoints.hit('exit.saved');
  parts.execs.endAll(container.id);
  container.announceExit();
  parts.failpoints.hit('exit.announced');
  const ranS = (record.exitedAtNs - record.startedAtNs) / 1_000_000_000n;
  if (record.isOomKilled) announce(parts, container, 'oom');
  announce(parts, container, 'die', { exitCode: String(record.code), execDuration: String(ranS) });
  announceNetwork(parts, container, 'disconnect');
  announceMounts(parts, container, 'unmount');
  parts.failpoints.hit('exit.told');
  if (willRestart) scheduleRestart(parts, container, { ranMs: Number(ranS) * 1000, relaunch });
  return !willRestart;
}
