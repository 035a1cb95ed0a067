/** Directories and processes that belong to no container: what a crash left. */

import { mkdirSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostPath } from '../../base/host-path.ts';
import { messageOf } from '../../base/error.ts';
import type { EngineParts } from '../parts.ts';

/** Make the directories that hold containers'. */
export function makeDirectories(parts: EngineParts): void {
  mkdirSync(`${parts.paths.root}/containers`, { recursive: true, mode: 0o700 });
  mkdirSync(`${parts.paths.run}/c`, { recursive: true, mode: 0o700 });
}

/** Remove what no container needs. Precondition: the registry is filled and containers are adopted. */
export async function sweepLeftovers(parts: EngineParts): Promise<void> {
  const { root, run } = parts.paths;
  const isKnown = (id: string): boolean => parts.containers.find(id)?.id === id;
  const alive = [...parts.containers.all()].filter((container) => container.live !== undefined);
  const killed = await parts.runtime.sweep(new Set(alive.map((container) => container.id)));
  const found: string[] = [...killed];
  for (const name of readdirSync(`${root}/containers`)) {
    if (isKnown(name)) continue;
    parts.trash.discard(hostPath(`${root}/containers/${name}`));
    found.push(name);
  }
  for (const key of parts.snapshots.listSnapshots()) {
    if (isKnown(key)) continue;
    await parts.snapshots.removeSnapshot(key);
    found.push(key);
  }
  for (const name of readdirSync(`${run}/c`)) {
    if (isKnown(name)) continue;
    await rm(`${run}/c/${name}`, { recursive: true, force: true }).catch((error: unknown) => {
      parts.log.warn('cannot remove a run directory', { name, error: messageOf(error) });
    });
    found.push(name);
  }
  const leftovers = [...new Set(found)];
  if (leftovers.length > 0) parts.log.info('removed what an earlier engine left', { leftovers });
}
