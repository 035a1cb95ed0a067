/**
 * Leases of one store: who needs which blobs that nothing names yet. They live
 * in memory: after a crash nobody is left who would need them.
 */
import type { Digest } from '../base/brand.ts';
import type { Lease } from './store.ts';

/** All leases of a store. */
export class LeaseTable {
  readonly #counts = new Map<Digest, number>();
  readonly #onFree: (digest: Digest) => void;

  /** `onFree` is told of a blob that no lease holds any more. */
  constructor(onFree: (digest: Digest) => void) {
    this.#onFree = onFree;
  }

  create(purpose: string): Lease {
    const held = new Set<Digest>();
    let isReleased = false;
    const release = (): void => {
      isReleased = true;
      for (const digest of held) this.#drop(digest);
      held.clear();
    };
    return {
      purpose,
      add: (digest) => {
        if (isReleased || held.has(digest)) return;
        held.add(digest);
        this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
      },
      holds: (digest) => held.has(digest),
      release,
      [Symbol.dispose]: release,
    };
  }

  isHeld(digest: Digest): boolean {
    return this.#counts.has(digest);
  }

  #drop(digest: Digest): void {
    const count = (this.#counts.get(digest) ?? 0) - 1;
    if (count > 0) this.#counts.set(digest, count);
    else {
      this.#counts.delete(digest);
      this.#onFree(digest);
    }
  }
}
