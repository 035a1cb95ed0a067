/** A clock that moves only when told. */

import type { Clock, Timer } from '../../src/base/clock.ts';

interface Entry {
  readonly dueMs: number;
  readonly call: () => void;
}

/** Time under the test's control. */
export class ManualClock implements Clock {
  #ms = 0;
  #sequence = 0n;
  readonly #timers = new Set<Entry>();

  nowNs(): bigint {
    this.#sequence += 1n;
    return 1_700_000_000_000_000_000n + BigInt(Math.round(this.#ms * 1e6)) + this.#sequence;
  }

  monotonicMs(): number {
    return this.#ms;
  }

  after(delayMs: number, call: () => void): Timer {
    const entry: Entry = { dueMs: this.#ms + Math.max(0, delayMs), call };
    this.#timers.add(entry);
    return { cancel: () => void this.#timers.delete(entry) };
  }

  /** Let `ms` pass, firing what is due in order, and let promises settle in between. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#ms + ms;
    for (;;) {
      const due = [...this.#timers]
        .filter((entry) => entry.dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#ms = Math.max(this.#ms, due.dueMs);
      due.call();
      await settle();
    }
    this.#ms = endMs;
    await settle();
  }
}

/** Lets everything that is ready run, microtasks and immediates. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 5; round++) await new Promise((resolve) => setImmediate(resolve));
}
