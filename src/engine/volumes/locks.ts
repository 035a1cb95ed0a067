/**
 * Locks by name. Several are taken in the order of the names, so that nobody
 * waits in a circle; a lock that nobody holds takes no memory.
 */

import { Mutex } from '../../base/mutex.ts';

interface Held {
  readonly mutex: Mutex;
  /** Count of those who hold it or wait. */
  users: number;
}

/** One lock for each name. */
export class NameLocks {
  readonly #held = new Map<string, Held>();

  /** Run `work` alone among those who name one of `names`. Not re-entrant. */
  async run<T>(names: Iterable<string>, work: () => Promise<T> | T): Promise<T> {
    const [first, ...rest] = [...new Set(names)].sort();
    if (first === undefined) return work();
    const held = this.#held.get(first) ?? { mutex: new Mutex(), users: 0 };
    this.#held.set(first, held);
    held.users += 1;
    try {
      return await held.mutex.run(async () => this.run(rest, work));
    } finally {
      held.users -= 1;
      if (held.users === 0) this.#held.delete(first);
    }
  }
}
