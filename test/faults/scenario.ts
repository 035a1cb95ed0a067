/**
 * A life with everything in it, step by step. After each step the caller is
 * told what was acknowledged.
 */

import type { Engine } from '../../src/engine/engine.ts';

/** What a client has been told. */
export interface Acknowledged {
  readonly step: string;
  readonly id: string;
}

/** Runs every operation once, on one container. */
export async function live(
  engine: Engine,
  acknowledge: (acknowledged: Acknowledged) => void,
): Promise<void> {
  const { containers, networks } = engine;
  for (const Name of ['front', 'back']) await networks.create({ Name });
  const { id } = await containers.create({
    name: 'victim',
    config: { Image: 'busybox', Cmd: ['sleep', '1000'], Volumes: { '/anonymous': {} } },
    hostConfig: {
      NetworkMode: 'front',
      PortBindings: { '80/tcp': [{ HostPort: '' }] },
      Binds: ['named:/named'],
      Memory: 64 * 2 ** 20,
      MemorySwap: 64 * 2 ** 20,
    },
    endpoints: {},
  });
  const done = (step: string): void => acknowledge({ step, id });
  done('created');
  await containers.start(id);
  done('started');
  await networks.connect('back', { container: id, settings: {} });
  done('connected');
  await networks.disconnect('back', { container: id, force: false });
  done('disconnected');
  await containers.pause(id);
  done('paused');
  await containers.unpause(id);
  done('unpaused');
  await containers.update(id, { PidsLimit: 99 });
  done('updated');
  await containers.rename(id, 'renamed');
  done('renamed');
  await containers.restart(id, { timeoutSeconds: 0 });
  done('restarted');
  await containers.stop(id, { timeoutSeconds: 0 });
  done('stopped');
  await containers.start(id);
  done('started again');
  await containers.remove(id, { force: true, volumes: true });
  done('removed');
}
