/**
 * Where the files of a volume are reached: its directory, or what it mounts,
 * mounted for the moment in a namespace that only a process of the runtime sees.
 */

import { readFileSync } from 'node:fs';
import { EngineError } from '../../base/error.ts';
import { parseStartTicks } from '../../kernel/procfs.ts';
import type { FilePlace } from '../../layers/container-files.ts';
import { parseDriverOptions } from '../../volumes/driver-options.ts';
import type { VolumeRecord } from '../../volumes/store.ts';
import type { EngineParts } from '../parts.ts';
import { holdMounted, type VolumePlace } from './mounted.ts';

/** For reading and copying. Errors: those of the mount. */
export async function openVolume(parts: EngineParts, volume: VolumeRecord): Promise<VolumePlace> {
  const { mount } = parseDriverOptions(volume.driverOptions);
  if (mount !== undefined) return holdMounted(parts, volume);
  return { place: ownPlace(volume.mountpoint), path: '/', close: async () => Promise.resolve() };
}

/** A directory of this machine, as this process sees it. */
export function ownPlace(directory: string): FilePlace {
  const startTicks = parseStartTicks(readFileSync('/proc/self/stat', 'utf8'));
  if (startTicks === undefined)
    throw new EngineError('internal', 'Cannot find this process in /proc');
  return { pid: process.pid, startTicks, below: directory };
}
