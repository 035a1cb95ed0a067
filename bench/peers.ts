/**
 * The other container engines of this machine. They come from Debian, by
 * `--install`, which the set-up answers before the bench begins.
 */

import { runChild } from '../scripts/child.ts';

/** Programs that are installed, with the first line of their version. */
export interface Peers {
  readonly docker: string | undefined;
  readonly dockerd: string | undefined;
  readonly podman: string | undefined;
  readonly crun: string | undefined;
  readonly runc: string | undefined;
}

/** What to do to compare with more. */
export const INSTALL_SENTENCE: string =
  'To compare with more, install the other engines from Debian: as root npm run bench -- --install, or apt-get install --no-install-recommends docker.io podman crun runc iproute2';

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
