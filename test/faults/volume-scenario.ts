/** A volume's life with everything in it; after each step the caller is told what was acknowledged. */

import type { Engine } from '../../src/engine/engine.ts';

/** The steps, in order. */
export const VOLUME_STEPS = [
  'created',
  'filled',
  'container removed',
  'cloned',
  'imported',
  'renamed',
  'removed',
  'unharmed',
] as const;

/** One step. */
export type VolumeStep = (typeof VOLUME_STEPS)[number];

/** Runs every operation once. */
export async function liveVolumes(
  engine: Engine,
  acknowledge: (step: VolumeStep) => void,
): Promise<void> {
  const { containers, volumes } = engine;
  await volumes.create({ Name: 'plain' });
  acknowledge('created');
  const { id } = await containers.create({
    name: 'user',
    config: { Image: 'busybox', Cmd: ['true'] },
    hostConfig: { NetworkMode: 'none', Binds: ['seeded:/seed', 'plain:/home'] },
    endpoints: {},
  });
  acknowledge('filled');
  await containers.remove(id, { force: true, volumes: true });
  acknowledge('container removed');
  await volumes.clone('seeded', { Name: 'clone' });
  acknowledge('cloned');
  await volumes.import({ Name: 'import' }, await volumes.export('seeded'));
  acknowledge('imported');
  await volumes.rename('clone', 'renamed');
  acknowledge('renamed');
  await volumes.remove('renamed', { force: false });
  acknowledge('removed');
}
