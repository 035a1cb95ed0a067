/**
 * Lets a bounded number of tasks run at once, first come first served; a task
 * that is cancelled while it waits leaves the line.
 */
import { EngineError } from '../base/error.ts';

/** A counting gate. */
export class Gate {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(width: number) {
    this.#free = Math.max(1, width);
  }

  /** Wait for a place; the result gives it back and is idempotent. Errors: `cancelled`. */
  async enter(signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted === true) throw cancelled();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      const next = this.#line.shift();
      // The place goes from hand to hand: nobody can slip in between.
      if (next === undefined) this.#free++;
      else next();
    };
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#line.push(resolve);
    const onAbort = (): void => {
      const at = this.#line.indexOf(resolve);
      if (at < 0) return;
      this.#line.splice(at, 1);
      reject(cancelled());
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

function cancelled(): EngineError {
  return new EngineError('cancelled', 'Cannot unpack layer: it was cancelled');
}
