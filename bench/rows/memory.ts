/**
 * Memory as its proportional share (PSS): of an idle daemon with all it keeps
 * running, and of what each idle container costs beyond its own process.
 */

import { type Api, createContainer } from '../api.ts';
import { allPids, commandLine, parentOf, processTree, pssBytes, runOnce } from '../process.ts';
import { PODMAN_RUN, podmanCli } from '../podman.ts';
import type { Bench, Figures, Row, RowResult } from '../row.ts';
import { summarize } from '../stats.ts';

const CONTAINERS = 20;
const MIB = 1024 * 1024;

/** The row. */
export const memory: Row = {
  name: 'memory',
  run: async (bench) => [daemons(bench), await containers(bench)],
};

function daemons({ carve, docker }: Bench): RowResult {
  const figures: Figures[] = [figure('carve', [treeMiB(carve.pid)])];
  if (docker !== undefined) figures.push(figure('docker', [treeMiB(docker.pid)]));
  return {
    title: 'idle daemon and its helpers, PSS',
    unit: 'MiB',
    isMoreBetter: false,
    figures,
    goals: [{ against: 'docker', ratio: 80 / 128 }],
  };
}

const treeMiB = (pid: number): number => {
  const bytes = processTree(pid).map((one) => pssBytes(one));
  return bytes.reduce((sum, one) => sum + one, 0) / MIB;
};

async function containers(bench: Bench): Promise<RowResult> {
  const figures: Figures[] = [figure('carve', await helpersOfApi(bench.carve.api))];
  if (bench.docker !== undefined)
    figures.push(figure('docker', await helpersOfApi(bench.docker.api)));
  if (bench.peers.podman !== undefined)
    figures.push(figure('podman', await helpersOfPodman(bench)));
  return {
    title: `each of ${CONTAINERS} idle containers, beyond its own process, PSS`,
    unit: 'MiB',
    isMoreBetter: false,
    figures,
    goals: [{ against: 'podman', ratio: 0.5 }],
  };
}

function figure(name: string, samples: readonly number[]): Figures {
  return { name, summary: summarize(samples) };
}

async function helpersOfApi(api: Api): Promise<readonly number[]> {
  const ids: string[] = [];
  try {
    return await helpersOf(async () => {
      const id = await createContainer(api, { command: SLEEP });
      ids.push(id);
      await api.call('POST', `/containers/${id}/start`);
    });
  } finally {
    for (const id of ids) await api.call('DELETE', `/containers/${id}?force=1`);
  }
}

async function helpersOfPodman(bench: Bench): Promise<readonly number[]> {
  const cli = await podmanCli(bench);
  const run = [...cli, 'run', ...PODMAN_RUN, '--detach', 'bench-busybox', ...SLEEP];
  try {
    return await helpersOf(() => runOnce(run));
  } finally {
    await runOnce([...cli, 'rm', '--all', '--force', '--time', '0']);
  }
}

const SLEEP = ['sleep', '31415'];

/** Starts the containers and weighs the parents of their processes, which hold them: MiB for each container. */
async function helpersOf(startOne: () => Promise<void>): Promise<readonly number[]> {
  const before = allPids();
  for (let count = 0; count < CONTAINERS; count++) await startOne();
  const added = [...allPids()].filter((pid) => !before.has(pid));
  const inside = added.filter((pid) => commandLine(pid).startsWith(SLEEP.join(' ')));
  const helpers = new Set(inside.map((pid) => parentOf(pid)));
  const bytes = [...helpers].map((pid) => pssBytes(pid)).reduce((sum, one) => sum + one, 0);
  if (inside.length !== CONTAINERS) {
    throw new Error(`${CONTAINERS} containers were started, ${inside.length} of them run`);
  }
  return [bytes / MIB / CONTAINERS];
}
