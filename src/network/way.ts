/**
 * Which of a published port's packets the kernel sends to the container, and
 * which a relay of the monitor's must carry. Pure.
 *
 * **Invariant:** the kernel's way is taken wherever there is one: it keeps the
 * source address. There is none from ::1, which the kernel routes to no other
 * link, and none from IPv6 to a container that has only IPv4.
 *
 * Source: docs/decisions/0044-a-relay-where-the-kernel-has-no-way.md; ip-sysctl.rst: `route_localnet` is of IPv4 only.
 */

import { contains, parseNetwork, type Address } from '../spec/cidr.ts';
import type { EndpointPort } from './endpoint.ts';

/** What of that which reaches the port's socket is relayed; the numbers are those of `reserve-port`. */
export const REACH = { none: 0, loopback: 1, all: 2 } as const;

/** ::1. */
export const LOOPBACK6: Address = { family: 'ipv6', value: 1n };

type Ends = Pick<EndpointPort, 'protocol' | 'host' | 'target'>;

/** The firewall rewrites packets for it. */
export function isRouted({ host, target }: Ends): boolean {
  return host.family === target.family && !isLoopback6(host);
}

/** What the monitor relays for it. SCTP is never relayed. */
export function relayReach(port: Ends): keyof typeof REACH {
  const { protocol, host, target } = port;
  if (protocol === 'sctp' || host.family === 'ipv4') return 'none';
  if (!isRouted(port)) return 'all';
  return host.value === 0n && target.family === 'ipv6' ? 'loopback' : 'none';
}

/** Other machines and containers come by the relay: no rule judges where it leads. */
export function isRelayedWidely(port: Ends): boolean {
  return relayReach(port) === 'all' && !isLoopback6(port.host);
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'].map(parseNetwork);

/** Reached from its own machine only. */
export function isLoopback(address: Address): boolean {
  return LOOPBACK.some((network) => contains(network, address));
}

/** Whether it is ::1. */
export function isLoopback6({ family, value }: Address): boolean {
  return family === 'ipv6' && value === LOOPBACK6.value;
}
