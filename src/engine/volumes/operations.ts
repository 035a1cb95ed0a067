/** Operations on volumes. Source: Engine API `Volume`. */

import { EngineError } from '../../base/error.ts';
import type { Volume } from '../../spec/docker/system.ts';
import type { VolumeRecord } from '../../volumes/store.ts';
import type { Filters } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import { exportVolume, importVolume } from './archive.ts';
import type { VolumeOperations } from './contract.ts';
import { type CopyKind, copyVolume } from './copy.ts';
import { describeVolume } from './describe.ts';
import { compileVolumeFilter } from './filter.ts';
import { makeVolume, requestOf } from './make.ts';
import { VolumePruner } from './prune.ts';
import { removeVolume } from './remove.ts';
import { renameVolume } from './rename.ts';
import { usersByVolume } from './users.ts';

/** The operations over `parts`. */
export function volumeOperations(parts: EngineParts): VolumeOperations {
  const pruner = new VolumePruner(parts);
  return {
    create: async (request) => describeVolume(await makeVolume(parts, requestOf(parts, request))),
    list: async (filters) => listVolumes(parts, filters),
    inspect: async (name) => describeVolume(getVolume(parts, name)),
    remove: async (name, options) => removeVolume(parts, name, options),
    prune: async (filters) => pruner.prune(filters),
    ...copyOperations(parts),
    rename: async (name, newName) => describeVolume(await renameVolume(parts, name, newName)),
    export: async (name, options = {}) => exportVolume(parts, getVolume(parts, name), options),
    import: async (request, archive, options = {}) =>
      describeVolume(await importVolume(parts, request, { archive, ...options })),
  };
}

function copyOperations(parts: EngineParts): Pick<VolumeOperations, 'clone' | 'snapshot'> {
  const copy = async (
    kind: CopyKind,
    ...[name, request, options = {}]: Parameters<VolumeOperations['clone']>
  ): Promise<Volume> =>
    describeVolume(await copyVolume(parts, getVolume(parts, name), { request, kind, options }));
  return {
    clone: async (...args) => copy({ isReadonly: false, pauses: false }, ...args),
    snapshot: async (...args) => copy({ isReadonly: true, pauses: true }, ...args),
  };
}

/** Errors: `not-found`. */
export function getVolume(parts: Pick<EngineParts, 'volumes'>, name: string): VolumeRecord {
  const volume = parts.volumes.find(name);
  if (volume !== undefined) return volume;
  throw new EngineError('not-found', `get ${name}: no such volume`);
}

function listVolumes(parts: EngineParts, filters: Filters): readonly Volume[] {
  const isWanted = compileVolumeFilter(filters);
  const users = usersByVolume(parts);
  return parts.volumes
    .list()
    .filter((volume) => isWanted(volume, users.has(volume.name)))
    .map(describeVolume);
}
