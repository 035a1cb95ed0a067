/**
 * The same life on the default bridge, and what a network that is crowded
 * already costs the next one. carve runs in a network namespace of its own.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../scripts/tools.ts';
import { type Api, createContainer, importImage, lifeCycle } from '../api.ts';
import { prepareBare } from '../bare.ts';
import { startCarve } from '../carve.ts';
import { type Bench, type Goal, type Row, type RowResult, scaled, timedResult } from '../row.ts';
import { type Contestant, summarize, timeMs } from '../stats.ts';

const TRUE = ['true'];
const APART = ['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh'];
/** Containers on one network, and how many starts are compared at either end. */
const CROWD = 500;
const SAMPLE = 20;

const GOALS: readonly Goal[] = [
  { against: 'crun run', ratio: 1.5 },
  { against: 'docker', ratio: 1 / 25 },
];

/** The row. */
export const bridge: Row = {
  name: 'bridge',
  run: async (bench) => {
    const program = [...APART, join(ROOT, 'dist', 'carve')];
    const carve = await startCarve(join(bench.work, 'carve-bridge'), program);
    try {
      await importImage(carve.api, join(bench.work, 'rootfs.tar'));
      return [await lives(bench, carve.api), await crowd(bench, carve.api)];
    } finally {
      await carve.stop();
    }
  },
};

async function lives(bench: Bench, api: Api): Promise<RowResult> {
  const { docker, peers } = bench;
  const on = (name: string, engine: Api, network: string): Contestant => ({
    name,
    once: () => timeMs(() => lifeCycle(engine, TRUE, network)),
  });
  const contestants = [on('carve', api, 'bridge'), on('carve, network none', api, 'none')];
  if (docker !== undefined) contestants.push(on('docker', docker.api, 'bridge'));
  if (peers.crun !== undefined) {
    const folder = join(bench.work, 'bare-bridge');
    mkdirSync(folder, { recursive: true });
    const run = await prepareBare('crun', bench.rootfs, folder);
    contestants.push({ name: 'crun run', once: () => timeMs(run) });
  }
  return timedResult({
    title: 'API create, start, wait, remove (bridge)',
    contestants,
    repetition: scaled(bench, 40),
    goals: GOALS,
  });
}

/** The last starts of a crowd against its first. */
async function crowd(bench: Bench, api: Api): Promise<RowResult> {
  const ids: string[] = [];
  const startMs: number[] = [];
  await api.call('POST', '/networks/create', {
    Name: 'crowd',
    IPAM: { Config: [{ Subnet: '10.97.0.0/20' }] },
  });
  const count = Math.max(3 * SAMPLE, Math.round(CROWD * bench.effort));
  try {
    for (let started = 0; started < count; started += 1) {
      const id = await createContainer(api, { command: ['sleep', '100000'], network: 'crowd' });
      ids.push(id);
      startMs.push(await timeMs(() => api.call('POST', `/containers/${id}/start`)));
    }
  } finally {
    for (const id of ids) await api.call('DELETE', `/containers/${id}?force=1`);
  }
  return {
    title: `start on a network with ${count - SAMPLE} containers, against the first ${SAMPLE}`,
    unit: 'ms',
    isMoreBetter: false,
    figures: [
      { name: 'the last', summary: summarize(startMs.slice(-SAMPLE)) },
      { name: 'the first', summary: summarize(startMs.slice(0, SAMPLE)) },
    ],
    goals: [{ against: 'the first', ratio: 1.3 }],
  };
}
