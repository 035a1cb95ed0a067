/** A saved image into an engine: the large layer of the other rows, and ten layers at once. */

import { mkdirSync, renameSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import type { Api } from '../api.ts';
import { BUILT, type CarveUnderTest, startCarve } from '../carve.ts';
import { packArchive } from '../docker-archive.ts';
import { runOnce } from '../process.ts';
import { type Bench, type Row, type RowResult, scaled, timedResult } from '../row.ts';
import { type Contestant, timeMs } from '../stats.ts';
import { FILES, makeArchive, TOTAL_BYTES } from './unpack.ts';

/** Count of layers of the image that has many. */
export const LAYERS = 10;
/** Share of the time on one core that each further core is asked to take off: the rest is reading the archive. */
const GAIN_PER_CORE = 0.5;

/** The row. */
export const load: Row = {
  name: 'load',
  run: async (bench) => [await oneLayer(bench), await tenLayers(bench)],
};

async function oneLayer(bench: Bench): Promise<RowResult> {
  const tag = 'bench-load:1';
  const archive = await plainArchive(bench, tag);
  const contestants = [loader('carve', bench.carve.api, { archive, tag })];
  if (bench.docker !== undefined)
    contestants.push(loader('docker', bench.docker.api, { archive, tag }));
  return await timedResult({
    title: `load of a saved image, one uncompressed layer of ${FILES} files, ${TOTAL_BYTES / 1e6} MB`,
    contestants,
    repetition: { ...scaled(bench, 5), warmups: 1 },
    goals: [{ against: 'docker', ratio: 0.5 }],
  });
}

/** The same carve on every core and on one: what of the work is done side by side. */
async function tenLayers(bench: Bench): Promise<RowResult> {
  const tag = 'bench-layers:1';
  const archive = await layersArchive(bench, tag);
  const onOne: CarveUnderTest = await startCarve(join(bench.work, 'carve-one'), [
    'taskset',
    '-c',
    '0',
    ...BUILT,
  ]);
  try {
    const cores = cpus().length;
    return await timedResult({
      title: `load of ${LAYERS} gzip layers of ${TOTAL_BYTES / LAYERS / 1e6} MB, on ${cores} cores and on one`,
      contestants: [
        loader('carve', bench.carve.api, { archive, tag }),
        loader('carve, one core', onOne.api, { archive, tag }),
        ...(bench.docker === undefined
          ? []
          : [loader('docker', bench.docker.api, { archive, tag })]),
      ],
      repetition: { ...scaled(bench, 5), warmups: 1 },
      goals: [
        { against: 'carve, one core', ratio: 1 / (1 + GAIN_PER_CORE * (cores - 1)) },
        { against: 'docker', ratio: 0.5 },
      ],
    });
  } finally {
    await onOne.stop();
  }
}

/** An image as a file, and its name. */
interface Saved {
  readonly archive: string;
  readonly tag: string;
}

function loader(name: string, api: Api, { archive, tag }: Saved): Contestant {
  const body = { file: archive, contentType: 'application/x-tar' };
  return {
    name,
    once: async () => {
      const tookMs = await timeMs(() => api.upload('POST', '/images/load?quiet=1', body));
      await api.call('DELETE', `/images/${tag}?force=1`);
      return tookMs;
    },
  };
}

async function plainArchive(bench: Bench, tag: string): Promise<string> {
  const packed = await makeArchive(bench);
  const folder = join(bench.work, 'saved-one');
  mkdirSync(folder);
  await runOnce(['sh', '-c', `gzip -dc '${packed}' > '${join(folder, 'layer.tar')}'`]);
  return await packArchive(folder, { tag, layers: ['layer.tar'] });
}

async function layersArchive(bench: Bench, tag: string): Promise<string> {
  const folder = join(bench.work, 'saved-ten');
  mkdirSync(folder);
  const layers: string[] = [];
  for (const archive of await layerArchives(bench)) {
    layers.push(basename(archive));
    renameSync(archive, join(folder, basename(archive)));
  }
  return await packArchive(folder, { tag, layers });
}

/** The files of the large layer, over {@link LAYERS} layers, each as a tar.gz. */
export async function layerArchives(bench: Bench): Promise<readonly string[]> {
  const archives: string[] = [];
  for (let index = 0; index < LAYERS; index++) {
    const name = `layer-${index}`;
    const size = { name, files: FILES / LAYERS, totalBytes: TOTAL_BYTES / LAYERS, seed: index + 1 };
    archives.push(await makeArchive(bench, size));
  }
  return archives;
}
