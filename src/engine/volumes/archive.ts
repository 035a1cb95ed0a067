/** `volume export` and `volume import`: a volume's files as a tar, and the reverse. */

import type { Readable } from 'node:stream';
import { copyTar } from '../../layers/copy-out.ts';
import type { Walk } from '../../layers/walk.ts';
import type { VolumeRecord } from '../../volumes/store.ts';
import { tarStream } from '../containers/tar-stream.ts';
import type { OperationOptions } from '../engine.ts';
import { EngineError } from '../../base/error.ts';
import type { EngineParts } from '../parts.ts';
import type { CreateVolume } from './contract.ts';
import { makeVolume, requestOf } from './make.ts';
import { openVolume, ownPlace } from './place.ts';

/** The tar's entries are relative to the volume: `./`, `./a`. Errors: those of the mount and of the disk. */
export async function exportVolume(
  parts: EngineParts,
  volume: VolumeRecord,
  { signal }: OperationOptions,
): Promise<Readable> {
  const { place, path, close } = await openVolume(parts, volume);
  let walk: Walk | undefined;
  const end = async (): Promise<void> => {
    await walk?.close();
    await close();
  };
  try {
    walk = await parts.files.read(place, path, signal);
    return tarStream(copyTar(walk, '.'), end);
  } catch (error) {
    await end();
    throw error;
  }
}

/** Errors: `conflict` for a name that is taken; those of the archive: then nothing is left. */
export async function importVolume(
  parts: EngineParts,
  request: CreateVolume,
  input: { readonly archive: Readable } & OperationOptions,
): Promise<VolumeRecord> {
  const { archive, signal } = input;
  if (request.Name === undefined || request.Name === '')
    throw new EngineError('invalid', 'Cannot import a volume: it needs a name');
  return makeVolume(parts, requestOf(parts, request), {
    fill: async (directory) => {
      const place = ownPlace(directory);
      const also = signal === undefined ? {} : { signal };
      await parts.files.write(
        { place, path: '/', keepKinds: false, owner: undefined, ...also },
        archive,
      );
      return true;
    },
  });
}
