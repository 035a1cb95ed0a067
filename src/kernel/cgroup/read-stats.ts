/**
 * Reads a container's counters.
 *
 * Source: `stats.ts`.
 */

import { readFile } from 'node:fs/promises';
import { EngineError } from '../../base/error.ts';
import type { CgroupPlace, V1Place } from './place.ts';
import type { CgroupStats, StatFiles } from './stats.ts';
import { parseStatsV1, parseStatsV2, V1_STAT_FILES, V2_STAT_FILES } from './stats.ts';

/** Counters now. Errors: `not-found` when the group is gone. */
export async function readCgroupStats(place: CgroupPlace): Promise<CgroupStats> {
  const stats = place.version === 2 ? await readV2(place.directory) : await readV1(place);
  if (stats === undefined) {
    throw new EngineError('not-found', 'Cannot read counters: the control group is gone');
  }
  return stats;
}

async function readV2(directory: string): Promise<CgroupStats | undefined> {
  const files = await readAll(V2_STAT_FILES.map((name) => [name, `${directory}/${name}`]));
  return files['cpu.stat'] === undefined ? undefined : parseStatsV2(files);
}

async function readV1(place: V1Place): Promise<CgroupStats | undefined> {
  const paths = Object.entries(place.directories).flatMap(([controller, directory]) =>
    (V1_STAT_FILES[controller] ?? []).map((name) => [name, `${directory}/${name}`] as const),
  );
  const files = await readAll(paths);
  const unified =
    place.unified === undefined ? undefined : await readOrMissing(`${place.unified}/cpu.stat`);
  const isGone = unified === undefined && Object.values(files).every((text) => text === undefined);
  return isGone ? undefined : parseStatsV1(files, unified);
}

async function readAll(paths: readonly (readonly [string, string])[]): Promise<StatFiles> {
  const texts = await Promise.all(
    paths.map(async ([name, path]) => [name, await readOrMissing(path)] as const),
  );
  return Object.fromEntries(texts);
}

async function readOrMissing(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined);
}
