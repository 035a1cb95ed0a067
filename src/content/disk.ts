/**
 * The content store on a disk.
 *
 *     blobs/sha256/<hex>   whole, verified blobs; files appear by rename only
 *     ingest/<alg>-<hex>   begun downloads, resumed by digest
 *     ingest/put-<n>       puts in progress, swept at open
 *
 * **Invariants**
 * - A file below `blobs/` was verified and (unless its put was deferred)
 *   synced before it got its name; its directory is synced after.
 * - Every path component is a checked digest or a number: nothing from outside
 *   becomes part of a path.
 */
import { mkdirSync, readdirSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { type FileHandle, open, opendir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest, HostPath } from '../base/brand.ts';
import { countUsedChunk } from '../base/collect.ts';
import { EngineError } from '../base/error.ts';
import { diskError, errnoOf } from '../kernel/disk-error.ts';
import { createDigester, digestBytes, digestOf, isDigest, splitDigest } from '../spec/digest.ts';
import { receiveBlob, wrongSize } from './blob-file.ts';
import { DiskIngest } from './disk-ingest.ts';
import { LeaseTable } from './lease.ts';
import type {
  BlobInfo,
  CollectOptions,
  CollectResult,
  ContentStore,
  Ingest,
  IngestRequest,
  Lease,
  PutOptions,
  ReadOptions,
} from './store.ts';

/** Count of files that may wait open for the disk. */
const UNSYNCED_MAX = 64;
/** Bytes of one read. */
const READ_BYTES = 1024 * 1024;
/** A begun download that nobody continued for this long is swept at open. */
const PARTIAL_MAX_AGE_MS = 7 * 24 * 3600 * 1000;

/** Blobs below one directory. Make it with {@link DiskContentStore.open}; one per directory and machine. */
export class DiskContentStore implements ContentStore {
  readonly #blobs: string;
  readonly #ingest: string;
  /** What a lease let go while a collection runs may have got a name since the roots were asked. */
  readonly #leases = new LeaseTable((digest) => this.#touched?.add(digest));
  /** Tail of the queue of writers per digest. */
  readonly #writers = new Map<Digest, Promise<void>>();
  readonly #unsynced = new Set<Promise<void>>();
  #syncError: unknown;
  #putNumber = 0;
  /** Blobs put, found again or let go by a lease while a collection runs. */
  #touched: Set<Digest> | undefined;
  #collecting: Promise<unknown> = Promise.resolve();

  private constructor(root: HostPath) {
    this.#blobs = join(root, 'blobs');
    this.#ingest = join(root, 'ingest');
  }

  /** Open or create the store; sweeps what a crash left. `nowMs`: milliseconds since the epoch. */
  static open(root: HostPath, nowMs: number): DiskContentStore {
    const store = new DiskContentStore(root);
    try {
      for (const algorithm of ['sha256', 'sha512'])
        mkdirSync(join(store.#blobs, algorithm), { recursive: true, mode: 0o700 });
      mkdirSync(store.#ingest, { recursive: true, mode: 0o700 });
      for (const name of readdirSync(store.#ingest))
        store.#sweep(join(store.#ingest, name), name, nowMs);
    } catch (error) {
      throw diskError(`Cannot open the content store ${root}`, error);
    }
    return store;
  }

  #sweep(path: string, name: string, nowMs: number): void {
    const isPartial = /^sha(?:256|512)-[a-f0-9]+$/.test(name);
    if (!isPartial || nowMs - statSync(path).mtimeMs > PARTIAL_MAX_AGE_MS)
      rmSync(path, { force: true });
  }

  async put(source: AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<BlobInfo> {
    const { digest } = options;
    if (digest !== undefined) {
      options.lease?.add(digest);
      const found = await this.find(digest);
      if (found !== undefined) return this.#already(found, options);
    }
    const path = join(this.#ingest, `put-${this.#putNumber++}`);
    const what = digest ?? 'blob';
    try {
      const file = await open(path, 'wx', 0o600);
      options.follower?.onOpen(path);
      return await this.#write({ file, path }, source, options);
    } catch (error) {
      // What cannot be removed now is swept when the store is opened next; the first failure counts.
      await rm(path, { force: true }).catch(() => undefined);
      throw diskError(`Cannot store ${what}`, error);
    }
  }

  #already(found: BlobInfo, options: PutOptions): BlobInfo {
    if (options.sizeBytes !== undefined && options.sizeBytes !== found.sizeBytes)
      throw wrongSize(found.digest, options.sizeBytes, found.sizeBytes);
    this.#touched?.add(found.digest);
    return found;
  }

  async #write(
    temporary: { readonly file: FileHandle; readonly path: string },
    source: AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<BlobInfo> {
    const { file, path } = temporary;
    let isHandedOver = false;
    try {
      const info = await receiveBlob(file, source, options);
      if (options.deferSync !== true) await file.datasync();
      await this.#publish(path, info.digest, options.lease);
      isHandedOver = options.deferSync === true;
      if (isHandedOver) this.#syncLater(file, info.digest);
      else await this.#syncDirectory(info.digest);
      await this.#syncsInBounds();
      return info;
    } finally {
      if (!isHandedOver) await file.close();
    }
  }

  async #publish(path: string, digest: Digest, lease: Lease | undefined): Promise<void> {
    lease?.add(digest);
    this.#touched?.add(digest);
    await rename(path, this.#pathOf(digest));
  }

  #syncLater(file: FileHandle, digest: Digest): void {
    const work = (async (): Promise<void> => {
      try {
        await file.datasync();
        await this.#syncDirectory(digest);
      } catch (error) {
        this.#syncError ??= error;
      } finally {
        await file.close();
      }
    })();
    this.#unsynced.add(work);
    work.then(
      () => this.#unsynced.delete(work),
      () => this.#unsynced.delete(work),
    );
  }

  /** A file stays open until it is on the disk: an archive of a hundred thousand must not have them all open. */
  async #syncsInBounds(): Promise<void> {
    while (this.#unsynced.size >= UNSYNCED_MAX) await Promise.race(this.#unsynced);
  }

  async sync(): Promise<void> {
    await Promise.allSettled(this.#unsynced);
    const error = this.#syncError;
    this.#syncError = undefined;
    if (error !== undefined) throw diskError('Cannot bring blobs to the disk', error);
  }

  async #syncDirectory(digest: Digest): Promise<void> {
    const directory = await open(join(this.#blobs, splitDigest(digest).algorithm), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  async putBytes(data: Uint8Array, options: PutOptions = {}): Promise<BlobInfo> {
    // The digest is known at once: content that is here already is not written again.
    const digest = options.digest ?? digestBytes(data);
    return await this.put(single(data), { ...options, digest });
  }

  async find(digest: Digest): Promise<BlobInfo | undefined> {
    try {
      const { size } = await stat(this.#pathOf(digest));
      return { digest, sizeBytes: size };
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw diskError(`Cannot look up ${digest}`, error);
    }
  }

  async *get(digest: Digest, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const { file, sizeBytes } = await this.#open(digest, options);
    const { algorithm } = splitDigest(digest);
    const hash = createDigester(algorithm);
    let readBytes = 0;
    try {
      for (;;) {
        options.signal?.throwIfAborted();
        const { bytesRead, buffer } = await file.read(
          Buffer.allocUnsafeSlow(READ_BYTES),
          0,
          READ_BYTES,
          null,
        );
        if (bytesRead === 0) break;
        const chunk = buffer.subarray(0, bytesRead);
        readBytes += bytesRead;
        hash.update(chunk);
        yield chunk;
        countUsedChunk(bytesRead);
      }
    } catch (error) {
      throw diskError(`Cannot read ${digest}`, error);
    } finally {
      await file.close();
    }
    const found = digestOf(hash, algorithm);
    if (found !== digest || readBytes !== sizeBytes) throw this.#damaged(digest, found);
  }

  async read(digest: Digest, maxBytes: number, options: ReadOptions = {}): Promise<Uint8Array> {
    const info = await this.#require(digest);
    if (info.sizeBytes > maxBytes) {
      throw new EngineError(
        'exhausted',
        `Cannot read ${digest}: it has ${info.sizeBytes} bytes, the limit is ${maxBytes}`,
      );
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.get(digest, options)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async verify(digest: Digest, options: ReadOptions = {}): Promise<void> {
    for await (const _ of this.get(digest, options));
  }

  async locate(digest: Digest): Promise<{ readonly path: string; readonly sizeBytes: number }> {
    const { sizeBytes } = await this.#require(digest);
    return { path: this.#pathOf(digest), sizeBytes };
  }

  async #require(digest: Digest): Promise<BlobInfo> {
    const info = await this.find(digest);
    if (info === undefined) throw missing(digest);
    return info;
  }

  async #open(
    digest: Digest,
    options: ReadOptions,
  ): Promise<{ readonly file: FileHandle; readonly sizeBytes: number }> {
    let file: FileHandle;
    try {
      file = await open(this.#pathOf(digest), 'r');
    } catch (error) {
      throw errnoOf(error) === 'ENOENT'
        ? missing(digest)
        : diskError(`Cannot read ${digest}`, error);
    }
    const { size } = await file.stat();
    if (options.sizeBytes !== undefined && options.sizeBytes !== size) {
      await file.close();
      throw wrongSize(digest, options.sizeBytes, size);
    }
    return { file, sizeBytes: size };
  }

  /** A damaged blob is taken out, so that the next pull or load brings it anew. */
  #damaged(digest: Digest, found: Digest): EngineError {
    rmSync(this.#pathOf(digest), { force: true });
    return new EngineError('corrupt', `Cannot read ${digest}: the stored content is damaged`, {
      details: { wanted: digest, found },
      hint: 'Pull or load the image again to repair it',
    });
  }

  async ingest(request: IngestRequest): Promise<Ingest | undefined> {
    const { digest, lease, signal } = request;
    lease?.add(digest);
    const release = await this.#lockWriter(digest, signal);
    try {
      const found = await this.find(digest);
      if (found !== undefined) {
        release();
        return undefined;
      }
      const { algorithm, hex } = splitDigest(digest);
      const publish = async (path: string): Promise<void> => {
        await this.#publish(path, digest, lease);
        await this.#syncDirectory(digest);
      };
      return await DiskIngest.open({
        ...request,
        path: join(this.#ingest, `${algorithm}-${hex}`),
        publish,
        release,
      });
    } catch (error) {
      release();
      throw diskError(`Cannot store ${digest}`, error);
    }
  }

  /** Wait for the writers of `digest` that came before; the result lets the next one in. */
  async #lockWriter(digest: Digest, signal: AbortSignal | undefined): Promise<() => void> {
    const before = this.#writers.get(digest) ?? Promise.resolve();
    const { promise: done, resolve: release } = Promise.withResolvers<void>();
    const tail = before.then(() => done);
    this.#writers.set(digest, tail);
    void tail.then(() => {
      if (this.#writers.get(digest) === tail) this.#writers.delete(digest);
    });
    try {
      await abortable(before, signal);
    } catch (error) {
      release();
      throw diskError(`Cannot store ${digest}`, error);
    }
    return release;
  }

  async *list(): AsyncIterable<BlobInfo> {
    for (const algorithm of ['sha256', 'sha512']) {
      for await (const entry of await opendir(join(this.#blobs, algorithm))) {
        const digest = `${algorithm}:${entry.name}`;
        // Foreign files are left alone and never listed.
        if (!isDigest(digest)) continue;
        const info = await this.find(digest);
        if (info !== undefined) yield info;
      }
    }
  }

  lease(purpose: string): Lease {
    return this.#leases.create(purpose);
  }

  async remove(digest: Digest, isNeeded: () => boolean = () => false): Promise<boolean> {
    // No await between the questions and the unlink: whoever leases or names the blob now finds it gone.
    if (this.#leases.isHeld(digest) || isNeeded()) return false;
    return await Promise.resolve(this.#unlink(digest));
  }

  collect(
    roots: () => ReadonlySet<Digest> | Promise<ReadonlySet<Digest>>,
    options: CollectOptions = {},
  ): Promise<CollectResult> {
    const run = this.#collecting.then(async () => await this.#collect(roots, options));
    this.#collecting = run.catch(() => undefined);
    return run;
  }

  async #collect(
    roots: () => ReadonlySet<Digest> | Promise<ReadonlySet<Digest>>,
    { signal, storedBeforeMs = Infinity }: CollectOptions,
  ): Promise<CollectResult> {
    const touched = new Set<Digest>();
    this.#touched = touched;
    const deleted: BlobInfo[] = [];
    try {
      const kept = await roots();
      for await (const blob of this.list()) {
        signal?.throwIfAborted();
        if (!(await this.#isStoredBefore(blob.digest, storedBeforeMs))) continue;
        // No await between the look at the leases and the unlink.
        if (kept.has(blob.digest) || touched.has(blob.digest) || this.#leases.isHeld(blob.digest))
          continue;
        if (this.#unlink(blob.digest)) deleted.push(blob);
      }
    } catch (error) {
      throw diskError('Cannot collect unused content', error);
    } finally {
      this.#touched = undefined;
    }
    return { deleted, reclaimedBytes: deleted.reduce((sum, blob) => sum + blob.sizeBytes, 0) };
  }

  async #isStoredBefore(digest: Digest, limitMs: number): Promise<boolean> {
    if (limitMs === Infinity) return true;
    try {
      return (await stat(this.#pathOf(digest))).mtimeMs < limitMs;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
  }

  #unlink(digest: Digest): boolean {
    try {
      unlinkSync(this.#pathOf(digest));
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw diskError(`Cannot remove ${digest}`, error);
    }
  }

  #pathOf(digest: Digest): string {
    const { algorithm, hex } = splitDigest(digest);
    return join(this.#blobs, algorithm, hex);
  }
}

async function* single(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}

async function abortable(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  if (signal === undefined) {
    await work;
    return;
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    reject(new EngineError('cancelled', 'Cannot store content: it was cancelled'));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function missing(digest: Digest): EngineError {
  return new EngineError('not-found', `Cannot read ${digest}: it is not in the content store`, {
    details: { digest },
  });
}
