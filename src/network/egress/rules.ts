/**
 * The part of the table that knows what containers may reach: fixed rules over
 * sets, as messages; and the elements of one endpoint. Pure.
 *
 * **Invariants**
 * - A packet that opens a connection, comes from a guarded address and leaves
 *   the bridge it came by, or is for the host itself, passes only by an element
 *   of its own source address.
 * - Where it goes is judged by the connection's first destination, so a port of
 *   the host that leads to another container is judged as the host's.
 *
 * Source: docs/decisions/0043-egress.md.
 */

import * as expression from '../../kernel/nft/expression.ts';
import * as nft from '../../kernel/nft/message.ts';
import { be16, type Message } from '../../kernel/netlink/message.ts';
import { addressBytes, type Address, type Family } from '../../spec/cidr.ts';
import {
  ADDRESS_BYTES,
  conntrackHas,
  FAMILIES,
  isFamily,
  registersOf,
  SOURCE_OFFSET,
  SUFFIX,
} from '../packet.ts';
import type { Box, Service } from './policy.ts';

/** Chain of the decision. */
export const EGRESS_CHAIN = 'egress';
/** Milliseconds that a denied destination is remembered after it was last tried. */
export const DENIED_MS = 3_600_000;
/** Denied destinations of all containers that are remembered. */
const DENIED_MAX = 4096;

const { REG32 } = expression;

/** Names of the sets of a family. */
export const SETS: Readonly<
  Record<'guarded' | 'boxes' | 'hosts' | 'services' | 'denied', (family: Family) => string>
> = {
  guarded: (family) => `egress-guarded${SUFFIX[family]}`,
  boxes: (family) => `egress-cidr${SUFFIX[family]}`,
  hosts: (family) => `egress-hosts${SUFFIX[family]}`,
  services: (family) => `egress-names${SUFFIX[family]}`,
  denied: (family) => `egress-denied${SUFFIX[family]}`,
};

/** Sets of the table. */
export function egressSets(): readonly nft.SetShape[] {
  return FAMILIES.flatMap((family): nft.SetShape[] => {
    const whole = [family, family, 'protocol', 'port'] as const;
    return [
      { name: SETS.guarded(family), key: [family] },
      { name: SETS.boxes(family), key: whole, interval: true },
      { name: SETS.hosts(family), key: [family, family], timeout: true },
      { name: SETS.services(family), key: whole, timeout: true },
      { name: SETS.denied(family), key: whole, timeout: true, dynamicCount: DENIED_MAX },
    ];
  });
}

function loadSource(family: Family): expression.Expression {
  const field = { offsetBytes: SOURCE_OFFSET[family], lengthBytes: ADDRESS_BYTES[family] };
  return expression.payload({ base: 'network', ...field }, REG32);
}

/** Rules that send what guarded containers send to the decision. `beyond`: only what fits. */
export function egressJumps(
  at: nft.TableName,
  chain: string,
  { beyond = [] }: { readonly beyond?: readonly expression.Expression[] } = {},
): readonly Message[] {
  return FAMILIES.map((family) =>
    nft.addRule(at, chain, [
      ...isFamily(family),
      loadSource(family),
      expression.lookup(SETS.guarded(family), REG32),
      ...beyond,
      expression.verdict({ kind: 'jump', chain: EGRESS_CHAIN }),
    ]),
  );
}

/** Neighbour discovery: without it a container finds no router. Source: RFC 4861. */
const ND_TYPES = { first: 133, last: 136 } as const;
const ICMPV6 = 58;

/** What containers send to the host itself. */
export function inputRules(at: nft.TableName): readonly Message[] {
  const accept = expression.verdict({ kind: 'accept' });
  return [
    nft.addRule(at, 'input', [
      ...conntrackHas('state', expression.CT_STATE.established | expression.CT_STATE.related),
      accept,
    ]),
    nft.addRule(at, 'input', [
      ...isFamily('ipv6'),
      expression.meta('l4proto'),
      expression.compare('eq', Uint8Array.of(ICMPV6)),
      expression.payload({ base: 'transport', offsetBytes: 0, lengthBytes: 1 }),
      expression.compare('gte', Uint8Array.of(ND_TYPES.first)),
      expression.compare('lte', Uint8Array.of(ND_TYPES.last)),
      accept,
    ]),
    ...egressJumps(at, 'input'),
  ];
}

/** The decision. */
export function egressRules(at: nft.TableName): readonly Message[] {
  const rule = (...expressions: readonly expression.Expression[]): Message =>
    nft.addRule(at, EGRESS_CHAIN, expressions);
  const back = expression.verdict({ kind: 'return' });
  return [
    ...FAMILIES.flatMap((family) => {
      const { host, service } = keyLoads(family);
      const whole = [...isFamily(family), ...host, ...service];
      return [
        rule(...whole, expression.lookup(SETS.boxes(family), REG32), back),
        rule(...isFamily(family), ...host, expression.lookup(SETS.hosts(family), REG32), back),
        rule(...whole, expression.lookup(SETS.services(family), REG32), back),
        rule(...whole, expression.updateSet(SETS.denied(family), REG32, DENIED_MS)),
      ];
    }),
    rule(expression.counter(), expression.reject()),
  ];
}

/** Source and first destination; then protocol and port. */
function keyLoads(family: Family): {
  readonly host: readonly expression.Expression[];
  readonly service: readonly expression.Expression[];
} {
  const count = registersOf(family);
  const destination = family === 'ipv4' ? 'destination4' : 'destination6';
  return {
    host: [loadSource(family), expression.conntrackOriginal(destination, REG32 + count)],
    service: [
      expression.meta('l4proto', REG32 + 2 * count),
      expression.conntrackOriginal('protocolDestination', REG32 + 2 * count + 1),
    ],
  };
}

/** What is decided for one address of a container. */
export interface GuardedAddress {
  readonly address: Address;
  readonly boxes: readonly Box[];
}

function boxElement(source: Address, box: Box): nft.Element {
  const key = (end: 0 | 1): Uint8Array =>
    nft.concatKey([
      addressBytes(source),
      addressBytes({ family: source.family, value: box.addresses[end] }),
      Uint8Array.of(box.protocols[end]),
      be16(box.ports[end]),
    ]);
  return { key: key(0), keyEnd: key(1) };
}

/** Guard an address: what it may reach stands before it is held to it. */
export function planGuard(at: nft.TableName, guarded: GuardedAddress): readonly Message[] {
  const { address, boxes } = guarded;
  const elements = boxes.map((box) => boxElement(address, box));
  return [
    ...nft.addElements(at, SETS.boxes(address.family), elements),
    ...nft.addElements(at, SETS.guarded(address.family), [{ key: addressBytes(address) }]),
  ];
}

/** Undo {@link planGuard}, also a part of it that is there. */
export function planUnguard(at: nft.TableName, guarded: GuardedAddress): readonly Message[] {
  const { address, boxes } = guarded;
  const elements = boxes.map((box) => boxElement(address, box));
  return [
    ...removal(at, SETS.boxes(address.family), elements),
    ...removal(at, SETS.guarded(address.family), [{ key: addressBytes(address) }]),
  ];
}

/** Deleting what is not there would undo the whole transaction. */
export function removal(
  at: nft.TableName,
  set: string,
  elements: readonly nft.Element[],
): readonly Message[] {
  return [...nft.addElements(at, set, elements), ...nft.deleteElements(at, set, elements)];
}

/** A way that a name opened: from an address of a container to one that the answer gave. */
export interface Opening {
  readonly source: Address;
  readonly target: Address;
  /** `undefined`: every protocol and port. */
  readonly service: Service | undefined;
}

/** The set of an opening, and its key. */
export function openingKey({ source, target, service }: Opening): {
  readonly set: string;
  readonly key: Uint8Array;
} {
  const { family } = source;
  const ends = [addressBytes(source), addressBytes(target)];
  if (service === undefined) return { set: SETS.hosts(family), key: nft.concatKey(ends) };
  const { protocol, port } = service;
  return {
    set: SETS.services(family),
    key: nft.concatKey([...ends, Uint8Array.of(protocol), be16(port)]),
  };
}
