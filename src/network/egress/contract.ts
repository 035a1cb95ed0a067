/** The contract of what holds containers to their egress policies. */

import type { NameHooks } from '../dns/resolve.ts';
import type { EgressPolicy } from './policy.ts';

/** One thing that a container tried and might not. */
export interface Denial {
  readonly containerId: string;
  /** A connection by its destination, or a name. */
  readonly what:
    | {
        readonly kind: 'packet';
        /** Text of the address. */
        readonly address: string;
        /** A protocol's number. */
        readonly protocol: number;
        readonly port: number;
      }
    | { readonly kind: 'name'; readonly name: string };
  /** Packets, or questions. */
  readonly count: number;
  /** Milliseconds since the epoch. */
  readonly lastAtMs: number;
}

/** Egress of one engine's containers. */
export interface Egress {
  /** What the name server asks, and tells. */
  readonly hooks: Required<NameHooks>;
  /** Whether a container is held to a policy. */
  isGuarded(containerId: string): boolean;
  /** What was denied, newest first, of all containers that the engine remembers. Errors: those of the fabric. */
  denials(): Promise<readonly Denial[]>;
}

/** Lists that hold on an endpoint, all of them; none: it may reach everything. */
export interface WithPolicies {
  readonly policies?: readonly EgressPolicy[];
}
