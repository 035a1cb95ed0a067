/** Podman for the bench: storage of its own; only network none, so that it touches no network. */

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from './row.ts';
import { runOnce } from './process.ts';

/** Options of each run; the limits are ones that every machine allows. */
export const PODMAN_RUN: readonly string[] =
  '--network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024'.split(' ');

/** Podman's command line up to the verb; the bench's image is there. */
export async function podmanCli(bench: Bench): Promise<readonly string[]> {
  const folder = join(bench.work, 'podman');
  const cli = podmanAt(folder);
  if (!existsSync(folder)) {
    mkdirSync(folder);
    await runOnce([...cli, 'import', join(bench.work, 'rootfs.tar'), 'bench-busybox']);
  }
  return cli;
}

/** Podman's command line up to the verb, with its storage below `folder`. */
export function podmanAt(folder: string): readonly string[] {
  const places = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run')];
  return ['podman', ...places, '--cgroup-manager=cgroupfs', '--events-backend=none'];
}
