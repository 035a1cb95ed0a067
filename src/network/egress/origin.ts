/**
 * Who sends: the bridge's half of the table, as messages. A port that leads to
 * a held container passes only frames of that container's own addresses, so
 * that nothing which looks at a source address can be told a neighbour's. Pure.
 *
 * It is made with the first held container, since every frame of every bridge
 * of the host passes its hook.
 *
 * **Invariants**
 * - A frame from a held port is dropped unless its MAC, and the sender that its
 *   IP or ARP header or its neighbour advertisement names, are the container's.
 * - {@link planOrigin} may be repeated: rules are the same afterwards, elements stay.
 *
 * Source: RFC 826 (ARP), RFC 4861 4.2, 4.4, 4.5 (what routers and neighbours
 * say of themselves), RFC 4862 5.4.2 (an unspecified source asks for duplicates).
 */

import * as expression from '../../kernel/nft/expression.ts';
import * as nft from '../../kernel/nft/message.ts';
import { be16, type Message } from '../../kernel/netlink/message.ts';
import { addressBytes, type Address } from '../../spec/cidr.ts';
import { linkKey, SOURCE_OFFSET, SUFFIX } from '../packet.ts';
import type { WholeTable } from '../whole-table.ts';
import { removal } from './rules.ts';

/** A bridge's port that leads to a held container. */
export interface HeldPort {
  /** Name of the host's end. */
  readonly link: string;
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** All that the container may send from. */
  readonly addresses: readonly Address[];
}

const CHAIN = 'origin';
const CHECK = 'check';
const PORTS = 'ports';
const MACS = 'macs';
const SENDERS = { ipv4: `senders${SUFFIX.ipv4}`, ipv6: `senders${SUFFIX.ipv6}` } as const;

const { REG32 } = expression;
/** Behind the link's name. */
const SECOND = REG32 + 4;
const ETHER_SOURCE = { base: 'link', offsetBytes: 6, lengthBytes: 6 } as const;
const ETHER_TYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
const ARP_SENDER = {
  mac: { base: 'network', offsetBytes: 8, lengthBytes: 6 },
  address: { base: 'network', offsetBytes: 14, lengthBytes: 4 },
} as const;
const SOURCE = {
  ipv4: { base: 'network', offsetBytes: SOURCE_OFFSET.ipv4, lengthBytes: 4 },
  ipv6: { base: 'network', offsetBytes: SOURCE_OFFSET.ipv6, lengthBytes: 16 },
} as const;
const ICMPV6 = 58;
const ND = { routerAdvertisement: 134, neighbourAdvertisement: 136, redirect: 137 } as const;
const ND_TARGET = { base: 'transport', offsetBytes: 8, lengthBytes: 16 } as const;

const SETS: readonly nft.SetShape[] = [
  { name: PORTS, key: ['ifname'] },
  { name: MACS, key: ['ifname', 'mac'] },
  { name: SENDERS.ipv4, key: ['ifname', 'ipv4'] },
  { name: SENDERS.ipv6, key: ['ifname', 'ipv6'] },
];

/** Go on when the port and this field are a pair of the set; `invert`: when they are not. */
function isPair(
  field: expression.HeaderField,
  set: string,
  options: expression.LookupOptions = {},
): readonly expression.Expression[] {
  return [
    expression.meta('iifname', REG32),
    expression.payload(field, SECOND),
    expression.lookup(set, REG32, options),
  ];
}

function isType(type: keyof typeof ETHER_TYPE): readonly expression.Expression[] {
  return [expression.meta('protocol'), expression.compare('eq', be16(ETHER_TYPE[type]))];
}

function saysNeighbour(type: number): readonly expression.Expression[] {
  return [
    ...isType('ipv6'),
    expression.meta('l4proto'),
    expression.compare('eq', Uint8Array.of(ICMPV6)),
    expression.payload({ base: 'transport', offsetBytes: 0, lengthBytes: 1 }),
    expression.compare('eq', Uint8Array.of(type)),
  ];
}

function rules(at: nft.TableName): readonly Message[] {
  const check = (...expressions: readonly expression.Expression[]): Message =>
    nft.addRule(at, CHECK, expressions);
  const pass = expression.verdict({ kind: 'return' });
  const drop = [expression.counter(), expression.verdict({ kind: 'drop' })];
  const others = { invert: true };
  return [
    nft.addRule(at, CHAIN, [
      expression.meta('iifname'),
      expression.lookup(PORTS, expression.REGISTER.r1),
      expression.verdict({ kind: 'jump', chain: CHECK }),
    ]),
    check(...isPair(ETHER_SOURCE, MACS, others), ...drop),
    check(...saysNeighbour(ND.routerAdvertisement), ...drop),
    check(...saysNeighbour(ND.redirect), ...drop),
    check(
      ...saysNeighbour(ND.neighbourAdvertisement),
      ...isPair(ND_TARGET, SENDERS.ipv6, others),
      ...drop,
    ),
    check(...isType('ipv4'), ...isPair(SOURCE.ipv4, SENDERS.ipv4), pass),
    check(...isType('ipv6'), ...isPair(SOURCE.ipv6, SENDERS.ipv6), pass),
    check(
      ...isType('arp'),
      ...isPair(ARP_SENDER.mac, MACS),
      ...isPair(ARP_SENDER.address, SENDERS.ipv4),
      pass,
    ),
    // Of an address that is not its own yet a container asks its neighbours only.
    check(
      ...isType('ipv6'),
      expression.payload(SOURCE.ipv6),
      expression.compare('eq', new Uint8Array(16)),
      expression.payload({ base: 'network', offsetBytes: 24, lengthBytes: 1 }),
      expression.compare('eq', Uint8Array.of(0xff)),
      pass,
    ),
    check(...drop),
  ];
}

/** The bridge's half of a table. */
export function originOf({ table }: nft.TableName): nft.TableName {
  return { family: 'bridge', table };
}

/** Number of rules. */
export const ORIGIN_RULE_COUNT: number = rules({ family: 'bridge', table: '' }).length;

function chains(at: nft.TableName): readonly Message[] {
  return [
    nft.addChain(at, CHECK),
    nft.addChain(at, CHAIN, { type: 'filter', hook: 'prerouting', priority: -300 }),
  ];
}

/** The table, where it is not there; its elements stay. `flags`: of a table that is made. */
export function planOrigin(at: nft.TableName, flags: number): readonly Message[] {
  return [
    nft.addTable(at, flags),
    ...nft.addSets(at, SETS),
    ...chains(at),
    nft.flushRules(at),
    ...rules(at),
  ];
}

/** The table with these held ports. */
export function originTable(at: nft.TableName, ports: readonly HeldPort[]): WholeTable {
  const elements = ports.flatMap((each) => planHold(at, each));
  return { at, sets: SETS, chains: chains(at), rules: rules(at), elements };
}

function elementsOf({ link, mac, addresses }: HeldPort): ReadonlyMap<string, nft.Element[]> {
  const port = linkKey(link);
  const elements = new Map([
    [MACS, [{ key: nft.concatKey([port, mac]) }]],
    [PORTS, [{ key: port }]],
  ]);
  for (const address of addresses) {
    const set = SENDERS[address.family];
    const element = { key: nft.concatKey([port, addressBytes(address)]) };
    elements.set(set, [...(elements.get(set) ?? []), element]);
  }
  return elements;
}

/** Hold a port. Precondition: {@link planOrigin}, in this transaction or before. */
export function planHold(at: nft.TableName, port: HeldPort): readonly Message[] {
  return [...elementsOf(port)].flatMap(([set, elements]) => nft.addElements(at, set, elements));
}

/** Undo {@link planHold}, also a part of it that is there. */
export function planRelease(at: nft.TableName, port: HeldPort): readonly Message[] {
  return [...elementsOf(port)].flatMap(([set, elements]) => removal(at, set, elements));
}
