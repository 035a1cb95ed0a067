/** A large layer into an engine, against what the disk and one decompressor allow: `pigz -dc | tar x`. */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Api, importImage } from '../api.ts';
import { packFolder } from '../rootfs.ts';
import { runOnce } from '../process.ts';
import { type Bench, type Row, scaled, timedResult } from '../row.ts';
import { type Contestant, timeMs } from '../stats.ts';

/** Count of files in the archive. */
export const FILES = 12_000;
/** Bytes of all files of the archive. */
export const TOTAL_BYTES = 300_000_000;
const FILES_PER_FOLDER = 100;

/** The row. */
export const unpack: Row = {
  name: 'unpack',
  run: async (bench) => {
    const archive = await makeArchive(bench);
    const contestants = [engine('carve', bench.carve.api, archive)];
    if (bench.docker !== undefined) contestants.push(engine('docker', bench.docker.api, archive));
    contestants.push(plainTar(bench, archive));
    const title = `import of a tar.gz of ${FILES} files, ${TOTAL_BYTES / 1e6} MB`;
    const goals = [
      { against: 'pigz | tar', ratio: 1.3 },
      { against: 'docker', ratio: 0.5 },
    ];
    const { runs } = scaled(bench, 5);
    return [await timedResult({ title, contestants, repetition: { runs, warmups: 1 }, goals })];
  },
};

function engine(name: string, api: Api, archive: string): Contestant {
  return {
    name,
    once: async () => {
      const tookMs = await timeMs(() => importImage(api, archive, 'bench-large'));
      await api.call('DELETE', '/images/bench-large:latest?force=1');
      return tookMs;
    },
  };
}

/** `pigz -dc | tar x` of the archive into a new folder. */
export function plainTar(bench: Bench, archive: string): Contestant {
  const folder = join(bench.work, 'plain');
  const gunzip = '$(command -v pigz || echo gzip)';
  const script = `${gunzip} -dc '${archive}' | tar -x --numeric-owner -C '${folder}'`;
  return {
    name: 'pigz | tar',
    once: async () => {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      return timeMs(() => runOnce(['sh', '-c', script]));
    },
  };
}

/** Which archive to make. */
export interface ArchiveSize {
  readonly name: string;
  /** Count of files. */
  readonly files: number;
  /** Bytes of all files. */
  readonly totalBytes: number;
  /** Number that the content is made from: the same number, the same bytes. */
  readonly seed: number;
}

const LARGE: ArchiveSize = { name: 'large', files: FILES, totalBytes: TOTAL_BYTES, seed: 1 };

/** A tar.gz of a tree with the same bytes in every run; about a third of it is compressible. Archives of other names have other files. */
export async function makeArchive(
  bench: Bench,
  { name, files, totalBytes, seed: first }: ArchiveSize = LARGE,
): Promise<string> {
  const folder = join(bench.work, name);
  let seed = first;
  const next = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return seed;
  };
  const noise = Buffer.alloc(4 << 20);
  for (let at = 0; at < noise.length; at++) noise[at] = at % 3 === 0 ? 32 : next() >> 16;
  for (let index = 0; index < files; index++) {
    const parent = join(folder, `${name}-d${Math.floor(index / FILES_PER_FOLDER)}`);
    if (index % FILES_PER_FOLDER === 0) mkdirSync(parent, { recursive: true });
    // Many small files and few large ones, as in real layers: the mean is what the total asks for.
    const mean = totalBytes / files;
    const size = Math.round(index % 10 === 0 ? mean * 7.3 : mean * 0.3);
    const start = next() % (noise.length - size);
    writeFileSync(join(parent, `f${index}`), noise.subarray(start, start + size));
  }
  const archive = join(bench.work, `${name}.tar`);
  await packFolder(folder, archive);
  rmSync(folder, { recursive: true });
  await runOnce(['sh', '-c', `$(command -v pigz || echo gzip) -f '${archive}'`]);
  return `${archive}.gz`;
}
