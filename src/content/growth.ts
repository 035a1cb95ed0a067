/**
 * A file that may still be written while it is read: the disk is the buffer
 * between its writer and its reader, so neither holds the other back and memory
 * is bounded by one piece.
 *
 * **Invariant:** a reader ends only after the writer said that the whole
 * content is there, and fails when the writer failed.
 */
import { read, readSync } from 'node:fs';
import { promisify } from 'node:util';

/** Bytes of one read. */
const READ_BYTES = 256 * 1024;

const readAt = promisify(read);

/** How bytes are read: `blocking` saves a turn of the thread pool each, in a thread that has nothing else to do. */
export type ReadMode = 'blocking' | 'async';

/** How far a file has come; any number of readers follow it, in this thread or, by its sizes, in another. */
export class Growth {
  #sizeBytes = 0;
  #end: 'open' | 'complete' | { readonly error: unknown } = 'open';
  #waiting = Promise.withResolvers<undefined>();

  /** The growth of a file that is whole. */
  static whole(sizeBytes: number): Growth {
    const growth = new Growth();
    growth.advance(sizeBytes);
    growth.complete();
    return growth;
  }

  /** Bytes that can be read. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get isComplete(): boolean {
    return this.#end === 'complete';
  }

  /** The file now has `sizeBytes`; fewer than before: it started anew. */
  advance(sizeBytes: number): void {
    this.#sizeBytes = sizeBytes;
    this.#wake();
  }

  /** Nothing more comes, and all of it may be read. Idempotent. */
  complete(): void {
    if (this.#end === 'open') this.#end = 'complete';
    this.#wake();
  }

  /** Nothing more comes. Idempotent. */
  fail(error: unknown): void {
    if (this.#end === 'open') this.#end = { error };
    this.#wake();
  }

  /** Resolves when there is news: more bytes, or the end. Ask before looking. */
  get changed(): Promise<undefined> {
    return this.#waiting.promise;
  }

  /** Throws what {@link fail} was told. */
  throwFailure(): void {
    if (typeof this.#end === 'object') throw this.#end.error;
  }

  #wake(): void {
    const { resolve } = this.#waiting;
    this.#waiting = Promise.withResolvers<undefined>();
    resolve(undefined);
  }
}

/** The content of `fd` from its start as it grows. A chunk is valid until the next one is asked for. Precondition: `fd` stays open meanwhile. */
export async function* readGrowing(
  fd: number,
  growth: Growth,
  mode: ReadMode = 'async',
): AsyncGenerator<Buffer> {
  const piece = Buffer.allocUnsafeSlow(READ_BYTES);
  let offset = 0;
  for (;;) {
    const { changed } = growth;
    growth.throwFailure();
    if (offset < growth.sizeBytes) {
      const length = Math.min(piece.length, growth.sizeBytes - offset);
      const bytesRead =
        mode === 'blocking'
          ? readSync(fd, piece, 0, length, offset)
          : (await readAt(fd, piece, 0, length, offset)).bytesRead;
      // Cut short by somebody: there is nothing to wait for.
      if (bytesRead === 0 && growth.isComplete) return;
      offset += bytesRead;
      if (bytesRead > 0) yield piece.subarray(0, bytesRead);
      else await changed;
    } else if (growth.isComplete) return;
    else await changed;
  }
}
