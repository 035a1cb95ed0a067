/** Peers leave their empty cgroups behind; the bench removes what was not there before it. */

import { readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupMounts } from './namespace.ts';

/** Paths of the top directories of every hierarchy. */
export function topCgroups(): ReadonlySet<string> {
  const { v1, v2 } = cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  return new Set([...v1, ...v2].flatMap((mount) => foldersIn(mount)));
}

/** Removes the empty cgroups that are not in `before`; one that is in use stays. */
export function removeNewCgroups(before: ReadonlySet<string>): void {
  for (const path of topCgroups()) if (!before.has(path)) removeTree(path);
}

function removeTree(path: string): void {
  for (const child of foldersIn(path)) removeTree(child);
  try {
    rmdirSync(path);
  } catch {
    // A process is still in it: then it is not ours to remove.
  }
}

function foldersIn(path: string): readonly string[] {
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name));
}
