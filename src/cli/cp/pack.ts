/** Files of this machine as an archive for a container. */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type BigIntStats,
} from 'node:fs';
import { EngineError, messageOf } from '../../base/error.ts';
import type { NewTarEntry } from '../../layers/tar-write.ts';
import { encodeTarHeader, TAR_END, tarPadding } from '../../layers/tar-write.ts';

/** What to pack. */
export interface PackOptions {
  /** Absolute; a file or directory. */
  readonly path: string;
  /** What it is called in the archive; `undefined`: the contents of a directory, without itself. */
  readonly name: string | undefined;
  /** Told of each piece of a file's content, in bytes. */
  readonly onContent?: (bytes: number) => void;
  /** Told of what cannot be copied. */
  readonly onSkipped: (name: string, what: string) => Promise<void>;
}

/** Bytes read at once. */
const chunkBytes = 256 * 1024;
/** Headers of small files are sent together, up to so many bytes. */
const batchBytes = 64 * 1024;

/** The archive, parents before what is in them; a file with several names once. */
export async function* packFiles({
  path,
  name,
  onSkipped,
  onContent = () => undefined,
}: PackOptions): AsyncGenerator<Uint8Array, void, void> {
  const links = new Map<string, string>();
  // Byte strings: a name need not be UTF-8.
  const root = Buffer.from(path).toString('latin1');
  const rootName = name === undefined ? '' : Buffer.from(name).toString('latin1');
  let batch: Uint8Array[] = [];
  let waitingBytes = 0;
  for (const { real, inside } of walk(root, rootName)) {
    for await (const bytes of packOne({ real, inside, links, onSkipped, onContent })) {
      batch.push(bytes);
      waitingBytes += bytes.length;
      if (waitingBytes < batchBytes) continue;
      yield Buffer.concat(batch);
      batch = [];
      waitingBytes = 0;
    }
  }
  yield Buffer.concat([...batch, TAR_END]);
}

interface Found {
  /** Byte string: where it is. */
  readonly real: string;
  /** Byte string: what it is called in the archive; empty for the directory whose contents are packed. */
  readonly inside: string;
}

function* walk(real: string, inside: string): Generator<Found, void, void> {
  yield { real, inside };
  const stat = lstatSync(bytesOf(real), { throwIfNoEntry: false });
  if (stat?.isDirectory() !== true) return;
  for (const entry of readdirSync(bytesOf(real), { encoding: 'buffer' })) {
    const child = entry.toString('latin1');
    yield* walk(`${real}/${child}`, inside === '' ? child : `${inside}/${child}`);
  }
}

interface OneFile extends Found {
  /** First name of each file that has several. */
  readonly links: Map<string, string>;
  readonly onSkipped: PackOptions['onSkipped'];
  readonly onContent: (bytes: number) => void;
}

async function* packOne(one: OneFile): AsyncGenerator<Uint8Array, void, void> {
  const { real, inside, links, onSkipped } = one;
  // What vanished since its directory was read is no longer to be copied.
  const stat = lstatSync(bytesOf(real), { bigint: true, throwIfNoEntry: false });
  if (stat === undefined || inside === '') return;
  const base = attributesOf(stat, inside);
  if (stat.isDirectory()) yield encodeTarHeader({ ...base, type: 'directory' });
  else if (stat.isSymbolicLink()) {
    yield encodeTarHeader({
      ...base,
      type: 'symlink',
      linkPath: readlinkSync(bytesOf(real), { encoding: 'buffer' }).toString('latin1'),
    });
  } else if (stat.isFile()) {
    const key = `${String(stat.dev)}:${String(stat.ino)}`;
    const first = links.get(key);
    if (stat.nlink > 1n && first !== undefined)
      yield encodeTarHeader({ ...base, type: 'hardlink', linkPath: first });
    else {
      if (stat.nlink > 1n) links.set(key, inside);
      yield* packContent(real, base, one.onContent);
    }
  } else
    await onSkipped(
      Buffer.from(inside, 'latin1').toString('utf8'),
      stat.isSocket() ? 'a socket' : 'a device or named pipe',
    );
}

type BaseEntry = Omit<NewTarEntry, 'type'>;

function attributesOf(stat: BigIntStats, path: string): BaseEntry {
  return {
    path,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtimeS: Number(stat.mtimeNs / 1_000_000_000n),
    mtimeNs: Number(stat.mtimeNs % 1_000_000_000n),
  };
}

function* packContent(
  real: string,
  base: BaseEntry,
  onContent: (bytes: number) => void,
): Generator<Uint8Array, void, void> {
  const fd = openToRead(real);
  try {
    const sizeBytes = fstatSync(fd).size;
    yield encodeTarHeader({ ...base, type: 'file', sizeBytes });
    for (let left = sizeBytes; left > 0; ) {
      const chunk = Buffer.allocUnsafe(Math.min(left, chunkBytes));
      const count = readSync(fd, chunk, 0, chunk.length, null);
      if (count === 0)
        throw new EngineError(
          'conflict',
          `Cannot copy ${shown(real)}: it became shorter while it was read`,
        );
      left -= count;
      onContent(count);
      yield chunk.subarray(0, count);
    }
    yield tarPadding(sizeBytes);
  } finally {
    closeSync(fd);
  }
}

function openToRead(real: string): number {
  try {
    return openSync(
      bytesOf(real),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch (error) {
    throw new EngineError('denied', `Cannot copy ${shown(real)}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function bytesOf(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

function shown(path: string): string {
  return bytesOf(path).toString('utf8');
}
