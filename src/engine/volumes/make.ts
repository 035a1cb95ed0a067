/** A new volume, from a client's request or from other files. Source: Engine API `POST /volumes/create`. */

import { EngineError } from '../../base/error.ts';
import type { VolumeRecord, VolumeRequest } from '../../volumes/store.ts';
import type { EngineParts } from '../parts.ts';
import { announceVolume } from './announce.ts';
import type { CreateVolume } from './contract.ts';
import { type FillDirectory, stageVolume } from './stage.ts';

/** Label of volumes that nobody named. Source: Docker's volume service. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** What a client's request asks of the store. */
export function requestOf(
  parts: Pick<EngineParts, 'randomHex'>,
  request: CreateVolume,
): VolumeRequest {
  const { Name: name = '', Driver: driver = '', DriverOpts, Labels } = request;
  const isAnonymous = name === '';
  return {
    name: isAnonymous ? parts.randomHex() : name,
    driver: driver === '' ? 'local' : driver,
    labels: isAnonymous ? { ...Labels, [ANONYMOUS_LABEL]: '' } : (Labels ?? {}),
    driverOptions: DriverOpts ?? {},
    isAnonymous,
  };
}

/** How to make it. */
export interface MakeOptions {
  /** Puts the files there; then the volume must be new: `conflict` when it is not. */
  readonly fill?: FillDirectory;
}

/** The volume, new or there already. Nothing is left of one that could not be made. */
export async function makeVolume(
  parts: EngineParts,
  request: VolumeRequest,
  { fill }: MakeOptions = {},
): Promise<VolumeRecord> {
  return parts.volumeLocks.run([request.name], async () => {
    parts.failpoints.hit('volume-create.begin');
    const existing = parts.volumes.find(request.name);
    if (existing !== undefined && fill === undefined) return existing;
    if (existing !== undefined) {
      throw new EngineError('conflict', `volume ${request.name} is there already`);
    }
    const staged = await stageVolume(parts, request, fill);
    try {
      const { volume } = parts.table.together(() =>
        parts.volumes.ensure({ ...request, ...(staged === undefined ? {} : { staged }) }),
      );
      parts.failpoints.hit('volume-create.committed');
      announceVolume(parts, volume, 'create');
      return volume;
    } catch (error) {
      if (staged !== undefined) parts.volumes.discard(staged.path);
      throw error;
    }
  });
}
