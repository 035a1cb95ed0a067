/**
 * What of a container is reached at its own address from elsewhere: gateway
 * modes, and links that a network trusts, as sets, rules and elements. Pure.
 *
 * | mode | reached from | masqueraded |
 * |---|---|---|
 * | nat | nowhere; published ports by trusted links | yes, unless the network says no: then its own questions are answered |
 * | nat-unprotected | all links but those of other networks | yes |
 * | routed | everywhere: published ports, ICMP | no |
 *
 * **Invariants**
 * - The host's own addresses on a bridge are reached as ever: nobody but its containers.
 * - Of an internal network nothing is reached, whatever its mode.
 *
 * Source: docs/decisions/0056-gateway-modes.md; Docker's bridge driver, options `gateway_mode_ipv4`, `trusted_host_interfaces`.
 */

import * as nft from '../kernel/nft/message.ts';
import * as expression from '../kernel/nft/expression.ts';
import { be16, type Message } from '../kernel/netlink/message.ts';
import {
  addressBytes,
  contains,
  firstOf,
  lastOf,
  type Address,
  type Family,
  type Network,
} from '../spec/cidr.ts';
import type { EndpointPort } from './endpoint.ts';
import type { GatewayMode } from './options.ts';
import {
  ADDRESS_BYTES,
  FAMILIES,
  isFamily,
  linkKey,
  loadDestination,
  loadService,
  SUFFIX,
} from './packet.ts';
import { PROTOCOL } from './publish.ts';

/** Who may come for containers of a bridge besides its own. */
export interface Passage {
  /** Link name, at most 15 bytes. */
  readonly link: string;
  readonly subnets: readonly Network[];
  /** The host's addresses on it. */
  readonly hosts: readonly Address[];
  readonly isInternal: boolean;
  /** What leaves the host carries the host's address. */
  readonly isMasqueraded: boolean;
  readonly modes: Readonly<Record<Family, GatewayMode>>;
  /** Names of links of the host by which published ports are reached at the containers' addresses. */
  readonly trusted: readonly string[];
}

const { REG32, REGISTER } = expression;
const ICMP: Readonly<Record<Family, number>> = { ipv4: 1, ipv6: 58 };

/** Sets of a family. */
export function passageSets(family: Family): readonly nft.SetShape[] {
  const suffix = SUFFIX[family];
  return [
    { name: `trusted${suffix}`, key: [family, 'ifname'], interval: true },
    { name: `routed${suffix}`, key: [family], interval: true },
    { name: `unprotected${suffix}`, key: [family], interval: true },
    { name: `answered${suffix}`, key: [family], interval: true },
    { name: `open${suffix}`, key: [family, 'protocol', 'port'] },
  ];
}

/** Go on when nobody may come for the address in {@link REG32} by the link behind it. */
export function hasNoPassage(family: Family): readonly expression.Expression[] {
  return ['trusted', 'routed', 'unprotected', 'answered'].map((set) =>
    expression.lookup(`${set}${SUFFIX[family]}`, REG32, { invert: true }),
  );
}

/** Let through what the modes let in. Behind the decisions of internal networks and egress policies. */
export function passageRules(at: nft.TableName, chain: string): readonly Message[] {
  const accept = expression.verdict({ kind: 'accept' });
  return FAMILIES.flatMap((family) => {
    const suffix = SUFFIX[family];
    return [
      nft.addRule(at, chain, [
        ...isFamily(family),
        loadDestination(family),
        ...loadService(family),
        expression.lookup(`open${suffix}`, REG32),
        accept,
      ]),
      nft.addRule(at, chain, [
        ...isFamily(family),
        expression.meta('l4proto'),
        expression.compare('eq', Uint8Array.of(ICMP[family])),
        loadDestination(family),
        expression.lookup(`routed${suffix}`, REG32),
        accept,
      ]),
      nft.addRule(at, chain, [
        ...isFamily(family),
        loadDestination(family),
        expression.lookup(`unprotected${suffix}`, REG32),
        expression.meta('iifname'),
        expression.lookup('bridges', REGISTER.r1, { invert: true }),
        accept,
      ]),
    ];
  });
}

/** A bridge's part of the sets. */
export function passageElements(
  at: nft.TableName,
  passage: Passage,
  act: nft.ElementAction,
): readonly Message[] {
  if (passage.isInternal) return [];
  return passage.subnets.flatMap((subnet) => {
    const { family } = subnet.address;
    const suffix = SUFFIX[family];
    const mode = passage.modes[family];
    const spans = spansWithout(subnet, passage.hosts);
    if (mode === 'isolated') return [];
    if (mode === 'routed') return act(at, `routed${suffix}`, spans.flatMap(intervalOf));
    if (mode === 'nat-unprotected')
      return act(at, `unprotected${suffix}`, spans.flatMap(intervalOf));
    const elements = passage.trusted.map(linkKey).flatMap((link) =>
      spans.map(({ first, last }) => ({
        key: nft.concatKey([addressBytes(first), link]),
        keyEnd: nft.concatKey([addressBytes(last), link]),
      })),
    );
    if (elements.length > 0) return act(at, `trusted${suffix}`, elements);
    // No host's address brings the answers back: they come for the containers' own, and only what
    // answers passes the chain `forward`. Trusted links bring them too; what else is open to those
    // must stay theirs.
    return passage.isMasqueraded ? [] : act(at, `answered${suffix}`, spans.flatMap(intervalOf));
  });
}

/** Addresses one after the other. */
export interface Span {
  readonly first: Address;
  readonly last: Address;
}

/** What is left of a subnet without these addresses, in order. */
function spansWithout(subnet: Network, without: readonly Address[]): readonly Span[] {
  const { family } = subnet.address;
  const gaps = without
    .filter((address) => contains(subnet, address))
    .map(({ value }) => value)
    .toSorted((a, b) => (a < b ? -1 : 1));
  const spans: Span[] = [];
  let first = firstOf(subnet);
  for (const gap of [...gaps, lastOf(subnet) + 1n]) {
    if (gap > first)
      spans.push({ first: { family, value: first }, last: { family, value: gap - 1n } });
    first = gap + 1n;
  }
  return spans;
}

/** A span as elements of a plain interval set: its first address, and the one behind its last. */
export function intervalOf({ first, last }: Span): readonly nft.Element[] {
  const { family } = first;
  const end = last.value + 1n;
  const isTop = end === 1n << BigInt(8 * ADDRESS_BYTES[family]);
  return [
    { key: addressBytes(first) },
    ...(isTop ? [] : [{ key: addressBytes({ family, value: end }), isIntervalEnd: true }]),
  ];
}

/** All addresses of a network. */
export function spanOf(network: Network): Span {
  const { family } = network.address;
  return {
    first: { family, value: firstOf(network) },
    last: { family, value: lastOf(network) },
  };
}

/** Open ports at their container's own address. */
export function planOpen(at: nft.TableName, ports: readonly EndpointPort[]): readonly Message[] {
  return openElements(at, ports, nft.addElements);
}

/** Undo {@link planOpen}, also what was not done of it. */
export function planOpenRemoval(
  at: nft.TableName,
  ports: readonly EndpointPort[],
): readonly Message[] {
  return [
    ...openElements(at, ports, nft.addElements),
    ...openElements(at, ports, nft.deleteElements),
  ];
}

/** Each once, by however many ports of the host it is reached besides. */
function openElements(
  at: nft.TableName,
  ports: readonly EndpointPort[],
  act: nft.ElementAction,
): readonly Message[] {
  const open = ports.filter(({ isOpen }) => isOpen === true);
  return FAMILIES.flatMap((family) => {
    const keys = open
      .filter(({ target }) => target.family === family)
      .map(({ protocol, target, targetPort }) =>
        nft.concatKey([addressBytes(target), Uint8Array.of(PROTOCOL[protocol]), be16(targetPort)]),
      );
    const once = new Map(keys.map((key) => [Buffer.from(key).toString('hex'), { key }]));
    return act(at, `open${SUFFIX[family]}`, [...once.values()]);
  });
}
