/**
 * An image from a registry on loopback into an engine: the time against what
 * one decompressor and tar need for the same bytes, and the daemon's memory.
 */

import { join } from 'node:path';
import type { Api } from '../api.ts';
import { podmanAt } from '../podman.ts';
import { processTree, pssBytes, runOnce } from '../process.ts';
import { hasRegistry, putImage, REGISTRY_IMAGE, startRegistry } from '../registry.ts';
import { type Bench, type Figures, type Row, type RowResult, scaled, timedResult } from '../row.ts';
import { type Contestant, summarize, timeMs } from '../stats.ts';
import { FILES, makeArchive, plainTar, TOTAL_BYTES } from './unpack.ts';

const MIB = 1024 * 1024;
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
      await putImage(archive);
      // dockerd has a network namespace of its own: the same files, served there.
      if (bench.docker !== undefined) started.push(await startRegistry(folder, bench.docker.pid));
      return [await timed(bench, archive), await weighed(bench)];
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

async function pullOnce(api: Api): Promise<void> {
  const path = `/images/create?fromImage=${encodeURIComponent(REGISTRY_IMAGE)}&tag=1`;
  const { body } = await api.call('POST', path);
  if (!body.includes('Pull complete'))
    throw new Error('a pull fetched nothing: the image was there');
}

async function removeImage(api: Api): Promise<void> {
  await api.call('DELETE', `/images/${REGISTRY_IMAGE}:1?force=1`);
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
  const name = `${REGISTRY_IMAGE}:1`;
  return {
    name: 'podman',
    once: async () => {
      const tookMs = await timeMs(() => runOnce([...cli, 'pull', '--tls-verify=false', name]));
      await runOnce([...cli, 'rmi', '--force', name]);
      return tookMs;
    },
  };
}

/** Highest memory of the daemons and their helpers in pulls of their own, so that looking costs no timed one. */
async function weighed({ carve, docker }: Bench): Promise<RowResult> {
  const figures: Figures[] = [await peakOf('carve', carve)];
  if (docker !== undefined) figures.push(await peakOf('docker', docker));
  return {
    title:
      'highest memory of the daemon and its helpers in a pull, PSS (asked of carve: under 150)',
    unit: 'MiB',
    isMoreBetter: false,
    figures,
    goals: [],
  };
}

async function peakOf(
  name: string,
  { api, pid }: { readonly api: Api; readonly pid: number },
): Promise<Figures> {
  let peakBytes = 0;
  const look = setInterval(() => {
    const sum = processTree(pid).reduce((bytes, one) => bytes + pssBytes(one), 0);
    peakBytes = Math.max(peakBytes, sum);
  }, LOOK_MS);
  try {
    await pullOnce(api);
  } finally {
    clearInterval(look);
  }
  await removeImage(api);
  return { name, summary: summarize([peakBytes / MIB]) };
}
