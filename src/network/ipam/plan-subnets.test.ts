import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { formatAddress, formatNetwork, parseNetwork } from '../../spec/cidr.ts';
import type { IpamConfig } from '../../spec/docker/network.ts';
import { DEFAULT_POOLS } from './pool.ts';
import { planSubnets, type SubnetContext } from './plan-subnets.ts';

function context(given: Partial<SubnetContext> = {}): SubnetContext {
  return {
    hasIpv4: true,
    hasIpv6: false,
    networks: [],
    routes: [],
    pools: DEFAULT_POOLS,
    random: () => Uint8Array.of(1, 2, 3, 4, 5),
    ...given,
  };
}

/** `subnet gateway` of each. */
function plan(
  configs: readonly IpamConfig[],
  given: Partial<SubnetContext> = {},
): readonly string[] {
  return planSubnets(configs, context(given)).subnets.map(
    ({ subnet, gateway }) => `${formatNetwork(subnet)} ${formatAddress(gateway)}`,
  );
}

test('what is left to the engine is chosen, in both families', () => {
  assert.deepEqual(plan([], { hasIpv6: true }), [
    '172.17.0.0/24 172.17.0.1',
    'fd01:203:405::/64 fd01:203:405::1',
  ]);
  assert.deepEqual(plan([{}], { hasIpv4: false, hasIpv6: true }), [
    'fd01:203:405::/64 fd01:203:405::1',
  ]);
  const [one] = planSubnets([], context()).subnets;
  assert.equal(one?.isChosen, true);
});

test('routes, other networks and the request’s own subnets are kept clear of', () => {
  const [taken] = planSubnets([{ Subnet: '172.17.1.0/24' }], context()).subnets;
  assert.ok(taken !== undefined && taken.isChosen === undefined);
  assert.deepEqual(
    plan([{ Subnet: 'fd00::/64' }], {
      hasIpv6: true,
      routes: [parseNetwork('172.17.0.0/24')],
      networks: [{ name: 'a', subnets: [taken] }],
    }),
    ['fd00::/64 fd00::1', '172.17.2.0/24 172.17.2.1'],
  );
});

test('several subnets with everything about them', () => {
  const { subnets } = planSubnets(
    [
      {
        Subnet: '10.1.0.0/16',
        IPRange: '10.1.5.0/24',
        Gateway: '10.1.255.254',
        AuxiliaryAddresses: { router: '10.1.5.1', nas: '10.1.5.2' },
      },
      { Subnet: '10.2.0.0/30', AuxiliaryAddresses: { first: '10.2.0.1' } },
      { Subnet: '10.3.0.0/31' },
      { Subnet: 'fd00:1::/64', Gateway: 'fd00:1::ff' },
    ],
    context({ hasIpv6: true }),
  );
  assert.deepEqual(
    subnets.map(({ subnet, range, gateway, reserved }) => [
      formatNetwork(subnet),
      range === undefined ? '' : formatNetwork(range),
      formatAddress(gateway),
      Object.entries(reserved).map(([name, address]) => `${name}=${formatAddress(address)}`),
    ]),
    [
      ['10.1.0.0/16', '10.1.5.0/24', '10.1.255.254', ['router=10.1.5.1', 'nas=10.1.5.2']],
      ['10.2.0.0/30', '', '10.2.0.2', ['first=10.2.0.1']],
      ['10.3.0.0/31', '', '10.3.0.0', []],
      ['fd00:1::/64', '', 'fd00:1::ff', []],
    ],
  );
});

test('a subnet of a family that is off is not used, and told', () => {
  const { subnets, unused } = planSubnets([{ Subnet: 'fd00::/64' }], context());
  assert.deepEqual(
    subnets.map(({ subnet }) => formatNetwork(subnet)),
    ['172.17.0.0/24'],
  );
  assert.deepEqual(unused.map(formatNetwork), ['fd00::/64']);
});

const v4 = { Subnet: '10.10.10.0/24' };
const INVALID: readonly (readonly [name: string, config: IpamConfig, message: RegExp])[] = [
  ['no subnet', { Gateway: '10.0.0.1' }, /must have a corresponding subnet/],
  ['range alone', { IPRange: '10.0.0.0/24' }, /must have a corresponding subnet/],
  ['no CIDR', { Subnet: 'foobar' }, /invalid subnet foobar: invalid CIDR block notation/],
  ['no prefix', { Subnet: '10.0.0.0' }, /invalid subnet 10\.0\.0\.0: invalid CIDR/],
  ['prefix too long', { Subnet: '10.0.0.0/33' }, /invalid CIDR/],
  ['octal', { Subnet: '010.0.0.0/8' }, /invalid CIDR/],
  ['zone', { Subnet: 'fe80::1%eth0/64' }, /invalid CIDR/],
  [
    'host bits',
    { Subnet: '10.0.0.1/24' },
    /invalid subnet 10\.0\.0\.1\/24: it should be 10\.0\.0\.0\/24/,
  ],
  ['host bits of 6', { Subnet: 'fd00::1/64' }, /it should be fd00::\/64/],
  ['loopback', { Subnet: '127.0.0.0/24' }, /cannot be given/],
  ['everything', { Subnet: '0.0.0.0/0' }, /cannot be given/],
  ['multicast', { Subnet: 'ff02::/64' }, /cannot be given/],
  ['single', { Subnet: '10.0.0.1/32' }, /no room/],
  [
    'range of 6',
    { ...v4, IPRange: 'fd00::/80' },
    /invalid ip-range fd00::\/80: parent subnet is an IPv4 block/,
  ],
  ['range bits', { ...v4, IPRange: '10.10.10.1/28' }, /it should be 10\.10\.10\.0\/28/],
  [
    'range bigger',
    { ...v4, IPRange: '10.0.0.0/8' },
    /CIDR block is bigger than its parent subnet 10\.10\.10\.0\/24/,
  ],
  [
    'range outside',
    { ...v4, IPRange: '10.10.11.0/28' },
    /parent subnet 10\.10\.10\.0\/24 doesn't contain ip-range/,
  ],
  [
    'gateway of 6',
    { ...v4, Gateway: 'fd00::1' },
    /invalid gateway fd00::1: parent subnet is an IPv4 block/,
  ],
  [
    'gateway no address',
    { ...v4, Gateway: '1001.10.5.3' },
    /invalid gateway 1001\.10\.5\.3: invalid address/,
  ],
  ['gateway outside', { ...v4, Gateway: '10.10.11.1' }, /doesn't contain this address/],
  ['gateway is the network', { ...v4, Gateway: '10.10.10.0' }, /network or broadcast/],
  ['gateway is the broadcast', { ...v4, Gateway: '10.10.10.255' }, /network or broadcast/],
  [
    'aux no address',
    { ...v4, AuxiliaryAddresses: { a: 'dummy' } },
    /invalid auxiliary address a: invalid address/,
  ],
  [
    'aux outside',
    { ...v4, AuxiliaryAddresses: { a: '10.0.0.1' } },
    /auxiliary address a: parent subnet .* doesn't contain/,
  ],
  [
    'aux twice',
    { ...v4, AuxiliaryAddresses: { a: '10.10.10.9', b: '10.10.10.9' } },
    /auxiliary address b: 10\.10\.10\.9 is given twice/,
  ],
  [
    'aux is the gateway',
    { ...v4, Gateway: '10.10.10.9', AuxiliaryAddresses: { a: '10.10.10.9' } },
    /given twice/,
  ],
];

test('bad requests are refused in one sentence', () => {
  for (const [name, config, message] of INVALID) {
    assert.throws(
      () => planSubnets([config], context({ hasIpv6: true })),
      (error) =>
        isEngineError(error) &&
        error.kind === 'invalid' &&
        error.message.startsWith('invalid network config: ') &&
        !error.message.includes('\n') &&
        message.test(error.message),
      name,
    );
  }
});

test('an overlap names who has the subnet', () => {
  const { subnets } = planSubnets([{ Subnet: '10.1.0.0/16' }], context());
  const networks = [{ name: 'web', subnets }];
  for (const Subnet of ['10.1.0.0/16', '10.1.9.0/24', '10.0.0.0/8']) {
    assert.throws(
      () => planSubnets([{ Subnet }], context({ networks })),
      (error) =>
        isEngineError(error) &&
        error.kind === 'denied' &&
        /Pool overlaps with other one on this address space: network web has 10\.1\.0\.0\/16/.test(
          error.message,
        ),
    );
  }
  assert.throws(
    () => planSubnets([{ Subnet: '10.2.0.0/16' }, { Subnet: '10.2.3.0/24' }], context()),
    /of the same request/,
  );
  // What was asked for may lie in a route of the host: the user knows why.
  assert.deepEqual(plan([{ Subnet: '10.9.0.0/24' }], { routes: [parseNetwork('10.0.0.0/8')] }), [
    '10.9.0.0/24 10.9.0.1',
  ]);
});

test('nothing left to choose is an error, also of IPv6', () => {
  const pools = [{ base: parseNetwork('10.0.0.0/24'), subnetBits: 24 }];
  const isExhausted = (error: unknown): boolean =>
    isEngineError(error) && error.kind === 'exhausted';
  assert.throws(
    () => planSubnets([], context({ pools, routes: [parseNetwork('10.0.0.0/30')] })),
    isExhausted,
  );
  assert.throws(
    () => planSubnets([], context({ hasIpv6: true, routes: [parseNetwork('fd01:203:405::/48')] })),
    isExhausted,
  );
});
