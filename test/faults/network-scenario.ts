/** A network's life, step by step; after each the caller is told what was acknowledged. */

import type { Engine } from '../../src/engine/engine.ts';

/** Steps in order. */
export const NETWORK_STEPS = ['created', 'placed', 'connected', 'disconnected', 'removed'] as const;

/** What a client has been told. */
export type NetworkStep = (typeof NETWORK_STEPS)[number];

/** A network that a stopped container joins, leaves, and that is removed. */
export async function liveNetworks(
  { networks, containers }: Engine,
  done: (step: NetworkStep) => void,
): Promise<void> {
  await networks.create({ Name: 'front' });
  done('created');
  await containers.create({
    name: 'web',
    config: { Image: 'busybox' },
    hostConfig: { NetworkMode: 'front' },
    endpoints: {},
  });
  done('placed');
  await networks.create({ Name: 'back' });
  await networks.connect('back', { container: 'web', settings: { Aliases: ['w'] } });
  done('connected');
  await networks.disconnect('front', { container: 'web', force: false });
  done('disconnected');
  await networks.remove('front');
  done('removed');
}
