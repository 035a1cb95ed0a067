/**
 * What a test run needs from archives and registries, fetched while the
 * machine's network can still be reached: the run itself is isolated.
 */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runChild } from './child.ts';
import { ROOT, TOOLS } from './tools.ts';
import { prepareVm } from './vm/boot.ts';

/** Fetches what tests of `kind` need and is not there; all kinds when it is `undefined`. Throws with what the fetching program said. */
export async function prepareTests(kind: string | undefined): Promise<void> {
  if (kind === undefined || kind === 'compat') await installClients();
  if (kind === undefined || kind === 'vm') await prepareVm();
}

/** The npm packages of the clients in `test/compat`. */
async function installClients(): Promise<void> {
  const folder = join(ROOT, 'test', 'compat');
  // npm writes its own record last: without it an installation was cut off.
  if (existsSync(join(folder, 'node_modules', '.package-lock.json'))) return;
  const path = `${dirname(TOOLS.node)}:${process.env['PATH'] ?? ''}`;
  const argv = ['npm', 'ci', '--ignore-scripts'];
  const { code, output } = await runChild(argv, { cwd: folder, env: { PATH: path } });
  if (code !== 0) throw new Error(`Cannot install the clients of test/compat: ${output.trim()}`);
}
