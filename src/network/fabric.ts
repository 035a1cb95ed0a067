/**
 * The contract of what makes networks real: links, addresses, routes and the
 * firewall of one host.
 */

import type { Network } from '../spec/cidr.ts';
import type { NetworkRecord } from './store.ts';

/** Networks in the kernel. Every method throws `EngineError`. */
export interface NetworkFabric {
  /**
   * Make what `network` needs on the host, where it is not there: the bridge,
   * its addresses, its part of the firewall. Idempotent.
   * Errors: `conflict` with a link or a route of the host; `unsupported` by the kernel.
   */
  ensure(network: NetworkRecord): Promise<void>;
  /** Take it away again. Idempotent. Precondition: no container is on it. */
  remove(network: NetworkRecord): Promise<void>;
  /** Destinations the host has routes to now: no new subnet may overlap one. */
  routes(): readonly Network[];
}
