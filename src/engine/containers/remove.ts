/**
 * `rm`: everything a container has goes, and its name is free when this
 * returns. Directories are renamed away at once and deleted in the background.
 *
 * Source: Engine API `DELETE /containers/{id}`; engine-api facts 5.1.
 */

import { rm } from 'node:fs/promises';
import { afterAnswer } from '../../base/after-answer.ts';
import { within } from '../../base/clock.ts';
import { EngineError, messageOf } from '../../base/error.ts';
import type { EngineParts } from '../parts.ts';
import { announceVolume } from '../volumes/announce.ts';
import { announce } from './announce.ts';
import type { Container } from './container.ts';
import { runDirOf, stateDirOf } from './paths.ts';
import { cancelRestart } from './schedule-restart.ts';
import { killHard } from './stop.ts';

/** Milliseconds that clients which still read the log keep its directory from deletion. */
const DRAIN_MS = 10_000;

/** What `remove` may do. */
export interface RemoveOptions {
  /** Kill it first when it runs. */
  readonly force: boolean;
  /** Its anonymous volumes go too. */
  readonly volumes: boolean;
}

/** Errors: `not-found`; `conflict` when it runs (without `force`) or is being removed. */
export async function removeContainer(
  parts: EngineParts,
  ref: string,
  options: RemoveOptions,
): Promise<void> {
  const container = parts.containers.get(ref);
  if (container.isRemoving) {
    throw new EngineError('conflict', `removal of container ${ref} is already in progress`);
  }
  if (container.isAlive || container.state.phase === 'restarting')
    checkForced(container, options.force);
  await removeStopped(parts, container, options);
}

function checkForced(container: Container, isForced: boolean): void {
  if (isForced) return;
  const prefix = `cannot remove container "${container.name}": `;
  const why =
    container.state.phase === 'paused'
      ? 'container is paused and must be unpaused first'
      : 'container is running: stop the container before removing or force remove';
  throw new EngineError('conflict', prefix + why);
}

/**
 * Remove a container that is stopped, or (with `force`) one that is not.
 * A second call while the first runs does nothing.
 */
export async function removeStopped(
  parts: EngineParts,
  container: Container,
  options: RemoveOptions,
): Promise<void> {
  if (container.isRemoving) return;
  container.isRemoving = true;
  try {
    if (options.force && container.live !== undefined)
      await killHard(parts, container, container.live);
    await container.lock.run(() => {
      // Started between the check and the lock.
      if (container.isAlive) checkForced(container, false);
      cancelRestart(container);
      dismantle(parts, container, options);
    });
  } catch (error) {
    container.isRemoving = false;
    throw error;
  }
  parts.failpoints.hit('remove.done');
}

/** Precondition: the lock is held and it has no process. */
function dismantle(parts: EngineParts, container: Container, options: RemoveOptions): void {
  const { id } = container;
  parts.failpoints.hit('remove.begin');
  // The rows first, as one: from here on a crash finishes the removal at the next open.
  const volumes = options.volumes ? ownVolumes(parts, container) : [];
  parts.table.togetherFreeing(() => {
    container.deleteRow();
    parts.failpoints.hit('remove.row-deleted');
    for (const name of volumes) parts.volumes.remove(name);
  });
  parts.failpoints.hit('remove.committed');
  parts.containers.remove(container);
  tidy(parts, container, () => parts.images.touch(container.record.imageId));
  container.attachments.endWaiting();
  const drained = within(parts.clock, DRAIN_MS, container.attachments.drained());
  tidy(parts, container, () => parts.trash.discard(stateDirOf(parts.paths, id), drained));
  parts.failpoints.hit('remove.state-discarded');
  void removeFiles(parts, container).catch((error: unknown) => warn(parts, container, error));
  parts.failpoints.hit('remove.snapshot-removed');
  const runDir = runDirOf(parts.paths, id);
  void afterAnswer()
    .then(async () => rm(runDir, { recursive: true, force: true }))
    .catch((error: unknown) => warn(parts, container, error));
  parts.failpoints.hit('remove.run-removed');
  parts.execs.forget(id);
  for (const name of volumes) {
    announceVolume(parts, { name, driver: 'local' }, 'destroy');
  }
  announce(parts, container, 'destroy');
  container.announceRemoval();
}

/** The writable directory; and, when the image went before, the layers only this container kept. */
async function removeFiles(parts: EngineParts, { id, record }: Container): Promise<void> {
  await parts.snapshots.removeSnapshot(id);
  if (parts.images.find(record.imageId) === undefined) await parts.images.collect();
}

/** Anonymous volumes of this container that no other one uses. */
function ownVolumes(parts: EngineParts, container: Container): readonly string[] {
  const others = [...parts.containers.all()].filter((other) => other !== container);
  const isShared = (name: string): boolean =>
    others.some((other) => other.record.mounts.some((mount) => mount.volume?.name === name));
  return container.record.mounts
    .flatMap(({ volume }) => (volume?.isAnonymous === true ? [volume.name] : []))
    .filter((name) => !isShared(name));
}

/** The row is gone: what fails now is left for the sweep of the next open, and the rest still happens. */
function tidy(parts: EngineParts, container: Container, step: () => void): void {
  try {
    step();
  } catch (error) {
    warn(parts, container, error);
  }
}

function warn(parts: EngineParts, container: Container, error: unknown): void {
  parts.log.warn('removal left something behind; swept at the next start', {
    id: container.id,
    error: messageOf(error),
  });
}
