/** Directories and processes that belong to no container: what a crash left. */

import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostPath } from '../../base/host-path.ts';
import { messageOf } from '../../base/error.ts';
import type { EngineParts } from '../parts.ts';

/** Make the directories that hold containers'. */
export function makeDirectories(parts: EngineParts): void {
  mkdirSync(`${parts.paths.root}/containers`, { recursive: true, mode: 0o700 });
  mkdirSync(`${parts.paths.run}/c`, { recursive: true, mode: 0o700 });
}

/** Remove what no container needs, and tell the log how many of each. Precondition: the registry is filled and containers are adopted. */
export async function sweepLeftovers(parts: EngineParts): Promise<void> {
  const { root, run } = parts.paths;
  const isStray = (id: string): boolean => parts.containers.find(id)?.id !== id;
  const alive = [...parts.containers.all()].filter((container) => container.live !== undefined);
  const controlGroups = await parts.runtime.sweep(new Set(alive.map((container) => container.id)));
  const directories = readdirSync(`${root}/containers`).filter(isStray);
  for (const name of directories) parts.trash.discard(hostPath(`${root}/containers/${name}`));
  const snapshots = parts.snapshots.listSnapshots().filter(isStray);
  for (const key of snapshots) await parts.snapshots.removeSnapshot(key);
  const runDirectories = readdirSync(`${run}/c`).filter(isStray);
  for (const name of runDirectories) {
    await removeBeside(`${run}/c/${name}`).catch((error: unknown) => {
      parts.log.warn('cannot remove a run directory', { name, error: messageOf(error) });
    });
  }
  const found = { controlGroups, directories, snapshots, runDirectories };
  const leftovers = [...new Set(Object.values(found).flat())];
  if (leftovers.length === 0) return;
  const counts = Object.entries(found).map(([kind, names]) => [kind, names.length] as const);
  parts.log.info('removed what an earlier engine left', {
    ...Object.fromEntries(counts),
    leftovers,
  });
}

/** Times that a removal is begun. */
const REMOVALS = 3;

/** The monitor of a container that was killed removes its socket meanwhile, which may end a removal halfway. */
async function removeBeside(path: string): Promise<void> {
  for (let count = 0; count < REMOVALS && existsSync(path); count += 1)
    await rm(path, { recursive: true, force: true });
}
