/**
 * Published ports: a table of two maps and the fixed rules that rewrite by
 * them, as messages. Starts and ends of containers change it, each by a socket
 * of its own, so it is anybody's. Pure.
 *
 * **Invariants**
 * - Publishing rewrites only packets for an address of this host (row N4).
 * - Nothing is let in or kept out by this table: without it ports are not published.
 */

import * as nft from '../kernel/nft/message.ts';
import * as expression from '../kernel/nft/expression.ts';
import { be16, u32, type Message } from '../kernel/netlink/message.ts';
import { addressBytes, type Family } from '../spec/cidr.ts';
import { type EndpointPort, isDirect } from './endpoint.ts';
import {
  ADDRESS_BYTES,
  FAMILIES,
  isFamily,
  loadDestination,
  loadService,
  registersOf,
  SUFFIX,
} from './packet.ts';
import { isRouted, LOOPBACK6 } from './way.ts';
import type { WholeTable } from './whole-table.ts';

/** Protocols that can be published. */
export const PROTOCOL = { tcp: 6, udp: 17, sctp: 132 } as const;

const { REG32, REGISTER } = expression;

/** Names of the maps of published ports, by the host's address, protocol and port. */
export const PUBLISH_SETS: readonly string[] = FAMILIES.map((family) => `publish${SUFFIX[family]}`);

const CHAINS = { fromLinks: 'publish', fromHost: 'publish-local' } as const;

/** `::1` has a relay: rewritten, its packets would go nowhere. */
function notFromLoopback6(family: Family, chain: string): expression.Expression[] {
  if (family === 'ipv4' || chain !== CHAINS.fromHost) return [];
  return [loadDestination('ipv6', REGISTER.r1), expression.compare('neq', addressBytes(LOOPBACK6))];
}

/** Rewrite to the container a port is published for: first by exact host address, then by any. */
function rulesOf(at: nft.TableName, chain: string): Message[] {
  return FAMILIES.flatMap((family) => {
    const count = registersOf(family);
    const value = REG32 + 8;
    const rule = (address: expression.Expression): Message =>
      nft.addRule(at, chain, [
        ...isFamily(family),
        expression.fibAddressType('daddr'),
        expression.compare('eq', u32(expression.ADDRESS_TYPE.local)),
        ...notFromLoopback6(family, chain),
        address,
        ...loadService(family),
        expression.lookup(`publish${SUFFIX[family]}`, REG32, { target: value }),
        expression.destinationNat(family, value, value + count),
      ]);
    return [
      rule(loadDestination(family)),
      rule(expression.immediate(REG32, new Uint8Array(ADDRESS_BYTES[family]))),
    ];
  });
}

function allRules(at: nft.TableName): readonly Message[] {
  return Object.values(CHAINS).flatMap((chain) => rulesOf(at, chain));
}

/** Number of rules in the table. */
export const PUBLISH_RULE_COUNT: number = allRules({ family: 'inet', table: '' }).length;

/** The table with these elements. */
export function publishTable(at: nft.TableName, elements: readonly Message[]): WholeTable {
  const sets = FAMILIES.map((family) => ({
    name: `publish${SUFFIX[family]}`,
    key: [family, 'protocol', 'port'] as const,
    data: [family, 'port'] as const,
  }));
  const chains = [
    nft.addChain(at, CHAINS.fromLinks, { type: 'nat', hook: 'prerouting', priority: -100 }),
    nft.addChain(at, CHAINS.fromHost, { type: 'nat', hook: 'output', priority: -100 }),
  ];
  return { at, sets, chains, rules: allRules(at), elements };
}

/** Address, protocol and port of the host, as a key. */
export function portKey(port: EndpointPort): Uint8Array {
  const protocol = Uint8Array.of(PROTOCOL[port.protocol]);
  return nft.concatKey([addressBytes(port.host), protocol, be16(port.hostPort)]);
}

function publishElement(port: EndpointPort): nft.Element {
  const data = nft.concatKey([addressBytes(port.target), be16(port.targetPort)]);
  return { key: portKey(port), data };
}

function portElements(
  at: nft.TableName,
  ports: readonly EndpointPort[],
  act: nft.ElementAction,
): readonly Message[] {
  const routed = ports.filter((port) => !isDirect(port) && isRouted(port));
  return FAMILIES.flatMap((family) => {
    const elements = routed.filter((port) => port.host.family === family).map(publishElement);
    return act(at, `publish${SUFFIX[family]}`, elements);
  });
}

/** Publish ports. The kernel answers EEXIST when one is published for somebody else. */
export function planPorts(at: nft.TableName, ports: readonly EndpointPort[]): readonly Message[] {
  return portElements(at, ports, nft.addElements);
}

/** Take ports back. */
export function planPortRemoval(
  at: nft.TableName,
  ports: readonly EndpointPort[],
): readonly Message[] {
  return portElements(at, ports, nft.deleteElements);
}
