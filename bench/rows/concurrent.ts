/** 64 starts, one at a time and 16 at a time: what a global lock would show. */

import { type Api, createContainer } from '../api.ts';
import type { Bench, Figures, Row, RowResult } from '../row.ts';
import { summarize, timeMs } from '../stats.ts';

const STARTS = 64;
const WIDTH = 16;

/** The row. */
export const concurrent: Row = {
  name: 'concurrent',
  run: async (bench) => {
    const engines = enginesOf(bench);
    const batches: Batches = { single: new Map(), wide: new Map() };
    for (const { name, api } of engines) {
      batches.single.set(name, await startMany(api, 1));
      batches.wide.set(name, await startMany(api, WIDTH));
    }
    return [latency(batches, 'single'), latency(batches, 'wide'), throughput(batches)];
  },
};

interface Batch {
  /** Milliseconds of each create + start. */
  readonly latenciesMs: readonly number[];
  /** Milliseconds from the first to the last. */
  readonly totalMs: number;
}

interface Batches {
  readonly single: Map<string, Batch>;
  readonly wide: Map<string, Batch>;
}

function enginesOf({ carve, docker }: Bench): readonly { name: string; api: Api }[] {
  const engines = [{ name: 'carve', api: carve.api }];
  if (docker !== undefined) engines.push({ name: 'docker', api: docker.api });
  return engines;
}

/** Creates and starts {@link STARTS} containers, `width` at a time, and removes them afterwards. */
async function startMany(api: Api, width: number): Promise<Batch> {
  const ids: string[] = [];
  const latenciesMs: number[] = [];
  let left = STARTS;
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      latenciesMs.push(
        await timeMs(async () => {
          const id = await createContainer(api, { command: ['sleep', '100000'] });
          ids.push(id);
          await api.call('POST', `/containers/${id}/start`);
        }),
      );
    }
  };
  try {
    const totalMs = await timeMs(() => Promise.all(Array.from({ length: width }, work)));
    return { latenciesMs, totalMs };
  } finally {
    await removeAll(api, ids);
  }
}

async function removeAll(api: Api, ids: readonly string[]): Promise<void> {
  const waiting = [...ids];
  const work = async (): Promise<void> => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      await api.call('DELETE', `/containers/${id}?force=1`);
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, work));
}

function latency(batches: Batches, kind: keyof Batches): RowResult {
  const figures: Figures[] = [...batches[kind]].map(([name, { latenciesMs }]) => ({
    name,
    summary: summarize(latenciesMs),
  }));
  const how = kind === 'single' ? 'one at a time' : `${WIDTH} at a time`;
  const title = `${STARTS} starts of sleep, ${how}: create + start`;
  return { title, unit: 'ms', isMoreBetter: false, figures, goals: [] };
}

function throughput(batches: Batches): RowResult {
  const figures: Figures[] = [...batches.wide].map(([name, { totalMs }]) => ({
    name,
    summary: summarize([(STARTS / totalMs) * 1000]),
  }));
  const title = `${STARTS} starts of sleep, ${WIDTH} at a time: throughput`;
  return {
    title,
    unit: '/s',
    isMoreBetter: true,
    figures,
    goals: [{ against: 'docker', ratio: 10 }],
  };
}
