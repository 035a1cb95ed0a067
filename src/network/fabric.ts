/**
 * The contract of what makes networks real: links, addresses, routes and the
 * firewall of one host.
 */

import type { PlanOp } from '../kernel/plan/op.ts';
import type { Network } from '../spec/cidr.ts';
import type { Egress, WithPolicies } from './egress/contract.ts';
import type { Endpoint } from './endpoint.ts';
import type { NetworkRecord } from './store.ts';

/** An endpoint with its network, and what holds it. */
export interface NetworkedEndpoint extends WithPolicies {
  readonly endpoint: Endpoint;
  readonly network: NetworkRecord;
}

/** Operations of a plan that starts a container. */
export interface EndpointOps {
  /** In the host's network namespace, before the container's process exists. */
  readonly before: readonly PlanOp[];
  /** In the container's network namespace, loopback already up. */
  readonly inside: readonly PlanOp[];
  /** When the container's process is gone, or could not be started; each by itself. */
  readonly after: readonly PlanOp[];
}

/** A process whose network namespace is joined. */
export interface NamespaceOwner {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat. */
  readonly startTicks: bigint;
}

/** Hears of a container; resolves when it did what it can. */
export type LostHandler = (containerId: string) => Promise<void>;

/** Networks in the kernel. Every method throws `EngineError`. */
export interface NetworkFabric {
  /** What containers may reach. */
  readonly egress: Egress;
  /**
   * Make what `network` needs on the host, where it is not there: the bridge,
   * its addresses, its part of the firewall. Idempotent.
   * Errors: `conflict` with a link or a route of the host; `unsupported` by the kernel.
   */
  ensure(network: NetworkRecord): Promise<void>;
  /**
   * As {@link ensure}, of all that running containers are on, after {@link adopt}
   * was called for each: the firewall is replaced once, by a whole one. Returns
   * what could not be made; the others are.
   */
  restore(
    networks: readonly NetworkRecord[],
  ): Promise<readonly { readonly network: NetworkRecord; readonly error: unknown }[]>;
  /**
   * Remove what an earlier engine left that belongs to none of the `known`
   * networks, and tell the log how much it was. Precondition: {@link restore} is done.
   */
  sweep(known: readonly NetworkRecord[]): Promise<void>;
  /** Take it away again. Idempotent. Precondition: no container is on it. */
  remove(network: NetworkRecord): Promise<void>;
  /** Destinations the host has routes to now: no new subnet may overlap one. */
  routes(): readonly Network[];
  /** What of the host keeps networks from working and is not carve's to change, in sentences. */
  warnings(): Promise<readonly string[]>;
  /** What of the host's firewall is carve's, as names and values. */
  firewall(): readonly (readonly [name: string, value: string])[];
  /**
   * How a container with these endpoints starts. From now on its ports are a
   * part of the firewall, and it is held to its policies; also when this fails,
   * until {@link release}. Precondition: its networks are ensured.
   */
  planStart(containerId: string, endpoints: readonly NetworkedEndpoint[]): Promise<EndpointOps>;
  /** What {@link planStart} said failed: whether it was for want of what somebody else took away, and is there again. */
  mend(error: unknown): Promise<boolean>;
  /** What {@link planStart} said was done: who talked to its UDP ports before reaches it from now on. */
  started(containerId: string): Promise<void>;
  /** What {@link planStart} would say; nothing is kept, and a network that is not ready has a link without a number. */
  explainStart(containerId: string, endpoints: readonly NetworkedEndpoint[]): EndpointOps;
  /** A container that runs already: its ports are a part of the firewall. */
  adopt(containerId: string, endpoints: readonly NetworkedEndpoint[]): void;
  /** Tell `handler`, which never rejects, of containers whose link somebody deleted on the host. */
  onLost(handler: LostHandler): void;
  /**
   * Make the links of a running container again that somebody deleted on the host; the names of their
   * networks. Precondition: it does not start or end meanwhile.
   */
  relink(containerId: string, owner: NamespaceOwner): Promise<readonly string[]>;
  /** Give a running container one more endpoint. */
  join(containerId: string, owner: NamespaceOwner, added: NetworkedEndpoint): Promise<void>;
  /** Take one away; `rest` stay, and have the default routes. */
  leave(containerId: string, owner: NamespaceOwner, change: EndpointChange): Promise<void>;
  /**
   * Take links away whose namespace outlives the container that they were made
   * for: others share it, `owner` is one of them. Idempotent.
   */
  cut(endpoints: readonly Endpoint[], owner: NamespaceOwner | undefined): Promise<void>;
  /** Whether its addresses and ports may be given to others only when {@link release} resolved. */
  holds(containerId: string): boolean;
  /**
   * Its process is gone. `isUntidy`: nobody ran what `planStart` gave for the end.
   * When it resolves nothing of the firewall is about the container's addresses.
   * Idempotent.
   */
  release(containerId: string, isUntidy: boolean): Promise<void>;
  /**
   * Stops watching. What running containers use stays; when there are none, the
   * links of `networks` and the firewall go, to be made again when they are needed.
   */
  close(networks: readonly NetworkRecord[]): Promise<void>;
}

/** What {@link NetworkFabric.leave} does. */
export interface EndpointChange {
  readonly gone: Endpoint;
  readonly rest: readonly Endpoint[];
}
