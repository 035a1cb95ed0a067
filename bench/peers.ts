/**
 * The other container engines of this machine. They come from Debian; nothing
 * is downloaded from elsewhere and nothing is started by installing them.
 */

import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { runChild } from '../scripts/child.ts';

/** Programs that are installed, with the first line of their version. */
export interface Peers {
  readonly docker: string | undefined;
  readonly dockerd: string | undefined;
  readonly podman: string | undefined;
  readonly crun: string | undefined;
  readonly runc: string | undefined;
}

/** What to install from Debian. */
export const PEER_PACKAGES: readonly string[] = [
  'docker.io',
  'podman',
  'crun',
  'runc',
  'iproute2',
  'pigz',
];

/** The line to run for somebody who is not root. */
export const INSTALL_SENTENCE: string = `To compare with more, install the other engines from Debian: npm run bench -- --install (as root), or apt-get install --no-install-recommends ${PEER_PACKAGES.join(' ')}`;

/** Looks for the programs on PATH. */
export async function findPeers(): Promise<Peers> {
  const names = ['docker', 'dockerd', 'podman', 'crun', 'runc'] as const;
  const versions = await Promise.all(names.map((name) => versionOf(name)));
  const [docker, dockerd, podman, crun, runc] = versions;
  return { docker, dockerd, podman, crun, runc };
}

async function versionOf(program: string): Promise<string | undefined> {
  const { code, stdout } = await runChild([program, '--version']);
  return code === 0 ? stdout.split('\n')[0] : undefined;
}

const POLICY = '/usr/sbin/policy-rc.d';

/** Installs the peers; a policy file keeps their services from being started. Needs root. */
export async function installPeers(): Promise<void> {
  const hasPolicy = existsSync(POLICY);
  if (!hasPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await apt(['update']);
    await apt(['install', '-y', '--no-install-recommends', ...PEER_PACKAGES]);
  } finally {
    if (!hasPolicy) rmSync(POLICY, { force: true });
  }
}

async function apt(args: readonly string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const { code, output } = await runChild(['apt-get', '-qq', ...args], { env, timeoutMs: 600_000 });
  if (code !== 0) throw new Error(`apt-get ${args.join(' ')} ended with ${code}: ${output.trim()}`);
}
