/** At most so many at once; the rest wait in order. */

import { EngineError } from '../../base/error.ts';

/** A bounded number of places. */
export class Lanes {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** `count`: number of places. */
  constructor(count: number) {
    this.#free = Math.max(1, count);
  }

  /** Who comes now waits. */
  get isFull(): boolean {
    return this.#free === 0;
  }

  /** Take a place; the result gives it back and is idempotent. Errors: `cancelled`. */
  async enter(signal: AbortSignal | undefined): Promise<() => void> {
    if (this.#free === 0) await this.#wait(signal);
    else this.#free -= 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    };
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const turn = (): void => {
      signal?.removeEventListener('abort', onAbort);
      resolve(undefined);
    };
    const onAbort = (): void => {
      const at = this.#waiting.indexOf(turn);
      if (at >= 0) this.#waiting.splice(at, 1);
      reject(new EngineError('cancelled', 'The pull was cancelled'));
    };
    if (signal?.aborted === true) {
      onAbort();
    } else {
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(turn);
    }
    await promise;
  }
}
