/**
 * A bare OCI runtime: `crun run` or `runc run` of the bench's root with the
 * runtime's own default configuration, without any engine.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOnce } from './process.ts';

/** Runs `true` once in a container of its own. */
export type RunBare = () => Promise<void>;

/** Prepares a bundle for `runtime` (`crun`, `runc`) and answers with the way to run it. */
export async function prepareBare(runtime: string, rootfs: string, work: string): Promise<RunBare> {
  const bundle = join(work, `bundle-${runtime}`);
  const state = join(work, `state-${runtime}`);
  mkdirSync(bundle, { recursive: true });
  mkdirSync(state, { recursive: true });
  await runOnce([runtime, 'spec'], { cwd: bundle });
  /** The default configuration, with the bench's root, no console, and `true` as the command. */
  const adapt = (key: string, value: unknown): unknown => {
    if (key === 'terminal') return false;
    if (key === 'args') return ['/bin/true'];
    if (key === 'root') return { path: rootfs, readonly: false };
    return value;
  };
  const file = join(bundle, 'config.json');
  writeFileSync(file, JSON.stringify(JSON.parse(readFileSync(file, 'utf8'), adapt)));
  let number = 0;
  return () =>
    runOnce([runtime, '--root', state, 'run', '--bundle', bundle, `carve-bench-${++number}`]);
}
