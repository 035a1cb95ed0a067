/** API create → start → wait → remove, network none, against a bare runtime that runs the same root once. */

import { lifeCycle } from '../api.ts';
import { prepareBare } from '../bare.ts';
import { type Bench, type Goal, type Row, scaled, timedResult } from '../row.ts';
import { type Contestant, timeMs } from '../stats.ts';

const TRUE = ['true'];

/** The row. */
export const lifecycle: Row = {
  name: 'lifecycle',
  run: async (bench) => {
    const contestants = [carve(bench), ...docker(bench), ...(await bare(bench))];
    return [
      await timedResult({
        title: 'API create, start, wait, remove (network none)',
        contestants,
        repetition: scaled(bench, 40),
        goals: GOALS,
      }),
    ];
  },
};

const GOALS: readonly Goal[] = [
  { against: 'crun run', ratio: 1 },
  { against: 'docker', ratio: 1 / 16 },
];

function carve(bench: Bench): Contestant {
  return { name: 'carve', once: () => timeMs(() => lifeCycle(bench.carve.api, TRUE)) };
}

function docker({ docker: engine }: Bench): readonly Contestant[] {
  if (engine === undefined) return [];
  return [{ name: 'docker', once: () => timeMs(() => lifeCycle(engine.api, TRUE)) }];
}

async function bare(bench: Bench): Promise<readonly Contestant[]> {
  const contestants: Contestant[] = [];
  for (const runtime of ['crun', 'runc'] as const) {
    if (bench.peers[runtime] === undefined) continue;
    const run = await prepareBare(runtime, bench.rootfs, bench.work);
    contestants.push({ name: `${runtime} run`, once: () => timeMs(run) });
  }
  return contestants;
}
