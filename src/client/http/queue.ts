/**
 * Bytes from a socket, waiting to be read: one producer, one reader. Holds the
 * producer back when more than a mark is waiting, so that nothing grows
 * without bound.
 */

/** Waiting bytes above which the producer is paused. */
const highWaterBytes = 1024 * 1024;

/** How the queue steers its producer. */
export interface QueueSource {
  /** Stop giving bytes. */
  pause(): void;
  /** Go on. */
  resume(): void;
  /** The reader left before the end. */
  cancel(): void;
}

/** Bytes in order; ends, or fails, once. Iterate it once. */
export class ByteQueue implements AsyncIterable<Buffer> {
  readonly #source: QueueSource;
  #chunks: Buffer[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  #isEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(source: QueueSource) {
    this.#source = source;
  }

  /** Adds bytes; ignored after the end. */
  push(bytes: Buffer): void {
    if (this.#isEnded || bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > highWaterBytes && !this.#isPaused) {
      this.#isPaused = true;
      this.#source.pause();
    }
    this.#wakeReader();
  }

  /** No more bytes will come. */
  end(): void {
    this.#isEnded = true;
    this.#wakeReader();
  }

  /** The reader gets `error` after the bytes that are here. */
  fail(error: unknown): void {
    if (this.#isEnded) return;
    this.#failure = { error };
    this.end();
  }

  /** The next bytes; `undefined` at the end. Several waiting chunks come one by one. */
  async read(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#taken(chunk.length);
        return chunk;
      }
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#isEnded) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Throws the rest away and lets go of the source. */
  cancel(): void {
    this.#chunks = [];
    this.#waitingBytes = 0;
    if (this.#isEnded) return;
    this.end();
    this.#source.cancel();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
    try {
      for (let chunk = await this.read(); chunk !== undefined; chunk = await this.read())
        yield chunk;
    } finally {
      this.cancel();
    }
  }

  #taken(bytes: number): void {
    this.#waitingBytes -= bytes;
    if (this.#isPaused && this.#waitingBytes <= highWaterBytes / 2) {
      this.#isPaused = false;
      this.#source.resume();
    }
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
