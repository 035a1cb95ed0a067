/** What a person waits for: the command line from Enter to the prompt, with the daemon up. */

import { type Bench, type Row, scaled, timedResult } from '../row.ts';
import { runOnce } from '../process.ts';
import { type Contestant, timeMs } from '../stats.ts';
import { PODMAN_RUN, podmanCli } from '../podman.ts';

const TRUE = ['bench-busybox', 'true'];
const RUN = ['run', '--rm', '--network', 'none', ...TRUE];

/** The row. */
export const cliRun: Row = {
  name: 'cli-run',
  run: async (bench) => [
    await timedResult({
      title: 'CLI run --rm (network none), daemon up',
      contestants: await contestantsOf(bench),
      repetition: scaled(bench, 25),
      goals: [
        { against: 'docker', ratio: 1 / 10 },
        { against: 'podman', ratio: 1 / 8 },
      ],
    }),
    ...(await dockerCli(bench)),
  ],
};

function command(name: string, cli: readonly string[]): Contestant {
  return { name, once: () => timeMs(() => runOnce([...cli, ...RUN])) };
}

async function contestantsOf(bench: Bench): Promise<readonly Contestant[]> {
  const all = [command('carve', bench.carve.cli)];
  const { docker } = bench;
  if (docker !== undefined) all.push(command('docker', dockerAt(docker.socket)));
  if (bench.peers.podman !== undefined) all.push(await podman(bench));
  return all;
}

async function podman(bench: Bench): Promise<Contestant> {
  const argv = [...(await podmanCli(bench)), 'run', '--rm', ...PODMAN_RUN, ...TRUE];
  return { name: 'podman', once: () => timeMs(() => runOnce(argv)) };
}

const dockerAt = (socket: string): readonly string[] => ['docker', '--host', `unix://${socket}`];

/** The unmodified docker program against both engines. */
async function dockerCli(bench: Bench): ReturnType<Row['run']> {
  if (bench.peers.docker === undefined) return [];
  const contestants = [command('carve', dockerAt(bench.carve.socket))];
  if (bench.docker !== undefined)
    contestants.push(command('docker', dockerAt(bench.docker.socket)));
  const title = 'the docker program against each engine: run --rm (network none)';
  const goals = [{ against: 'docker', ratio: 1 / 6 }];
  return [await timedResult({ title, contestants, repetition: scaled(bench, 20), goals })];
}
