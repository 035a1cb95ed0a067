/** carve for the bench: the built single file, with a root and a socket of its own. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../scripts/tools.ts';
import { type Api, openApi } from './api.ts';
import { startDaemon } from './process.ts';

/** A running carve. */
export interface CarveUnderTest {
  readonly api: Api;
  readonly socket: string;
  /** Process id of the daemon. */
  readonly pid: number;
  /** The command line up to the verb, aimed at this daemon. */
  readonly cli: readonly string[];
  stop(): Promise<void>;
}

/** The built single file. */
export const BUILT: readonly string[] = [join(ROOT, 'dist', 'carve')];

/** Starts a daemon below `folder`. `program`: the words up to the verb; default the built single file. */
export async function startCarve(
  folder: string,
  program: readonly string[] = BUILT,
): Promise<CarveUnderTest> {
  const socket = join(folder, 'carve.sock');
  mkdirSync(folder, { recursive: true });
  const places = ['--root', join(folder, 'root'), '--run', join(folder, 'run')];
  const argv = [...program, 'daemon', ...places, '--host', `unix://${socket}`];
  const daemon = await startDaemon(argv, socket, join(folder, 'carve.log'));
  const api = openApi(socket);
  return {
    api,
    socket,
    pid: daemon.pid,
    cli: [...program, '--host', `unix://${socket}`],
    stop: async () => {
      api.close();
      await daemon.stop();
    },
  };
}
