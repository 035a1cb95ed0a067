/**
 * Reads an image archive into the content store: every file becomes a blob
 * under its digest; what the archive means is decided after its end, because
 * its documents may stand last.
 *
 * **Invariants**
 * - A name in the archive is a key in a map, never a path on the disk.
 * - A file below `blobs/` has the digest of its name, or the archive is refused.
 */
import type { Digest } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import type { BlobInfo } from '../content/store.ts';
import { decompress } from '../layers/decompress.ts';
import { splitLayerPath } from '../layers/layer-path.ts';
import { archiveTooLarge, quoteName, TAR_LIMITS, type TarEntry } from '../layers/tar-entry.ts';
import { readTar } from '../layers/tar-stream.ts';
import { isDigest } from '../spec/digest.ts';
import type { LoadContext } from './found.ts';

/** Most files of an archive. */
const ENTRIES_MAX = 100_000;
/** Bytes of the names of an archive's files and links. */
const NAMES_BYTES_MAX = 16 * 1024 * 1024;
/** Links of an old archive that are followed from one layer to another. */
const LINKS_MAX = 8;

/** The files of an archive, by name. */
export class ArchiveFiles {
  readonly #files = new Map<string, BlobInfo>();
  readonly #links = new Map<string, string>();
  #namesBytes = 0;

  /** Names as the archive has them, cleaned. */
  names(): Iterable<string> {
    return this.#files.keys();
  }

  /** The content of a file; symbolic links of the archive are followed inside it. */
  find(name: string): BlobInfo | undefined {
    let key = cleanName(name);
    for (let links = 0; links < LINKS_MAX; links++) {
      const file = this.#files.get(key);
      if (file !== undefined) return file;
      const target = this.#links.get(key);
      if (target === undefined) return undefined;
      key = target;
    }
    return undefined;
  }

  /** As `find`. Errors: `invalid`. */
  get(name: string): BlobInfo {
    const file = this.find(name);
    if (file === undefined)
      throw new EngineError('invalid', `Cannot load archive: it has no file ${quoteName(name)}`);
    return file;
  }

  addFile(name: string, blob: BlobInfo): void {
    this.#countNames(name.length);
    this.#files.set(cleanName(name), blob);
    this.#links.delete(cleanName(name));
  }

  /** Names stay in memory until the end. Errors: `exhausted`. */
  #countNames(bytes: number): void {
    this.#namesBytes += bytes;
    if (this.#namesBytes > NAMES_BYTES_MAX)
      throw archiveTooLarge(`the names in it need more than ${NAMES_BYTES_MAX} bytes`);
  }

  /** `target` is relative to the link's directory (symbolic) or to the archive (hard). */
  addLink(entry: TarEntry): void {
    this.#countNames(entry.path.length + entry.linkPath.length);
    const base = entry.type === 'symlink' ? splitLayerPath(entry.path).slice(0, -1) : [];
    const target = resolveLink(base, entry.linkPath);
    if (target === undefined)
      throw new EngineError(
        'invalid',
        `Cannot load archive: the link ${quoteName(entry.path)} leads out of it`,
      );
    this.#links.set(cleanName(entry.path), target);
    this.#files.delete(cleanName(entry.path));
  }
}

/** Read all of an archive into `files`. The lease holds every blob. Errors: `corrupt`, `invalid`, `exhausted`, those of the source. */
export async function readArchive(
  context: LoadContext,
  source: AsyncIterable<Uint8Array>,
  files: ArchiveFiles,
): Promise<void> {
  const limits = { ...TAR_LIMITS, entries: ENTRIES_MAX };
  for await (const { entry, body } of readTar(decompress(source), limits)) {
    context.options.signal?.throwIfAborted();
    if (entry.type === 'symlink' || entry.type === 'hardlink') files.addLink(entry);
    if (entry.type === 'file') files.addFile(entry.path, await putFile(context, entry, body));
  }
}

async function putFile(
  { parts, lease, options }: LoadContext,
  entry: TarEntry,
  body: AsyncIterable<Uint8Array>,
): Promise<BlobInfo> {
  const digest = digestOfName(entry.path);
  return await parts.content.put(body, {
    ...(digest === undefined ? {} : { digest }),
    sizeBytes: entry.sizeBytes,
    lease,
    deferSync: true,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** `blobs/sha256/<hex>` promises its digest. */
function digestOfName(path: string): Digest | undefined {
  const match = /^(?:\.?\/)*blobs\/(sha256|sha512)\/([^/]+)$/.exec(path);
  if (match === null) return undefined;
  const digest = `${match[1] ?? ''}:${match[2] ?? ''}`;
  if (!isDigest(digest))
    throw new EngineError(
      'invalid',
      `Cannot load archive: the blob ${quoteName(path)} is not named by a digest`,
    );
  return digest;
}

function cleanName(name: string): string {
  return splitLayerPath(name).join('/');
}

function resolveLink(base: readonly string[], target: string): string | undefined {
  const path = target.startsWith('/') ? [] : [...base];
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') path.push(part);
    else if (path.pop() === undefined) return undefined;
  }
  return path.join('/');
}
