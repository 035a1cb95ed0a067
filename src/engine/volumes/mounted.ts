/**
 * A volume whose files are elsewhere, mounted for the moment: in the namespace
 * of a process of the runtime's, or where a running container has it already.
 */

import { statSync } from 'node:fs';
import { EngineError } from '../../base/error.ts';
import { parseContainerId } from '../../base/id.ts';
import type { VolumeRecord } from '../../volumes/store.ts';
import { parseDriverOptions } from '../../volumes/driver-options.ts';
import { resolveAddresses } from '../../volumes/addresses.ts';
import type { FilePlace } from '../../layers/container-files.ts';
import type { EngineParts } from '../parts.ts';
import { usersOfVolume } from './users.ts';

/** A place in use. */
export interface VolumePlace {
  readonly place: FilePlace;
  /** Of the volume's top, in the place. */
  readonly path: string;
  /** Nobody looks any more. Call it once. */
  readonly close: () => Promise<void>;
}

/** Where it is in the namespace. */
const TOP = '/volume';

/** Errors: those of the mount; `unsupported` for memory that no running container holds. */
export async function holdMounted(parts: EngineParts, volume: VolumeRecord): Promise<VolumePlace> {
  const running = runningPlace(parts, volume);
  if (running !== undefined) return running;
  const { mount } = parseDriverOptions(volume.driverOptions);
  if (mount === undefined || ['tmpfs', 'ramfs', 'overlay', 'hugetlbfs'].includes(mount.type)) {
    throw new EngineError(
      'unsupported',
      `Cannot read volume ${volume.name}: it is mounted only while a container that has it runs`,
    );
  }
  const isBind = mount.type === 'bind';
  if (isBind && statSync(mount.device, { throwIfNoEntry: false }) === undefined)
    throw new EngineError(
      'invalid',
      `Cannot read volume ${volume.name}: ${mount.device} does not exist`,
    );
  const { device, type, options } = await resolveAddresses(mount);
  const bind = mount.isRecursive ? 'rbind' : 'bind';
  const held = await parts.runtime.hold({
    id: parseContainerId(parts.randomHex()),
    isWritable: false,
    root: { kind: 'bind', path: volume.mountpoint },
    spec: {
      ociVersion: '1.2.0',
      mounts: [
        {
          destination: TOP,
          type,
          source: device,
          options: isBind ? [bind, 'rprivate', ...options] : options,
          isLasting: true,
        },
      ],
    },
  });
  const { pid, startTicks } = held.process;
  return {
    place: { pid, startTicks, below: held.below },
    path: TOP,
    close: async () => held.release(),
  };
}

function runningPlace(parts: EngineParts, { name }: VolumeRecord): VolumePlace | undefined {
  for (const { live, record } of usersOfVolume(parts, name)) {
    const whole = record.mounts.find(
      ({ volume }) => volume?.name === name && volume.subpath === '',
    );
    if (live === undefined || whole === undefined) continue;
    const { pid, startTicks } = live.runtime.process;
    return {
      place: { pid, startTicks, below: '' },
      path: whole.destination,
      close: async () => Promise.resolve(),
    };
  }
  return undefined;
}
