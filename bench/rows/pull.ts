/**
 * An image from a registry on loopback into an engine: the time against what
 * one decompressor and tar need for the same bytes, and the daemon's memory.
 */

import { join } from 'node:path';
import type { Api } from '../api.ts';
import { podmanAt } from '../podman.ts';
import { cpuMs, processTree, pssBytes, runOnce } from '../process.ts';
import { hasRegistry, putImage, REPOSITORY, startRegistry } from '../registry.ts';
import { type Bench, type Row, type RowResult, scaled, timedResult } from '../row.ts';
import { type Contestant, summarize, timeMs } from '../stats.ts';
import { layerArchives, LAYERS } from './load.ts';
import { FILES, makeArchive, plainTar, TOTAL_BYTES } from './unpack.ts';

const MIB = 1024 * 1024;
/** Tag of the image of one layer. */
const LARGE = 'large';
/** The images that are weighed: what each is, by its tag. A layer of five times the size costs no more memory. */
const WEIGHED = {
  [LARGE]: 'one layer',
  huge: 'one layer of five times the size',
  layers: `${LAYERS} layers`,
};
/** Milliseconds between two looks at the daemon's memory. */
const LOOK_MS = 25;

/** The row. */
export const pull: Row = {
  name: 'pull',
  run: async (bench) => {
    if (!hasRegistry()) {
      console.log('pull: needs a registry: as root apt-get install docker-registry\n');
      return [];
    }
    const folder = join(bench.work, 'registry');
    const archive = await makeArchive(bench);
    const started = [await startRegistry(folder)];
    try {
      await putImage(LARGE, [archive]);
      await putImage('huge', [await hugeArchive(bench)]);
      await putImage('layers', await layerArchives(bench));
      // dockerd has a network namespace of its own: the same files, served there.
      if (bench.docker !== undefined) started.push(await startRegistry(folder, bench.docker.pid));
      return [await timed(bench, archive), ...(await weighed(bench))];
    } finally {
      for (const registry of started) await registry.stop();
    }
  },
};

async function timed(bench: Bench, archive: string): Promise<RowResult> {
  const contestants = [engine('carve', bench.carve.api)];
  if (bench.docker !== undefined) contestants.push(engine('docker', bench.docker.api));
  if (bench.peers.podman !== undefined) contestants.push(podman(bench));
  contestants.push(plainTar(bench, archive));
  return timedResult({
    title: `pull of ${FILES} files, ${TOTAL_BYTES / 1e6} MB, from a registry on loopback`,
    contestants,
    repetition: { ...scaled(bench, 5), warmups: 1 },
    goals: [
      { against: 'pigz | tar', ratio: 1.3 },
      { against: 'docker', ratio: 1 },
      { against: 'podman', ratio: 1 },
    ],
  });
}

/** Five times the large layer. */
async function hugeArchive(bench: Bench): Promise<string> {
  const size = { name: 'huge', files: FILES, totalBytes: 5 * TOTAL_BYTES, seed: 2 };
  return await makeArchive(bench, size);
}

async function pullOnce(api: Api, tag: string = LARGE): Promise<void> {
  const path = `/images/create?fromImage=${encodeURIComponent(REPOSITORY)}&tag=${tag}`;
  const { body } = await api.call('POST', path);
  if (!body.includes('Pull complete'))
    throw new Error('a pull fetched nothing: the image was there');
}

async function removeImage(api: Api, tag: string = LARGE): Promise<void> {
  await api.call('DELETE', `/images/${REPOSITORY}:${tag}?force=1`);
}

function engine(name: string, api: Api): Contestant {
  return {
    name,
    once: async () => {
      const tookMs = await timeMs(() => pullOnce(api));
      await removeImage(api);
      return tookMs;
    },
  };
}

function podman(bench: Bench): Contestant {
  const cli = podmanAt(join(bench.work, 'podman-pull'));
  const name = `${REPOSITORY}:${LARGE}`;
  return {
    name: 'podman',
    once: async () => {
      const tookMs = await timeMs(() => runOnce([...cli, 'pull', '--tls-verify=false', name]));
      await runOnce([...cli, 'rmi', '--force', name]);
      return tookMs;
    },
  };
}

/** What the daemons cost in pulls of their own, so that looking costs no timed one. */
async function weighed(bench: Bench): Promise<readonly RowResult[]> {
  const { carve, docker } = bench;
  const pulls = scaled(bench, 5).runs;
  const costs: PullCosts[] = [];
  for (const [tag, what] of Object.entries(WEIGHED))
    costs.push(await costsOf(`carve, ${what}`, { of: carve, tag, pulls }));
  if (docker !== undefined)
    costs.push(await costsOf('docker, one layer', { of: docker, tag: LARGE, pulls: 1 }));
  const result = (title: string, unit: string, of: keyof PullCosts['samples']): RowResult => ({
    title,
    unit,
    isMoreBetter: false,
    figures: costs.map(({ name, samples }) => ({ name, summary: summarize(samples[of]) })),
    goals: [],
  });
  return [
    result(
      `highest memory of the daemon and its helpers in each of ${pulls} pulls, PSS (asked of carve: under 150 for a layer of any size)`,
      'MiB',
      'peakMib',
    ),
    result('processor time of the daemon itself in these pulls', 'ms', 'cpuMs'),
  ];
}

interface Weighing {
  readonly of: { readonly api: Api; readonly pid: number };
  readonly tag: string;
  /** Number of pulls, each of an image that is not here. */
  readonly pulls: number;
}

/** One sample of each for every pull. */
interface PullCosts {
  readonly name: string;
  readonly samples: { readonly peakMib: readonly number[]; readonly cpuMs: readonly number[] };
}

async function costsOf(name: string, { of, tag, pulls }: Weighing): Promise<PullCosts> {
  const { api, pid } = of;
  const peaks: number[] = [];
  const times: number[] = [];
  for (let count = 0; count < pulls; count += 1) {
    const beforeMs = cpuMs(pid);
    peaks.push(await peakIn(pid, () => pullOnce(api, tag)));
    times.push(cpuMs(pid) - beforeMs);
    await removeImage(api, tag);
  }
  return { name, samples: { peakMib: peaks, cpuMs: times } };
}

/** MiB at the highest while `work` runs. */
async function peakIn(pid: number, work: () => Promise<void>): Promise<number> {
  let peakBytes = 0;
  const look = setInterval(() => {
    const sum = processTree(pid).reduce((bytes, one) => bytes + pssBytes(one), 0);
    peakBytes = Math.max(peakBytes, sum);
  }, LOOK_MS);
  try {
    await work();
  } finally {
    clearInterval(look);
  }
  return peakBytes / MIB;
}
