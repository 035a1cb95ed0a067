/**
 * Acting on the processes of a container through its control groups: freeze,
 * thaw, list, kill, and remove the empty directories.
 *
 * Version 2 (and the version 2 tree of a hybrid machine) freezes and kills a
 * whole tree by one write; version 1 has a freezer, and killing there is
 * freeze, signal each, thaw.
 *
 * Source: Linux cgroup-v2.rst "cgroup.freeze", "cgroup.kill";
 * cgroup-v1/freezer-subsystem.rst.
 */

import { readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostPath } from '../../base/brand.ts';
import { EngineError } from '../../base/error.ts';
import { hostPath } from '../../base/host-path.ts';
import type { CgroupPlace } from './place.ts';
import { directoriesOf, processDirectory, unifiedDirectory } from './place.ts';

/** How long a freeze may take: a process in the kernel cannot be stopped at once. */
const FREEZE_TIMEOUT_MS = 10_000;
/** Between two looks at a state that the kernel reaches by itself. */
const LOOK_AGAIN_MS = 1;
/** How long the kernel may take to let go of a directory whose processes are gone. */
const REMOVE_TIMEOUT_MS = 2_000;

/** Options of every call here. */
export interface ControlOptions {
  readonly signal?: AbortSignal;
}

/** Stop every process. Errors: `unsupported`, `timeout` (thawed again), `not-found` when the group is gone. */
export async function freezeCgroup(
  place: CgroupPlace,
  options: ControlOptions = {},
): Promise<void> {
  const freezer = freezerOf(place);
  await writeGroup(freezer.file, freezer.freeze);
  try {
    await until(async () => freezer.isFrozen(await readGroup(freezer.stateFile)), {
      ...options,
      timeoutMs: FREEZE_TIMEOUT_MS,
    });
  } catch (error) {
    await writeGroup(freezer.file, freezer.thaw);
    throw error;
  }
}

/** Let every process go on. Idempotent. Errors: `unsupported`, `not-found`. */
export async function thawCgroup(place: CgroupPlace): Promise<void> {
  const freezer = freezerOf(place);
  await writeGroup(freezer.file, freezer.thaw);
}

/** Host pids of every process, those in groups below included; empty when the group is gone. */
export async function listCgroupPids(place: CgroupPlace): Promise<readonly number[]> {
  const pids = new Set<number>();
  for await (const directory of tree(processDirectory(place))) {
    const text = await readFile(`${directory}/cgroup.procs`, 'utf8').catch(ignoreMissing);
    for (const line of (text ?? '').split('\n')) if (line !== '') pids.add(Number(line));
  }
  return [...pids];
}

/** SIGKILL to every process. Resolves when it was sent, not when they are gone. Idempotent. */
export async function killCgroup(place: CgroupPlace): Promise<void> {
  const unified = unifiedDirectory(place);
  if (unified !== undefined) {
    // cgroup.kill is of Linux 5.14; without it signal each.
    const isDone = await writeFile(`${unified}/cgroup.kill`, '1').then(
      () => true,
      () => false,
    );
    if (isDone) return;
  }
  // A process that forks meanwhile is found in the next round.
  for (let round = 0; round < 100; round++) {
    const pids = await listCgroupPids(place);
    if (pids.length === 0) return;
    for (const pid of pids) killQuietly(pid);
    await delay(LOOK_AGAIN_MS);
  }
}

/** Remove the container's directories and what its processes made below. Idempotent. Errors: `in-use` while processes live. */
export async function removeCgroup(place: CgroupPlace): Promise<void> {
  for (const top of directoriesOf(place)) {
    const all: HostPath[] = [];
    for await (const directory of tree(top)) all.push(directory);
    for (const directory of all.toReversed()) await removeDirectory(directory);
  }
}

async function removeDirectory(directory: HostPath): Promise<void> {
  await until(
    async () => {
      try {
        await rmdir(directory);
        return true;
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return true;
        if (codeOf(error) === 'EBUSY') return false;
        throw error;
      }
    },
    { timeoutMs: REMOVE_TIMEOUT_MS },
  ).catch((error: unknown) => {
    throw new EngineError(
      'in-use',
      `Cannot remove control group ${directory}: processes live in it`,
      {
        cause: error,
      },
    );
  });
}

interface Freezer {
  readonly file: string;
  readonly freeze: string;
  readonly thaw: string;
  readonly stateFile: string;
  readonly isFrozen: (state: string) => boolean;
}

function freezerOf(place: CgroupPlace): Freezer {
  const unified = unifiedDirectory(place);
  if (unified !== undefined) {
    return {
      file: `${unified}/cgroup.freeze`,
      freeze: '1',
      thaw: '0',
      stateFile: `${unified}/cgroup.events`,
      isFrozen: (state) => /^frozen 1$/m.test(state),
    };
  }
  const directory = place.version === 1 ? place.directories['freezer'] : undefined;
  if (directory === undefined) {
    throw new EngineError('unsupported', 'Cannot pause: this machine has no freezer control group');
  }
  return {
    file: `${directory}/freezer.state`,
    freeze: 'FROZEN',
    thaw: 'THAWED',
    stateFile: `${directory}/freezer.state`,
    isFrozen: (state) => state.trim() === 'FROZEN',
  };
}

/** A directory and all below it, top first. */
async function* tree(top: HostPath): AsyncGenerator<HostPath> {
  yield top;
  const entries = await readdir(top, { withFileTypes: true }).catch(ignoreMissing);
  for (const entry of entries ?? []) {
    if (entry.isDirectory()) yield* tree(hostPath(`${top}/${entry.name}`));
  }
}

async function until(
  isDone: () => Promise<boolean>,
  options: ControlOptions & { readonly timeoutMs: number },
): Promise<void> {
  const endMs = performance.now() + options.timeoutMs;
  while (!(await isDone())) {
    options.signal?.throwIfAborted();
    if (performance.now() > endMs) {
      throw new EngineError('timeout', 'The kernel did not change the control group in time');
    }
    await delay(LOOK_AGAIN_MS);
  }
}

async function writeGroup(file: string, value: string): Promise<void> {
  await writeFile(file, value).catch((error: unknown) => {
    throw lost(file, error);
  });
}

async function readGroup(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((error: unknown) => {
    throw lost(file, error);
  });
}

function lost(file: string, cause: unknown): EngineError {
  const isGone = codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENODEV';
  return new EngineError(
    isGone ? 'not-found' : 'internal',
    `Cannot use control group file ${file}`,
    { cause },
  );
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENODEV') return undefined;
  throw error;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}
