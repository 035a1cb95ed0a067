/**
 * The bench runs in a mount namespace of its own: what engines mount goes with
 * it, and on a host with hybrid cgroups the v2 hierarchy is out of sight, which
 * crun otherwise refuses ("hybrid mode not supported").
 */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const MARK = 'CARVE_BENCH_NAMESPACE';

/** Mount points of cgroup hierarchies by version. */
export function cgroupMounts(mountinfo: string): {
  readonly v1: readonly string[];
  readonly v2: readonly string[];
} {
  const lines = mountinfo.split('\n').map((line) => line.split(' '));
  const pointsOf = (type: string): readonly string[] =>
    lines
      .filter((fields) => fields[fields.indexOf('-') + 1] === type)
      .map((fields) => fields[4] ?? '');
  return { v1: pointsOf('cgroup'), v2: pointsOf('cgroup2') };
}

/** Runs this same program again inside a new mount namespace and exits with its code; returns at once when already there. */
export function enterNamespace(): void {
  if (process.env[MARK] === '1') {
    hideUnified();
    return;
  }
  const argv = ['--mount', '--propagation', 'private', process.execPath, ...process.argv.slice(1)];
  const { status, error } = spawnSync('unshare', argv, {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: '1' },
  });
  if (error !== undefined) throw error;
  process.exit(status ?? 1);
}

function hideUnified(): void {
  const { v1, v2 } = cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  if (v1.length === 0) return;
  for (const point of v2) spawnSync('umount', [point]);
}
