/**
 * A blob that is being downloaded, as a stream for a reader beside the writer:
 * the disk is the buffer, so neither waits for the other and memory is bounded.
 *
 * **Invariant:** the stream ends only after the writer said that the whole
 * content is verified and in the store; it fails when the writer failed.
 */

import { open, type FileHandle } from 'node:fs/promises';

/** Bytes of one read. */
const READ_BYTES = 1024 * 1024;

/** Says how far a download is; any number of readers follow it. */
export class GrowingBlob {
  #sizeBytes = 0;
  #end: 'open' | 'complete' | { readonly error: unknown } = 'open';
  #waiting = Promise.withResolvers<undefined>();

  /** The file now has `sizeBytes`; fewer than before: it started anew. */
  advance(sizeBytes: number): void {
    this.#sizeBytes = sizeBytes;
    this.#wake();
  }

  /** Everything is verified and in the store. */
  complete(): void {
    if (this.#end === 'open') this.#end = 'complete';
    this.#wake();
  }

  /** Nothing more comes. */
  fail(error: unknown): void {
    if (this.#end === 'open') this.#end = { error };
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#waiting;
    this.#waiting = Promise.withResolvers<undefined>();
    resolve(undefined);
  }

  /**
   * The content of the file at `path`, from its start, as it grows. `undefined`
   * when the file has moved into the store already. The stream closes the file.
   */
  async follow(path: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    if (this.#end === 'complete') return undefined;
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    return this.#read(file);
  }

  async *#read(file: FileHandle): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      let offset = 0;
      for (;;) {
        const grown = this.#waiting.promise;
        if (this.#end !== 'open' && this.#end !== 'complete') throw this.#end.error;
        if (offset < this.#sizeBytes) {
          const chunk = Buffer.allocUnsafe(Math.min(READ_BYTES, this.#sizeBytes - offset));
          const { bytesRead } = await file.read(chunk, 0, chunk.length, offset);
          offset += bytesRead;
          yield chunk.subarray(0, bytesRead);
        } else if (this.#end === 'complete') return;
        else await grown;
      }
    } finally {
      await file.close();
    }
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
