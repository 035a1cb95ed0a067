/** An exec of `true` in a running container through the API: create, start, inspect. */

import { type Api, createContainer, execTrue } from '../api.ts';
import { type Row, scaled, timedResult } from '../row.ts';
import { timeMs } from '../stats.ts';

/** The row. */
export const exec: Row = {
  name: 'exec',
  run: async (bench) => {
    const engines = [
      { name: 'carve', api: bench.carve.api },
      ...(bench.docker === undefined ? [] : [{ name: 'docker', api: bench.docker.api }]),
    ];
    const running = await Promise.all(
      engines.map(async (engine) => ({ ...engine, id: await startSleeping(engine.api) })),
    );
    try {
      const contestants = running.map(({ name, api, id }) => ({
        name,
        once: () => timeMs(() => execTrue(api, id)),
      }));
      const title = 'API exec of true: create, start, inspect';
      const goals = [{ against: 'docker', ratio: 1 / 15 }];
      return [await timedResult({ title, contestants, repetition: scaled(bench, 40), goals })];
    } finally {
      for (const { api, id } of running) await api.call('DELETE', `/containers/${id}?force=1`);
    }
  },
};

/** Starts a container that does nothing and answers with its id. */
async function startSleeping(api: Api): Promise<string> {
  const id = await createContainer(api, { command: ['sleep', '100000'] });
  await api.call('POST', `/containers/${id}/start`);
  return id;
}
