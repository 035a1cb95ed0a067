/**
 * Places for work that waits for others, shared fairly: when all are taken, who
 * has fewer than its share gets one of who has the most.
 */

/** A place that was taken. */
export interface Place {
  /** Give it back. Idempotent. */
  leave(): void;
}

/** How many places there are. */
export interface ShareLimits {
  /** Count of all places. */
  readonly totalCount: number;
  /** Count of places for one owner. */
  readonly eachCount: number;
}

/** The places. */
export class FairShare {
  readonly #limits: ShareLimits;
  /** Owner → what ends the work in each of its places, oldest first. */
  readonly #owners = new Map<string, Set<() => void>>();
  #takenCount = 0;

  constructor(limits: ShareLimits) {
    this.#limits = limits;
  }

  /** Count of places that are taken. */
  get takenCount(): number {
    return this.#takenCount;
  }

  /** A place; `undefined`: none for this owner now. `evict` is called when the place is given to another; it need not leave. */
  enter(owner: string, evict: () => void): Place | undefined {
    const heldCount = this.#owners.get(owner)?.size ?? 0;
    if (heldCount >= this.#limits.eachCount) return undefined;
    if (this.#takenCount >= this.#limits.totalCount && !this.#makeRoom(heldCount)) return undefined;
    const places = this.#owners.get(owner) ?? new Set();
    this.#owners.set(owner, places);
    const entry = (): void => evict();
    places.add(entry);
    this.#takenCount += 1;
    return { leave: () => this.#leave(owner, entry) };
  }

  #leave(owner: string, entry: () => void): void {
    const places = this.#owners.get(owner);
    if (places === undefined || !places.delete(entry)) return;
    this.#takenCount -= 1;
    if (places.size === 0) this.#owners.delete(owner);
  }

  /** From the owner with the most, if that has more than the asker would have. */
  #makeRoom(heldCount: number): boolean {
    let greediest: string | undefined;
    let mostCount = heldCount + 1;
    for (const [owner, places] of this.#owners) {
      if (places.size <= mostCount) continue;
      mostCount = places.size;
      greediest = owner;
    }
    if (greediest === undefined) return false;
    const [oldest] = this.#owners.get(greediest) ?? [];
    if (oldest === undefined) return false;
    this.#leave(greediest, oldest);
    oldest();
    return true;
  }
}
