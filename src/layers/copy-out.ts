/** Files of a container → a tar whose first entry has the name that was asked for. */
import { type PlannedEntry, planTar, writeTar } from './diff.ts';
import type { Walk, WalkEntry } from './walk.ts';

/**
 * Entries of the tar of what {@link ContainerFiles.read} gave. `base`: name of a
 * directory in it, a byte string; anything else has its own name.
 */
export function planCopy(entries: readonly WalkEntry[], base: string): readonly PlannedEntry[] {
  const isDirectory = entries.some(({ path }) => path === '');
  if (!isDirectory) return planTar(entries, { exclude: new Set() });
  const renamed = entries.map((entry) => ({
    ...entry,
    path: entry.path === '' ? base : `${base}/${entry.path}`,
  }));
  return planTar(renamed, { exclude: new Set() }).map(({ entry, source }) => ({
    entry,
    source: source?.slice(base.length + 1),
  }));
}

/** The tar's bytes. Errors: those of the walk. */
export function copyTar(walk: Walk, base: string): AsyncIterable<Uint8Array> {
  return writeTar(planCopy(walk.entries, Buffer.from(base, 'utf8').toString('latin1')), walk);
}
