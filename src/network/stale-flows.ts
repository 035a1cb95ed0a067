/**
 * UDP flows that the kernel would send on where they went before: after their
 * container is gone, and after a port is published that somebody talked to
 * already. UDP has no end that would tell the kernel.
 *
 * **Invariant:** only flows that went to a port of ours, or to an address that
 * a container of ours gives back, are forgotten; what was rewritten by others,
 * and what only passes this host, stays.
 */

import { networkInterfaces } from 'node:os';
import { messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';
import {
  decodeFlows,
  deleteFlow,
  listFlows,
  type FlowFilter,
  type TrackedFlow,
} from '../kernel/netlink/conntrack.ts';
import { encodeMessages, type Message } from '../kernel/netlink/message.ts';
import { NETLINK_NETFILTER } from '../kernel/nft/message.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import {
  contains,
  formatAddress,
  tryParseAddress,
  type Address,
  type Network,
} from '../spec/cidr.ts';
import { type EndpointPort, isDirect } from './endpoint.ts';
import { PROTOCOL } from './publish.ts';
import { isRouted } from './way.ts';

const ENOENT = 2;
/** Deletions in one datagram: as many acknowledgements as a socket keeps in any case. */
const AT_ONCE = 100;
const SLOT = 0;

/** What it works with. */
export interface StaleFlowsOptions {
  readonly log: Log;
  /** `u32 errno, u32 length` and the messages that answer one request. */
  readonly query: (message: Message, failure: string) => Promise<Uint8Array>;
  readonly apply: (plan: readonly PlanOp[], failure: string) => Promise<unknown>;
  /** Of the engine's bridges. */
  readonly subnets: () => readonly Network[];
}

/** Whether ports among these have flows to be forgotten. */
export function hasFlows(ports: readonly EndpointPort[]): boolean {
  return ports.some(isTracked);
}

function isTracked(port: EndpointPort): boolean {
  return port.protocol === 'udp' && isRouted(port);
}

/** What decides whether a flow to a port is stale. */
export interface FlowJudge {
  readonly port: EndpointPort;
  /** Addresses of the host. */
  readonly isHost: (address: Address) => boolean;
  /** Addresses of containers. */
  readonly isContainer: (address: Address) => boolean;
}

/** Whether a flow goes elsewhere than the port, now that it is published. Pure. */
export function isStale({ protocol, original, reply }: TrackedFlow, judge: FlowJudge): boolean {
  const { port, isHost, isContainer } = judge;
  const asked = original.destination;
  if (protocol !== PROTOCOL.udp || original.destinationPort !== port.hostPort) return false;
  if (asked.family !== port.host.family) return false;
  const isOurs = port.host.value === 0n ? isHost(asked) : asked.value === port.host.value;
  const isThere = isSame(reply.source, port.target) && reply.sourcePort === port.targetPort;
  return isOurs && !isThere && (isSame(reply.source, asked) || isContainer(reply.source));
}

function isSame(a: Address, b: Address): boolean {
  return a.family === b.family && a.value === b.value;
}

function endKey({ target, targetPort }: EndpointPort): string {
  return `${formatAddress(target)} ${targetPort}`;
}

/** See the module. Neither method throws: what cannot be forgotten is told to the log, and ends by itself. */
export class StaleFlows {
  readonly #options: StaleFlowsOptions;

  constructor(options: StaleFlowsOptions) {
    this.#options = options;
  }

  /** These ports are published: who talked to them already is sent to the container. */
  async afterPublish(ports: readonly EndpointPort[]): Promise<void> {
    const tracked = ports.filter((port) => isTracked(port) && !isDirect(port));
    if (tracked.length === 0) return;
    const isHost = hostAddresses();
    const subnets = this.#options.subnets();
    const isContainer = (address: Address): boolean =>
      subnets.some((subnet) => contains(subnet, address));
    for (const port of tracked) {
      const { host, hostPort } = port;
      const filter = {
        family: host.family,
        protocol: PROTOCOL.udp,
        end: 'asked',
        port: hostPort,
      } as const;
      await this.#forget(filter, (flow) => isStale(flow, { port, isHost, isContainer }));
    }
  }

  /** These ports are published no more, and their container's address is about to be given back. */
  async afterUnpublish(ports: readonly EndpointPort[]): Promise<void> {
    const ends = new Map(ports.filter(isTracked).map((port) => [endKey(port), port]));
    for (const { target, targetPort } of ends.values()) {
      const { family } = target;
      const filter = {
        family,
        protocol: PROTOCOL.udp,
        end: 'answering',
        port: targetPort,
      } as const;
      await this.#forget(
        filter,
        ({ protocol, reply }) => protocol === PROTOCOL.udp && isSame(reply.source, target),
      );
    }
  }

  async #forget(filter: FlowFilter, isMeant: (flow: TrackedFlow) => boolean): Promise<void> {
    const { query, apply, log } = this.#options;
    const failure = 'Cannot forget UDP flows of a published port';
    try {
      const answer = await query(listFlows(filter), failure);
      const errno = new DataView(answer.buffer, answer.byteOffset, answer.byteLength).getUint32(
        0,
        true,
      );
      if (errno !== 0) throw new Error(`${failure}: errno ${errno}`);
      const stale = decodeFlows(answer.subarray(8)).filter(isMeant);
      if (stale.length > 0) await apply(planForget(stale), failure);
    } catch (error) {
      log.warn('flows of a published UDP port may go where they went before for a while', {
        error: messageOf(error),
      });
    }
  }
}

/** Operations that forget flows; one that is gone meanwhile is forgotten too. Pure. */
export function planForget(flows: readonly TrackedFlow[]): readonly PlanOp[] {
  const deletions: PlanOp[] = [];
  for (let at = 0; at < flows.length; at += AT_ONCE) {
    const messages = encodeMessages(flows.slice(at, at + AT_ONCE).map(deleteFlow));
    const patches = new Uint8Array();
    deletions.push({ op: 'netlink', slot: SLOT, messages, patches, ignore: ENOENT });
  }
  return [{ op: 'netlink-open', slot: SLOT, protocol: NETLINK_NETFILTER }, ...deletions];
}

/** The addresses this host has now. */
function hostAddresses(): (address: Address) => boolean {
  const known = new Set<string>();
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) {
      const parsed = tryParseAddress(address.replace(/%.*$/, ''));
      if (parsed !== undefined) known.add(formatAddress(parsed));
    }
  }
  return (address) =>
    known.has(formatAddress(address)) ||
    (address.family === 'ipv4' && address.value >> 24n === 127n);
}
