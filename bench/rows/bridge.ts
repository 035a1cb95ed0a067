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
import { type Contestant, interleave, summarize, timeMs } from '../stats.ts';

const TRUE = ['true'];
const APART = ['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh'];
const PROGRAM = [...APART, join(ROOT, 'dist', 'carve')];
/** Containers on one network, and how many starts are compared at either end. */
const CROWD = 500;
const SAMPLE = 40;
const WARM_LIVES = 40;

const GOALS: readonly Goal[] = [
  { against: 'crun run', ratio: 1.5 },
  { against: 'docker', ratio: 1 / 25 },
];

/** The row. */
export const bridge: Row = {
  name: 'bridge',
  run: async (bench) => {
    const carve = await startCarve(join(bench.work, 'carve-bridge'), PROGRAM);
    try {
      await importImage(carve.api, join(bench.work, 'rootfs.tar'));
      return [
        await lives(bench, carve.api),
        ...(await added(bench, carve.api)),
        await crowd(bench, carve.api),
      ];
    } finally {
      await carve.stop();
    }
  },
};

async function lives(bench: Bench, api: Api): Promise<RowResult> {
  const { docker, peers } = bench;
  const contestants = [life('carve', api, 'bridge')];
  if (docker !== undefined) contestants.push(life('docker', docker.api, 'bridge'));
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

function life(name: string, engine: Api, network: string): Contestant {
  return { name, once: () => timeMs(() => lifeCycle(engine, TRUE, network)) };
}

/** What the bridge alone costs: some milliseconds, which few runs do not show. */
async function added(bench: Bench, api: Api): Promise<readonly RowResult[]> {
  const networks = ['bridge', 'none'] as const;
  const starts = networks.map((network) => ({
    name: network,
    once: async () => startMs(api, network),
  }));
  const whole = networks.map((network) => life(network, api, network));
  return [
    await difference(bench, 'a start, by pairs (asked: at most 3)', starts),
    await difference(bench, 'a whole life, by pairs', whole),
  ];
}

/** Milliseconds of the start of a container that lives and ends. */
async function startMs(api: Api, network: string): Promise<number> {
  const id = await createContainer(api, { command: TRUE, network });
  const tookMs = await timeMs(() => api.call('POST', `/containers/${id}/start`));
  await api.call('POST', `/containers/${id}/wait`);
  await api.call('DELETE', `/containers/${id}`);
  return tookMs;
}

/** Of two contestants, how much more the first takes. */
async function difference(
  bench: Bench,
  what: string,
  contestants: readonly Contestant[],
): Promise<RowResult> {
  const samples = await interleave(contestants, scaled(bench, 300));
  const [on = [], off = []] = [...samples.values()];
  const more = on.map((ms, round) => ms - (off[round] ?? Number.NaN));
  const figures = [['carve', more] as const, ...samples];
  return {
    title: `what the bridge adds to ${what}, and both of them`,
    unit: 'ms',
    isMoreBetter: false,
    figures: figures.map(([name, values]) => ({ name, summary: summarize(values) })),
    goals: [],
  };
}

/** The last starts of a crowd, by turns with the first of another daemon, and its own first. */
async function crowd(bench: Bench, api: Api): Promise<RowResult> {
  const count = Math.max(3 * SAMPLE, Math.round(CROWD * bench.effort));
  const other = await startCarve(join(bench.work, 'carve-empty'), PROGRAM);
  const opened: Crowd[] = [];
  try {
    await importImage(other.api, join(bench.work, 'rootfs.tar'));
    // As warm as the one that has lived already.
    for (let lived = 0; lived < WARM_LIVES; lived += 1) await lifeCycle(other.api, TRUE, 'bridge');
    const [full, empty] = [await openCrowd(api), await openCrowd(other.api)];
    opened.push(full, empty);
    const first: number[] = [];
    while (first.length < count - SAMPLE) first.push(await full.start());
    const contestants = [
      { name: 'carve', once: () => full.start() },
      { name: 'first of another', once: () => empty.start() },
    ];
    const samples = await interleave(contestants, { runs: SAMPLE, warmups: 0 });
    samples.set('its own first', first.slice(0, SAMPLE));
    return {
      title: `start on a network with ${count - SAMPLE} containers, the last ${SAMPLE} of them`,
      unit: 'ms',
      isMoreBetter: false,
      figures: [...samples].map(([name, values]) => ({ name, summary: summarize(values) })),
      goals: ['first of another', 'its own first'].map((against) => ({ against, ratio: 1.3 })),
    };
  } finally {
    for (const each of opened) await each.close();
    await other.stop();
  }
}

/** A network that fills. */
interface Crowd {
  /** Starts one container more and answers with the milliseconds of its start. */
  start(): Promise<number>;
  close(): Promise<void>;
}

async function openCrowd(api: Api): Promise<Crowd> {
  const ids: string[] = [];
  await api.call('POST', '/networks/create', {
    Name: 'crowd',
    IPAM: { Config: [{ Subnet: '10.97.0.0/20' }] },
  });
  return {
    start: async () => {
      const id = await createContainer(api, { command: ['sleep', '100000'], network: 'crowd' });
      ids.push(id);
      return timeMs(() => api.call('POST', `/containers/${id}/start`));
    },
    close: async () => {
      for (const id of ids) await api.call('DELETE', `/containers/${id}?force=1`);
    },
  };
}
