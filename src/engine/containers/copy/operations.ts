/**
 * `cp`: what is at a path of a container, its files out as a tar, a tar's files
 * in. Works on any container that exists.
 * Source: Engine API `/containers/{id}/archive`.
 */

import type { Readable } from 'node:stream';
import { copyTar } from '../../../layers/copy-out.ts';
import type { FilePlace, FoundFile } from '../../../layers/container-files.ts';
import type { Walk } from '../../../layers/walk.ts';
import type { PathStat } from '../../../spec/docker/archive.ts';
import type { ContainerOperations, OperationOptions } from '../../engine.ts';
import type { EngineParts } from '../../parts.ts';
import { announce } from '../announce.ts';
import type { Container } from '../container.ts';
import { findUser, rootOf } from '../prepare-launch.ts';
import { tarStream } from '../tar-stream.ts';
import { explainCopy } from './explain.ts';
import { baseName, cleanPath } from './path.ts';
import { describeFile } from './path-stat.ts';
import { openForReading, whileWriting } from './place.ts';

type CopyOperations = Pick<ContainerOperations, 'statPath' | 'readArchive' | 'writeArchive'>;
type WriteOptions = Parameters<ContainerOperations['writeArchive']>[3];

/** One side of a copy. */
interface Side {
  readonly ref: string;
  readonly container: Container;
  /** As {@link cleanPath} gives it. */
  readonly path: string;
}

/** The operations over `parts`. */
export function copyOperations(parts: EngineParts): CopyOperations {
  const sideOf = (ref: string, path: string): Side => ({
    ref,
    container: parts.containers.get(ref),
    path: cleanPath(path),
  });
  return {
    statPath: async (ref, path, options = {}) => statPath(parts, sideOf(ref, path), options),
    readArchive: async (ref, path, options = {}) => readArchive(parts, sideOf(ref, path), options),
    writeArchive: async (...[ref, path, archive, options]) =>
      writeArchive(parts, sideOf(ref, path), { archive, options }),
  };
}

async function statPath(
  parts: EngineParts,
  side: Side,
  { signal }: OperationOptions,
): Promise<PathStat> {
  return explaining(side, async () => {
    const { place, close } = await openForReading(parts, side.container);
    try {
      return describeFile(side.path, await parts.files.stat(place, side.path, signal));
    } finally {
      await close();
    }
  });
}

async function readArchive(
  parts: EngineParts,
  side: Side,
  { signal }: OperationOptions,
): Promise<{ readonly stat: PathStat; readonly archive: Readable }> {
  const { container, path } = side;
  return explaining(side, async () => {
    const { place, close } = await openForReading(parts, container);
    let walk: Walk | undefined;
    const end = async (): Promise<void> => {
      await walk?.close();
      await close();
    };
    try {
      walk = await parts.files.read(place, path, signal);
      const stat = describeFile(path, await firstOf(parts, walk, { place, path }));
      const name = baseName(path);
      const archive = tarStream(copyTar(walk, name === '/' ? '.' : name), end);
      announce(parts, container, 'archive-path');
      return { stat, archive };
    } catch (error) {
      await end();
      throw error;
    }
  });
}

/** What the path itself is. */
async function firstOf(
  parts: EngineParts,
  walk: Walk,
  { place, path }: { readonly place: FilePlace; readonly path: string },
): Promise<FoundFile> {
  const entry = walk.entries.find((each) => each.path === '') ?? walk.entries[0];
  if (entry !== undefined && entry.type !== 'symlink') return { entry, target: undefined };
  return parts.files.stat(place, path);
}

async function writeArchive(
  parts: EngineParts,
  side: Side,
  { archive, options }: { readonly archive: Readable; readonly options: WriteOptions },
): Promise<void> {
  const { container, path } = side;
  const { keepKinds, signal } = options;
  await explaining(side, async () => {
    const owner = options.ownByUser ? await ownerOf(parts, container) : undefined;
    const also = signal === undefined ? {} : { signal };
    await whileWriting(parts, container, async (place) =>
      parts.files.write({ place, path, keepKinds, owner, ...also }, archive),
    );
  });
  announce(parts, container, 'extract-to-dir');
}

/** The user its process runs as; `undefined` when nobody named one. */
async function ownerOf(
  parts: EngineParts,
  { record }: Container,
): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if ((record.config.User ?? '') === '') return undefined;
  const { uid, gid } = record.state.user ?? (await findUser(parts, record, rootOf(parts, record)));
  return { uid, gid };
}

async function explaining<T>(side: Side, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainCopy(error, { ...side, record: side.container.record });
  }
}
