/**
 * A download into the store, in pieces: the file of a digest grows over several
 * attempts and daemon restarts. What an earlier attempt left is hashed again
 * before it counts.
 */
import type { Hash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { diskError } from '../kernel/disk-error.ts';
import { createDigester, digestOf, splitDigest } from '../spec/digest.ts';
import { writeAll, wrongDigest, wrongSize } from './blob-file.ts';
import type { BlobInfo, Ingest, IngestRequest } from './store.ts';

/** What a writer needs of its store. */
export interface DiskIngestOptions extends IngestRequest {
  /** File of the bytes so far. */
  readonly path: string;
  /** Give the finished file its name. */
  readonly publish: (path: string) => Promise<void>;
  /** Let the next writer in. Idempotent. */
  readonly release: () => void;
}

/** A writer; make it with {@link DiskIngest.open}. */
export class DiskIngest implements Ingest {
  readonly #options: DiskIngestOptions;
  readonly #file: FileHandle;
  #hash: Hash;
  #offsetBytes = 0;
  #isClosed = false;

  private constructor(options: DiskIngestOptions, file: FileHandle) {
    this.#options = options;
    this.#file = file;
    this.#hash = createDigester(splitDigest(options.digest).algorithm);
  }

  static async open(options: DiskIngestOptions): Promise<DiskIngest> {
    const file = await open(options.path, 'a+', 0o600);
    const ingest = new DiskIngest(options, file);
    try {
      await ingest.#rehash();
    } catch (error) {
      await file.close();
      throw error;
    }
    return ingest;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  get path(): string {
    return this.#options.path;
  }

  async #rehash(): Promise<void> {
    const { size } = await this.#file.stat();
    // More than was announced cannot be a part of it.
    if (size > this.#options.sizeBytes) await this.#file.truncate(0);
    const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
    for (;;) {
      this.#options.signal?.throwIfAborted();
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#offsetBytes);
      if (bytesRead === 0) return;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#offsetBytes += bytesRead;
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    const { digest, sizeBytes } = this.#options;
    if (this.#offsetBytes + chunk.length > sizeBytes)
      throw wrongSize(digest, sizeBytes, this.#offsetBytes + chunk.length);
    try {
      this.#options.signal?.throwIfAborted();
      await writeAll(this.#file, chunk);
    } catch (error) {
      throw diskError(`Cannot store ${digest}`, error);
    }
    this.#hash.update(chunk);
    this.#offsetBytes += chunk.length;
  }

  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = createDigester(splitDigest(this.#options.digest).algorithm);
    this.#offsetBytes = 0;
  }

  async commit(): Promise<BlobInfo> {
    const { digest, sizeBytes, path, publish } = this.#options;
    const found = digestOf(this.#hash, splitDigest(digest).algorithm);
    if (this.#offsetBytes !== sizeBytes || found !== digest) {
      await this.discard();
      throw this.#offsetBytes === sizeBytes
        ? wrongDigest(digest, found)
        : wrongSize(digest, sizeBytes, this.#offsetBytes);
    }
    try {
      await this.#file.datasync();
      await publish(path);
    } catch (error) {
      throw diskError(`Cannot store ${digest}`, error);
    } finally {
      await this.#close();
    }
    return { digest, sizeBytes };
  }

  async suspend(): Promise<void> {
    await this.#close();
  }

  async discard(): Promise<void> {
    if (this.#isClosed) return;
    await rm(this.#options.path, { force: true });
    await this.#close();
  }

  async #close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      await this.#file.close();
    } finally {
      this.#options.release();
    }
  }
}
