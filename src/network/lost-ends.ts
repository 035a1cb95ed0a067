/**
 * Containers whose link somebody deleted on the host: found by looking, told of
 * one at a time each.
 *
 * A container that begins has no link yet, and one that ends has none any more:
 * only what is missing twice in a row is told of, and whoever hears of it looks again.
 */

import type { LostHandler, NetworkedEndpoint } from './fabric.ts';

/** See the module. */
export class LostEnds {
  #handler: LostHandler | undefined;
  #missing: ReadonlySet<string> = new Set();
  /** Who is being told of. */
  readonly #told = new Set<string>();

  /** Tell `handler`, which never rejects, from now on. */
  tell(handler: LostHandler): void {
    this.#handler = handler;
  }

  /** `seats`: who is on which networks; `links`: the names of all links of the host. */
  look(
    seats: Iterable<readonly [containerId: string, endpoints: readonly NetworkedEndpoint[]]>,
    links: ReadonlySet<string>,
  ): void {
    const missing = new Set<string>();
    for (const [id, endpoints] of seats) if (lostEnds(endpoints, links).length > 0) missing.add(id);
    for (const id of missing) if (this.#missing.has(id)) this.#tellOf(id);
    this.#missing = missing;
  }

  #tellOf(id: string): void {
    if (this.#handler === undefined || this.#told.has(id)) return;
    this.#told.add(id);
    void this.#handler(id).then(() => this.#told.delete(id));
  }
}

/** Those of the endpoints whose end on the host is not among its links. */
export function lostEnds(
  endpoints: readonly NetworkedEndpoint[],
  links: ReadonlySet<string>,
): readonly NetworkedEndpoint[] {
  return endpoints.filter(({ endpoint: { hostLink } }) => hostLink !== '' && !links.has(hostLink));
}
