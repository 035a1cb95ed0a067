/**
 * A mutual exclusion lock for asynchronous work, first come first served.
 * Taking a free one costs nothing but a flag: no timer, no I/O.
 */

/** One lock. */
export class Mutex {
  #isHeld = false;
  readonly #waiting: (() => void)[] = [];

  /** True while someone holds it. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Run `work` alone. Not re-entrant. */
  async run<T>(work: () => Promise<T> | T): Promise<T> {
    if (this.#isHeld) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#isHeld = true;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // Handed over while still held, so that nobody can slip in between.
      if (next === undefined) this.#isHeld = false;
      else next();
    }
  }
}
