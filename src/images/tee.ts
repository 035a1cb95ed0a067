/**
 * One source, two readers that go at the pace of the slower: a chunk is given
 * to both before the next one is asked for.
 */
import { toError } from '../base/error.ts';

/** What the reader that is left hears when the other one stops before the end. */
export const READER_STOPPED = 'the other reader of the stream stopped';

interface Waiting {
  readonly resolve: (result: IteratorResult<Uint8Array>) => void;
  readonly reject: (error: unknown) => void;
}

/** Splits a source. Both sides must be read, or `fail` called. */
export class Tee {
  readonly first: AsyncIterable<Uint8Array>;
  readonly second: AsyncIterable<Uint8Array>;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #waiting: (Waiting | undefined)[] = [undefined, undefined];
  #isOver = false;
  #error: unknown;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
    this.first = this.#side(0);
    this.second = this.#side(1);
  }

  /** Neither side gets more. Idempotent. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    for (const waiting of this.#waiting) waiting?.reject(error);
    void Promise.resolve(this.#source.return?.()).catch(() => undefined);
  }

  #side(index: 0 | 1): AsyncIterable<Uint8Array> {
    const next = (): Promise<IteratorResult<Uint8Array>> => this.#ask(index);
    // A side that stops early must not leave the other waiting for it.
    const leave = (): Promise<IteratorResult<Uint8Array>> => {
      this.fail(new Error(READER_STOPPED));
      return Promise.resolve({ done: true, value: undefined });
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: leave }) };
  }

  async #ask(index: 0 | 1): Promise<IteratorResult<Uint8Array>> {
    if (this.#isOver) {
      if (this.#error !== undefined) throw toError(this.#error);
      return { done: true, value: undefined };
    }
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Uint8Array>>();
    this.#waiting[index] = { resolve, reject };
    if (this.#waiting[0] !== undefined && this.#waiting[1] !== undefined) void this.#pull();
    return await promise;
  }

  async #pull(): Promise<void> {
    try {
      const result = await this.#source.next();
      if (this.#isOver) return;
      const waiting = this.#waiting.splice(0, 2, undefined, undefined);
      if (result.done === true) this.#isOver = true;
      for (const side of waiting) side?.resolve(result);
    } catch (error) {
      this.fail(error);
    }
  }
}
