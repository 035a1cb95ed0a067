/**
 * What carve asks of the kernel for networks, byte by byte: the firewall as
 * messages, links and endpoints as plans. A difference is reviewed in the text
 * file; `GOLDEN_UPDATE=1` writes the files anew.
 */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Attribute, Message } from '../../src/kernel/netlink/message.ts';
import type { TableName } from '../../src/kernel/nft/message.ts';
import type { RuleStep } from '../../src/kernel/nft/rules.ts';
import type { PlanOp } from '../../src/kernel/plan/op.ts';
import { describePlan } from '../../src/kernel/plan/describe.ts';
import { guardedEndpoint } from '../../src/network/egress/book.ts';
import { originOf, planHold, planOrigin, planRelease } from '../../src/network/egress/origin.ts';
import { parseEgress } from '../../src/network/egress/policy.ts';
import { openingKey, planGuard, planUnguard } from '../../src/network/egress/rules.ts';
import type { Endpoint, EndpointPort } from '../../src/network/endpoint.ts';
import { planOpen, planOpenRemoval } from '../../src/network/gateway-mode.ts';
import * as firewall from '../../src/network/firewall.ts';
import * as publish from '../../src/network/publish.ts';
import {
  planDeleteLink,
  planFindLink,
  planMakeLink,
  planSetLink,
} from '../../src/network/plan/bridge.ts';
import { BEFORE_CLONE, planInside, planJoin, planLeave } from '../../src/network/plan/endpoint.ts';
import { chainOf, planNoPassage, planPassage } from '../../src/network/passage/rules.ts';
import type { NetworkRecord } from '../../src/network/store.ts';
import { OWNED, planAnew, planInPlace } from '../../src/network/whole-table.ts';
import { parseAddress, parseNetwork } from '../../src/spec/cidr.ts';

const DIRECTORY = new URL('network/', import.meta.url);
const isUpdate = process.env['GOLDEN_UPDATE'] === '1';
const AT: TableName = { family: 'inet', table: 'carve-0123456789ab' };

const BRIDGE: firewall.GuardedBridge = {
  link: 'br-1',
  subnets: [parseNetwork('10.1.0.0/24'), parseNetwork('fd00:1::/64')],
  isInternal: false,
  isConnected: true,
  isMasqueraded: true,
  hosts: [parseAddress('10.1.0.1'), parseAddress('fd00:1::1')],
  modes: { ipv4: 'nat', ipv6: 'nat' },
  trusted: [],
};
const INTERNAL: firewall.GuardedBridge = {
  ...BRIDGE,
  link: 'br-2',
  isInternal: true,
  isConnected: false,
  modes: { ipv4: 'routed', ipv6: 'isolated' },
  trusted: ['eth0'],
};
const MODES: readonly firewall.GuardedBridge[] = [
  { ...BRIDGE, modes: { ipv4: 'routed', ipv6: 'nat-unprotected' }, trusted: ['eth0'] },
  { ...BRIDGE, trusted: ['eth0', 'vxlan.1'] },
  { ...BRIDGE, isMasqueraded: false },
  { ...BRIDGE, isMasqueraded: false, trusted: ['eth0'] },
];

const PORTS: readonly EndpointPort[] = [
  {
    host: parseAddress('0.0.0.0'),
    hostPort: 8080,
    protocol: 'tcp',
    target: parseAddress('10.1.0.2'),
    targetPort: 80,
  },
  {
    host: parseAddress('2001:db8::1'),
    hostPort: 53,
    protocol: 'udp',
    target: parseAddress('fd00:1::2'),
    targetPort: 5353,
  },
];

const NETWORK: NetworkRecord = {
  id: '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
  name: 'web',
  driver: 'bridge',
  createdAtNs: 0n,
  isInternal: false,
  isAttachable: false,
  hasIpv4: true,
  hasIpv6: true,
  subnets: BRIDGE.subnets.map((subnet, index) => ({
    subnet,
    gateway: parseAddress(['10.1.0.1', 'fd00:1::1'][index] ?? ''),
    range: undefined,
    reserved: {},
  })),
  isPredefined: false,
  ipamOptions: {},
  options: {},
  labels: {},
};

const ENDPOINT: Endpoint = {
  networkId: NETWORK.id,
  networkName: 'web',
  id: 'e'.repeat(64),
  interfaceName: 'eth0',
  index: 10,
  hostLink: 'cv0123456789ab',
  mac: '02:42:0a:01:00:02',
  ipv4: { address: parseAddress('10.1.0.2'), prefixLength: 24, gateway: parseAddress('10.1.0.1') },
  ipv6: {
    address: parseAddress('fd00:1::2'),
    prefixLength: 64,
    gateway: parseAddress('fd00:1::1'),
  },
  isDefault4: true,
  isDefault6: true,
  names: [],
  ports: PORTS,
};

function held() {
  const policy = parseEgress({ mode: 'deny', allow: ['192.0.2.0/24:443/tcp', '[2001:db8::]/32'] });
  const found = guardedEndpoint(ENDPOINT, [policy ?? []]);
  assert.ok(found !== undefined);
  return found;
}

const isNested = (value: Attribute[1]): value is readonly Attribute[] =>
  !(value instanceof Uint8Array);

function attribute([type, value]: Attribute, depth: number): string {
  const head = `${'  '.repeat(depth)}${type}`;
  if (isNested(value)) return [head, ...value.map((each) => attribute(each, depth + 1))].join('\n');
  const text = Buffer.from(value).toString('latin1').split('\0')[0] ?? '';
  const shown = /^[a-z0-9._-]{2,}$/i.test(text) ? ` ${text}` : '';
  return `${head} ${Buffer.from(value).toString('hex')}${shown}`;
}

/** Number and flags, the family's header, attributes as a tree. */
function messages(list: readonly Message[]): string {
  return list
    .map(({ type, flags, header, attributes }) => {
      const head = `${type >> 8}.${type & 0xff} flags ${flags.toString(16)} ${Buffer.from(header).toString('hex')}`;
      return [head, ...attributes.map((each) => attribute(each, 1))].join('\n');
    })
    .join('\n');
}

/** Operations, with the bytes that the plan's own text only sums up. */
function plan(list: readonly PlanOp[]): string {
  return list
    .map((op) => {
      const bytes =
        'messages' in op ? op.messages : 'message' in op ? op.message : new Uint8Array();
      const hex =
        Buffer.from(bytes)
          .toString('hex')
          .match(/.{1,96}/g) ?? [];
      return [describePlan([op]).trim(), ...hex.map((line) => `  ${line}`)].join('\n');
    })
    .join('\n');
}

const origin = originOf(AT);
const planned = {
  endpoint: ENDPOINT,
  network: NETWORK,
  linkIndex: 7,
  isOwnLink: true,
  hostIndex: 8,
};
const owner = { pid: 100, startTicks: 5n };

const CASES: Readonly<Record<string, () => string>> = {
  guard: () => messages(planInPlace(firewall.guardTable(AT, []))),
  'guard-anew': () => messages(planAnew({ ...publish.publishTable(AT, []), rules: [] }, OWNED)),
  publish: () => messages(planAnew(publish.publishTable(AT, []), 0)),
  relays: () => {
    const port = { host: parseAddress('::'), target: parseAddress('10.1.0.2') };
    const relayed: readonly EndpointPort[] = [
      { ...port, hostPort: 8080, protocol: 'tcp', targetPort: 80 },
    ];
    return messages([
      ...firewall.planRelays(AT, relayed),
      ...firewall.planRelayRemoval(AT, relayed),
    ]);
  },
  bridges: () => messages([BRIDGE, INTERNAL].flatMap((each) => firewall.planBridge(AT, each))),
  modes: () => messages(MODES.flatMap((each) => firewall.planBridge(AT, each))),
  'open-ports': () => {
    const open = [
      ...PORTS.slice(0, 1).map((port) => ({ ...port, isOpen: true as const })),
      ...PORTS.map((port) => ({ ...port, hostPort: 0, isOpen: true as const })),
    ];
    return messages([
      ...publish.planPorts(AT, open),
      ...planOpen(AT, open),
      ...planOpenRemoval(AT, open),
    ]);
  },
  'bridge-removal': () => messages(firewall.planBridgeRemoval(AT, BRIDGE)),
  ports: () => messages([...publish.planPorts(AT, PORTS), ...publish.planPortRemoval(AT, PORTS)]),
  held: () => {
    const { addresses, port } = held();
    return messages([
      ...addresses.flatMap((each) => [...planGuard(AT, each), ...planUnguard(AT, each)]),
      ...planHold(origin, port),
      ...planRelease(origin, port),
    ]);
  },
  opening: () => {
    const ends = { source: parseAddress('10.1.0.2'), target: parseAddress('192.0.2.9') };
    const all = openingKey({ ...ends, service: undefined });
    const one = openingKey({ ...ends, service: { protocol: 6, port: 443 } });
    return [all, one]
      .map(({ set, key }) => `${set} ${Buffer.from(key).toString('hex')}`)
      .join('\n');
  },
  origin: () => messages(planOrigin(origin, OWNED)),
  link: () =>
    plan([
      ...planMakeLink(NETWORK, 77),
      ...planSetLink(NETWORK, 7),
      ...planFindLink(NETWORK),
      ...planDeleteLink(7),
    ]),
  passage: () => {
    const at: TableName = { family: 'ipv4', table: 'filter' };
    const chain = chainOf('0123456789abcdef');
    const jump = (to: string): RuleStep => ({ kind: 'verdict', verdict: 'jump', chain: to });
    const out: RuleStep = {
      kind: 'link',
      end: 'oifname',
      operator: 'eq',
      link: 'docker0',
      isPrefix: false,
    };
    const rules = [
      { chain: 'FORWARD', handle: 4n, steps: [jump(chain)] },
      { chain: 'FORWARD', handle: 5n, steps: [out, jump('DOCKER')] },
    ];
    const passage = { at, chain, links: ['br-1'], isThere: () => false };
    return messages([...planPassage(passage, rules), ...planNoPassage({ at, chain }, rules)]);
  },
  start: () => plan([...BEFORE_CLONE, ...planInside([planned])]),
  join: () => plan([...planJoin(owner, [planned]), ...planLeave(owner, ENDPOINT)]),
};

for (const [name, make] of Object.entries(CASES)) {
  test(`what is asked of the kernel for ${name} is as reviewed`, () => {
    const text = `${make()}\n`;
    const file = new URL(`${name}.txt`, DIRECTORY);
    if (isUpdate) {
      writeFileSync(file, text);
      return;
    }
    const expected = existsSync(file) ? readFileSync(file, 'utf8') : '';
    assert.equal(text, expected, `run with GOLDEN_UPDATE=1 and review ${name}.txt`);
  });
}

test('every reviewed file of networks has its case', () => {
  const names = Object.keys(CASES).map((name) => `${name}.txt`);
  assert.deepEqual(readdirSync(DIRECTORY).toSorted(), names.toSorted());
});
