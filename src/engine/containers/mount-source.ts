/**
 * What the mounts of a container are at one start, looked up: the directories
 * of an image, what a volume mounts, whose ids a bind shows.
 */

import { statSync } from 'node:fs';
import { EngineError } from '../../base/error.ts';
import { parseDriverOptions } from '../../volumes/driver-options.ts';
import type { EngineParts } from '../parts.ts';
import { mapIds } from './id-map.ts';
import type { ContainerMount } from './mount.ts';
import type { MountSource, MountSources } from './mount-facts.ts';
import type { ContainerRecord } from './record.ts';
import type { ResolvedUser } from './spec/input.ts';

/** What can be said without asking anyone. Errors: `corrupt` when an image or volume is gone, `invalid` id map. */
export function mountSources(
  parts: Pick<EngineParts, 'images' | 'snapshots' | 'volumes'>,
  record: Pick<ContainerRecord, 'mounts' | 'name'>,
  user: Pick<ResolvedUser, 'uid' | 'gid'>,
): MountSources {
  const found = new Map<string, MountSource>();
  for (const mount of record.mounts) {
    const source = sourceOf(parts, mount, user);
    if (source !== undefined) found.set(mount.destination, source);
  }
  return found;
}

function sourceOf(
  parts: Pick<EngineParts, 'images' | 'snapshots' | 'volumes'>,
  mount: ContainerMount,
  user: Pick<ResolvedUser, 'uid' | 'gid'>,
): MountSource | undefined {
  if (mount.type === 'image') return { layers: layersOf(parts, mount) };
  if (mount.volume !== undefined) return volumeSource(parts, mount.volume);
  if (mount.idmap === undefined) return undefined;
  const owner = statSync(mount.source, { throwIfNoEntry: false });
  return { ids: mapIds(mount.idmap, { user, owner: owner ?? { uid: 0, gid: 0 } }) };
}

function layersOf(
  parts: Pick<EngineParts, 'images' | 'snapshots'>,
  mount: ContainerMount,
): readonly string[] {
  const image = parts.images.find(mount.source);
  const top = image?.chain.at(-1);
  if (image === undefined || top === undefined) {
    throw new EngineError(
      'invalid',
      `Cannot mount image ${mount.source} on ${mount.destination}: ${image === undefined ? 'it is gone' : 'it has no files'}`,
    );
  }
  return parts.snapshots.directoriesOf(top);
}

function volumeSource(
  parts: Pick<EngineParts, 'volumes'>,
  { name, driverOptions }: NonNullable<ContainerMount['volume']>,
): MountSource | undefined {
  // Of a volume that is still to be made, the request's.
  const volume = parts.volumes.find(name);
  const { mount } = parseDriverOptions(volume?.driverOptions ?? driverOptions);
  const isReadonly = volume?.isReadonly === true;
  if (mount === undefined && !isReadonly) return undefined;
  return { ...(mount === undefined ? {} : { mount }), ...(isReadonly ? { isReadonly } : {}) };
}
