/**
 * What carve's nftables table lets pass, as desired state → messages. Pure.
 *
 * The rules never change: all that differs between hosts and moments stands in
 * sets and maps, so a start adds elements and a table with a thousand
 * containers is as quick as one with two.
 *
 * **Invariants**
 * - Only this table is written. One batch is one transaction.
 * - A packet for a container's address is dropped unless it came in by that
 *   container's own bridge, or a published port brought it (rows N1, N2, N13).
 * - What comes from an internal network reaches no relay, as it reaches no other network.
 * - A packet from any link but `lo` for 127.0.0.0/8 is dropped, so a port
 *   published on a loopback address is reachable from loopback only.
 * - What a container under an egress policy sends beyond its own networks is
 *   decided before all that accepts new connections.
 *
 * Source: nft(8); the hooks' order: raw -300, conntrack -200, dstnat -100, filter 0, srcnat 100.
 */

import * as nft from '../kernel/nft/message.ts';
import * as expression from '../kernel/nft/expression.ts';
import type { Message } from '../kernel/netlink/message.ts';
import { addressBytes, firstOf, lastOf, type Address, type Family } from '../spec/cidr.ts';
import {
  egressJumps,
  egressRules,
  egressSets,
  EGRESS_CHAIN,
  inputRules,
  removal,
} from './egress/rules.ts';
import { type EndpointPort, isDirect } from './endpoint.ts';
import {
  hasNoPassage,
  intervalOf,
  type Passage,
  passageElements,
  passageRules,
  passageSets,
  spanOf,
} from './gateway-mode.ts';
import {
  ADDRESS_BYTES,
  conntrackHas,
  DESTINATION_OFFSET,
  FAMILIES,
  isFamily,
  linkKey,
  loadDestination,
  loadService,
  registersOf,
  samePair,
  SOURCE_OFFSET,
  SUFFIX,
} from './packet.ts';
import { portKey } from './publish.ts';
import { isRelayedWidely } from './way.ts';
import type { WholeTable } from './whole-table.ts';

/** A bridge whose containers the table guards. */
export interface GuardedBridge extends Passage {
  /** Containers on it may talk to each other through the host's routing. */
  readonly isConnected: boolean;
}

const { REG32, REGISTER } = expression;

function setsOf(): readonly nft.SetShape[] {
  return [
    { name: 'bridges', key: ['ifname'] },
    { name: 'internal', key: ['ifname'] },
    { name: 'pairs', key: ['ifname', 'ifname'] },
    ...FAMILIES.flatMap((family): nft.SetShape[] => [
      { name: `subnets${SUFFIX[family]}`, key: [family], interval: true },
      { name: `owners${SUFFIX[family]}`, key: [family, 'ifname'], interval: true },
      { name: `masquerade${SUFFIX[family]}`, key: [family], interval: true },
      ...passageSets(family),
    ]),
    { name: 'relays6', key: ['ipv6', 'protocol', 'port'] },
    ...egressSets(),
  ];
}

function notBy(link: string): expression.Expression[] {
  return [expression.meta('iifname'), expression.compare('neq', linkKey(link))];
}

/** Drop what comes for a container by another way than its bridge, and for loopback from outside. */
function guardRules(at: nft.TableName): Message[] {
  const perFamily = FAMILIES.map((family) => {
    const key = REG32 + registersOf(family);
    return nft.addRule(at, 'guard', [
      ...isFamily(family),
      // What the host says to an address of its own on a bridge comes by lo.
      ...notBy('lo'),
      loadDestination(family),
      expression.lookup(`subnets${SUFFIX[family]}`, REG32),
      expression.meta('iifname', key),
      expression.lookup(`owners${SUFFIX[family]}`, REG32, { invert: true }),
      ...hasNoPassage(family),
      expression.counter(),
      expression.verdict({ kind: 'drop' }),
    ]);
  });
  const loopback = nft.addRule(at, 'guard', [
    ...isFamily('ipv4'),
    ...notBy('lo'),
    expression.payload({ base: 'network', offsetBytes: DESTINATION_OFFSET.ipv4, lengthBytes: 1 }),
    expression.compare('eq', Uint8Array.of(127)),
    expression.counter(),
    expression.verdict({ kind: 'drop' }),
  ]);
  return [...perFamily, loopback];
}

function forwardRules(at: nft.TableName): Message[] {
  const accept = expression.verdict({ kind: 'accept' });
  const drop = [expression.counter(), expression.verdict({ kind: 'drop' })];
  return [
    nft.addRule(at, 'forward', [
      ...conntrackHas('state', expression.CT_STATE.established | expression.CT_STATE.related),
      accept,
    ]),
    // An internal network and any other, either way; ports published elsewhere too.
    ...(['iifname', 'oifname'] as const).map((end) =>
      nft.addRule(at, 'forward', [
        expression.meta(end),
        expression.lookup('internal', REGISTER.r1),
        ...samePair({ invert: true }),
        ...drop,
      ]),
    ),
    ...egressJumps(at, 'forward', { beyond: samePair({ invert: true }) }),
    nft.addRule(at, 'forward', [...conntrackHas('status', expression.CT_STATUS.dnat), accept]),
    nft.addRule(at, 'forward', [...samePair(), accept]),
    ...passageRules(at, 'forward'),
    nft.addRule(at, 'forward', [
      expression.meta('oifname'),
      expression.lookup('bridges', REGISTER.r1),
      ...drop,
    ]),
  ];
}

/** No network leaves an internal one by a relay either. */
function relayRules(at: nft.TableName): Message[] {
  const any = expression.immediate(REG32, new Uint8Array(ADDRESS_BYTES.ipv6));
  return [loadDestination('ipv6'), any].map((address) =>
    nft.addRule(at, 'input', [
      ...isFamily('ipv6'),
      expression.meta('iifname'),
      expression.lookup('internal', REGISTER.r1),
      address,
      ...loadService('ipv6'),
      expression.lookup('relays6', REG32),
      expression.counter(),
      expression.verdict({ kind: 'drop' }),
    ]),
  );
}

function sourceRules(at: nft.TableName): Message[] {
  // From a container by a published port to another, also of its own bridge: the answer must come
  // back by the host. By address, since a bridged packet has no link it came by here.
  const hairpin = FAMILIES.map((family) =>
    nft.addRule(at, 'source', [
      ...isFamily(family),
      ...conntrackHas('status', expression.CT_STATUS.dnat),
      expression.payload(
        {
          base: 'network',
          offsetBytes: SOURCE_OFFSET[family],
          lengthBytes: ADDRESS_BYTES[family],
        },
        REG32,
      ),
      expression.lookup(`subnets${SUFFIX[family]}`, REG32),
      expression.meta('oifname'),
      expression.lookup('bridges', REGISTER.r1),
      expression.masquerade(),
    ]),
  );
  const loopback = nft.addRule(at, 'source', [
    ...isFamily('ipv4'),
    expression.meta('oifname'),
    expression.lookup('bridges', REGISTER.r1),
    expression.payload({ base: 'network', offsetBytes: SOURCE_OFFSET.ipv4, lengthBytes: 1 }),
    expression.compare('eq', Uint8Array.of(127)),
    expression.masquerade(),
  ]);
  const outward = FAMILIES.map((family) =>
    nft.addRule(at, 'source', [
      ...isFamily(family),
      expression.payload(
        {
          base: 'network',
          offsetBytes: SOURCE_OFFSET[family],
          lengthBytes: ADDRESS_BYTES[family],
        },
        REG32,
      ),
      expression.lookup(`masquerade${SUFFIX[family]}`, REG32),
      // Beyond its own network: from another one, too, the answer must come back by the host.
      expression.meta('oifname', REG32 + registersOf(family)),
      expression.lookup(`owners${SUFFIX[family]}`, REG32, { invert: true }),
      expression.masquerade(),
    ]),
  );
  return [...hairpin, loopback, ...outward];
}

function allRules(at: nft.TableName): readonly Message[] {
  return [
    ...guardRules(at),
    ...forwardRules(at),
    ...relayRules(at),
    ...inputRules(at),
    ...sourceRules(at),
    ...egressRules(at),
  ];
}

/** Number of rules in the table. */
export const RULE_COUNT: number = allRules({ family: 'inet', table: '' }).length;

/** The table with these elements. */
export function guardTable(at: nft.TableName, elements: readonly Message[]): WholeTable {
  const chains = [
    nft.addChain(at, 'guard', { type: 'filter', hook: 'prerouting', priority: -300 }),
    nft.addChain(at, EGRESS_CHAIN),
    nft.addChain(at, 'input', { type: 'filter', hook: 'input', priority: 0 }),
    nft.addChain(at, 'forward', { type: 'filter', hook: 'forward', priority: 0 }),
    nft.addChain(at, 'source', { type: 'nat', hook: 'postrouting', priority: 100 }),
  ];
  return { at, sets: setsOf(), chains, rules: allRules(at), elements };
}

function bridgeElements(
  at: nft.TableName,
  bridge: GuardedBridge,
  act: nft.ElementAction,
): readonly Message[] {
  const link = linkKey(bridge.link);
  const perSubnet = bridge.subnets.flatMap((subnet) => {
    const suffix = SUFFIX[subnet.address.family];
    const last: Address = { family: subnet.address.family, value: lastOf(subnet) };
    const first: Address = { family: subnet.address.family, value: firstOf(subnet) };
    return [
      ...act(at, `subnets${suffix}`, intervalOf(spanOf(subnet))),
      ...act(at, `owners${suffix}`, [
        {
          key: nft.concatKey([addressBytes(first), link]),
          keyEnd: nft.concatKey([addressBytes(last), link]),
        },
      ]),
      ...(isMasqueraded(bridge, subnet.address.family)
        ? act(at, `masquerade${suffix}`, intervalOf(spanOf(subnet)))
        : []),
    ];
  });
  return [
    ...act(at, 'bridges', [{ key: link }]),
    ...(bridge.isInternal ? act(at, 'internal', [{ key: link }]) : []),
    ...(bridge.isConnected ? act(at, 'pairs', [{ key: nft.concatKey([link, link]) }]) : []),
    ...perSubnet,
    ...passageElements(at, bridge, act),
  ];
}

function isMasqueraded(bridge: GuardedBridge, family: Family): boolean {
  return bridge.isMasqueraded && !bridge.isInternal && bridge.modes[family] !== 'routed';
}

/** Guard a bridge. Precondition: the table exists. */
export function planBridge(at: nft.TableName, bridge: GuardedBridge): readonly Message[] {
  return bridgeElements(at, bridge, nft.addElements);
}

/** Stop guarding a bridge that {@link planBridge} guarded with the same values. */
export function planBridgeRemoval(at: nft.TableName, bridge: GuardedBridge): readonly Message[] {
  return bridgeElements(at, bridge, nft.deleteElements);
}

function relayElements(ports: readonly EndpointPort[]): readonly nft.Element[] {
  return ports
    .filter((port) => !isDirect(port) && isRelayedWidely(port))
    .map((port) => ({ key: portKey(port) }));
}

/** Keep internal networks off the relays of ports. */
export function planRelays(at: nft.TableName, ports: readonly EndpointPort[]): readonly Message[] {
  return nft.addElements(at, 'relays6', relayElements(ports));
}

/** Undo {@link planRelays}, also what was not done of it. */
export function planRelayRemoval(
  at: nft.TableName,
  ports: readonly EndpointPort[],
): readonly Message[] {
  return removal(at, 'relays6', relayElements(ports));
}
