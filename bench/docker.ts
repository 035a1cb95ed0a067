/**
 * dockerd for the bench: its own data, its own socket, its own network
 * namespace, so that it changes nothing of the machine and meets no other.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Api, openApi } from './api.ts';
import { type Daemon, startDaemon } from './process.ts';

/** A running dockerd. */
export interface DockerUnderTest {
  readonly api: Api;
  readonly socket: string;
  /** Process id of dockerd. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** How dockerd is started. */
export interface DockerOptions {
  /** Words in front, that enter a network namespace; default: one of its own. */
  readonly enter?: readonly string[];
  readonly flags?: readonly string[];
}

/** Starts dockerd below `folder`. */
export async function startDocker(
  folder: string,
  options: DockerOptions = {},
): Promise<DockerUnderTest> {
  const socket = join(folder, 'docker.sock');
  mkdirSync(folder, { recursive: true });
  const flags = [
    `--data-root=${join(folder, 'data')}`,
    `--exec-root=${join(folder, 'exec')}`,
    `--pidfile=${join(folder, 'docker.pid')}`,
    `--host=unix://${socket}`,
    '--storage-driver=overlay2',
    '--log-level=error',
    ...(options.flags ?? []),
  ];
  const script = 'ip link set lo up; exec dockerd "$@"';
  const enter = options.enter ?? ['unshare', '--net'];
  const argv = [...enter, 'sh', '-c', script, 'dockerd', ...flags];
  const daemon: Daemon = await startDaemon(argv, socket, join(folder, 'dockerd.log'));
  const api = openApi(socket);
  return {
    api,
    socket,
    pid: daemon.pid,
    stop: async () => {
      api.close();
      await daemon.stop();
    },
  };
}
