/**
 * The body of a request in flight: the connection pushes what arrives, one
 * consumer takes it, whole or as a stream.
 *
 * **Invariant:** at most `bufferedBytesMax` bytes wait for a slow consumer; the
 * connection stops reading beyond that.
 */

import { Readable } from 'node:stream';
import { HttpSyntaxError } from './head.ts';

/** Bytes kept for a consumer before the connection stops reading. */
export const bufferedBytesMax: number = 256 * 1024;

/** What the body asks of its connection. */
export interface BodySource {
  /** A consumer is there: `100 Continue` if the client waits for it, and read on. */
  wanted(): void;
  /** The whole body is awaited in memory from now on (true) or no longer (false): it has a deadline. */
  collecting(isCollecting: boolean): void;
}

/** A request body; consumed at most once. */
export class RequestBody {
  readonly #source: BodySource;
  #pieces: Buffer[] = [];
  #bufferedBytes = 0;
  #state: 'open' | 'complete' | 'failed';
  #error: Error | undefined;
  #isDiscarded = false;
  #limitBytes = Number.POSITIVE_INFINITY;
  #waiting: { resolve(bytes: Buffer): void; reject(error: Error): void } | undefined;
  #stream: Readable | undefined;

  constructor(source: BodySource, isEmpty: boolean) {
    this.#source = source;
    this.#state = isEmpty ? 'complete' : 'open';
  }

  /** The connection should stop reading. */
  get isFull(): boolean {
    return this.#bufferedBytes > bufferedBytesMax && this.#waiting === undefined;
  }

  /** No byte of it is there or can come. */
  get isEmpty(): boolean {
    return this.#state === 'complete' && this.#bufferedBytes === 0;
  }

  /** By the connection: the next bytes. */
  push(piece: Buffer): void {
    if (this.#isDiscarded) return;
    if (this.#stream !== undefined && this.#bufferedBytes === 0) {
      if (this.#stream.push(piece)) return;
      this.#bufferedBytes = bufferedBytesMax + 1; // Full until the stream asks again.
      return;
    }
    this.#pieces.push(piece);
    this.#bufferedBytes += piece.length;
    if (this.#waiting !== undefined && this.#bufferedBytes > this.#limitBytes) {
      this.#settle(tooLarge(this.#limitBytes));
    }
  }

  /** By the connection: that was all. */
  finish(): void {
    if (this.#state !== 'open') return;
    this.#state = 'complete';
    this.#settle(undefined);
    if (this.#stream !== undefined && this.#pieces.length === 0) this.#stream.push(null);
  }

  /** By the connection: the rest will not come. */
  fail(error: Error): void {
    if (this.#state !== 'open') return;
    this.#state = 'failed';
    this.#error = error;
    this.#settle(error);
    this.#stream?.destroy(error);
  }

  /** The whole body. Errors: {@link HttpSyntaxError} 413 beyond `limitBytes`, 408 when it does not come. */
  collect(limitBytes: number): Promise<Buffer> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#bufferedBytes > limitBytes) return Promise.reject(tooLarge(limitBytes));
    if (this.#state === 'complete') return Promise.resolve(this.#take());
    this.#limitBytes = limitBytes;
    const whole = new Promise<Buffer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    this.#source.collecting(true);
    this.#source.wanted();
    return whole;
  }

  /** The body as it comes, with back pressure; destroying it gives up the rest. */
  stream(): Readable {
    const stream = new Readable({
      read: () => {
        this.#feed(stream);
      },
      destroy: (error, done) => {
        this.discard();
        done(error);
      },
    });
    this.#stream = stream;
    // Without a listener a client that goes away would end the daemon.
    stream.on('error', () => undefined);
    if (this.#error !== undefined) stream.destroy(this.#error);
    return stream;
  }

  /** Nobody wants the rest. */
  discard(): void {
    this.#isDiscarded = true;
    this.#pieces = [];
    this.#bufferedBytes = 0;
    this.#source.wanted();
  }

  #feed(stream: Readable): void {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bufferedBytes = 0;
    let isWanted = true;
    for (const piece of pieces) isWanted = stream.push(piece);
    if (this.#state === 'complete') stream.push(null);
    else if (isWanted) this.#source.wanted();
  }

  #take(): Buffer {
    const pieces = this.#pieces;
    const [first] = pieces;
    this.#pieces = [];
    this.#bufferedBytes = 0;
    return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
  }

  #settle(error: Error | undefined): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    this.#source.collecting(false);
    if (error === undefined) waiting.resolve(this.#take());
    else waiting.reject(error);
  }
}

function tooLarge(limitBytes: number): HttpSyntaxError {
  return new HttpSyntaxError(413, `Request body is larger than ${limitBytes} bytes`);
}
