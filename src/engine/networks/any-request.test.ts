/** Whatever is asked of networks: a record that holds its invariants, or one expected error. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isEngineError } from '../../base/error.ts';
import { decodeNetwork, encodeNetwork } from '../../network/decode-network.ts';
import { predefinedNetworks } from '../../network/predefined.ts';
import type { NetworkRecord } from '../../network/store.ts';
import {
  contains,
  formatAddress,
  formatNetwork,
  networkOf,
  overlaps,
  parseNetwork,
  type Network,
} from '../../spec/cidr.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';
import type { IpamConfig, NetworkCreateBody } from '../../spec/docker/network.ts';
import { checkEndpoint } from './check-endpoint.ts';
import { draftNetwork } from './draft.ts';

/** Of a space so small that things collide. */
const address4 = fc
  .nat(0x3ff)
  .map((value) => ({ family: 'ipv4', value: 0x0a000000n + BigInt(value) }) as const);
const address6 = fc
  .nat(0x3ff)
  .map((value) => ({ family: 'ipv6', value: (0xfd00n << 112n) + BigInt(value) }) as const);
const subnet = fc.oneof(
  fc.tuple(address4, fc.integer({ min: 20, max: 32 })),
  fc.tuple(address6, fc.integer({ min: 116, max: 128 })),
);
const subnetText = subnet.map(([address, bits]) => formatNetwork(networkOf(address, bits)));
const addressText = fc.oneof(address4, address6).map(formatAddress);
const odd = fc.oneof(
  fc.constantFrom('', ' ', 'x', '0.0.0.0/0', '::/0', '10.0.0.1/24', '::ffff:1.2.3.4', '__proto__'),
  fc.string({ maxLength: 12 }),
);
const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | string> =>
  fc.oneof({ weight: 6, arbitrary: value }, { weight: 1, arbitrary: odd });

const config: fc.Arbitrary<IpamConfig> = fc.record(
  {
    Subnet: some(subnetText),
    IPRange: some(subnetText),
    Gateway: some(addressText),
    AuxiliaryAddresses: fc.dictionary(fc.constantFrom('a', 'b', '__proto__'), some(addressText), {
      noNullPrototype: true,
    }),
  },
  { requiredKeys: [] },
);
const driver = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('', 'bridge', 'macvlan', 'ipvlan') },
  { weight: 1, arbitrary: odd },
);
const options = fc.dictionary(
  fc.constantFrom(
    'com.docker.network.bridge.name',
    'com.docker.network.bridge.enable_icc',
    'com.docker.network.driver.mtu',
    'parent',
    '__proto__',
  ),
  fc.oneof(fc.constantFrom('br0', 'true', '1500'), odd),
  { noNullPrototype: true },
);
const body: fc.Arbitrary<NetworkCreateBody> = fc.record(
  {
    Name: some(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'bridge')),
    Driver: driver,
    Internal: fc.boolean(),
    EnableIPv4: fc.boolean(),
    EnableIPv6: fc.boolean(),
    Options: options,
    IPAM: fc.record({ Config: fc.array(config, { maxLength: 3 }) }),
  },
  { requiredKeys: ['Name'] },
);

const ROUTES: readonly Network[] = [parseNetwork('172.18.0.0/15'), parseNetwork('fd00:2::/32')];

/** Of a network and of all beside it. */
function checkInvariants(network: NetworkRecord, others: readonly NetworkRecord[]): void {
  assert.deepEqual(decodeNetwork(encodeNetwork(network)), network);
  const all = others.flatMap(({ subnets }) => subnets.map((one) => one.subnet));
  for (const { subnet: own, range, gateway, reserved, isChosen } of network.subnets) {
    assert.ok(!all.some((other) => overlaps(other, own)), `${formatNetwork(own)} is taken`);
    all.push(own);
    if (isChosen === true) assert.ok(!ROUTES.some((route) => overlaps(route, own)));
    const addresses = [gateway, ...Object.values(reserved)];
    assert.ok(addresses.every((one) => contains(own, one)));
    assert.equal(new Set(addresses.map(formatAddress)).size, addresses.length);
    if (range !== undefined) assert.ok(contains(own, range.address));
  }
  const families = new Set(network.subnets.map((one) => one.subnet.address.family));
  assert.deepEqual(
    [families.has('ipv4'), families.has('ipv6')],
    [network.hasIpv4, network.hasIpv6],
  );
}

test('networks never overlap, whatever was asked for', () => {
  fc.assert(
    fc.property(fc.array(body, { maxLength: 8 }), fc.boolean(), (bodies, hasIpv6) => {
      const networks = [...predefinedNetworks('e'.repeat(32), 0n)];
      for (const [index, request] of bodies.entries()) {
        try {
          const { network } = draftNetwork(request, {
            id: String(index).padStart(64, 'a'),
            nowNs: BigInt(index),
            networks,
            unsettled: new Set(),
            routes: ROUTES,
            hasIpv6,
            random: () => Uint8Array.of(0, 0, index % 4, 4, 5),
          });
          assert.ok(networks.every(({ name }) => name !== network.name));
          checkInvariants(network, networks);
          networks.push(network);
        } catch (error) {
          if (!isEngineError(error)) throw error;
          assert.notEqual(error.kind, 'internal');
          assert.ok(!error.message.includes('\n'), error.message);
        }
      }
    }),
    { numRuns: 200 },
  );
});

const { network: lan } = draftNetwork(
  {
    Name: 'lan',
    IPAM: { Config: [{ Subnet: '10.0.0.0/23' }, { Subnet: 'fd00::/118' }] },
  },
  {
    id: 'a'.repeat(64),
    nowNs: 0n,
    networks: [],
    unsettled: new Set(),
    routes: [],
    hasIpv6: true,
    random: () => new Uint8Array(5),
  },
);

const settings: fc.Arbitrary<EndpointSettings> = fc.record(
  {
    IPAMConfig: fc.record(
      {
        IPv4Address: some(address4.map(formatAddress)),
        IPv6Address: some(address6.map(formatAddress)),
      },
      { requiredKeys: [] },
    ),
    Aliases: fc.array(some(fc.constantFrom('db', 'a.b')), { maxLength: 2 }),
    Links: fc.array(some(fc.constantFrom('a:b', 'c')), { maxLength: 2 }),
    MacAddress: some(fc.constantFrom('02:42:AC:11:00:02', '0242.ac11.0002', '02-42-ac-11-00-02')),
    GwPriority: fc.integer(),
    DriverOpts: fc.record(
      {
        'com.docker.network.endpoint.ifname': some(fc.constant('eth7')),
        'com.docker.network.endpoint.sysctls': some(
          fc.constant('net.ipv4.conf.IFNAME.rp_filter=1'),
        ),
        x: odd,
      },
      { requiredKeys: [], noNullPrototype: true },
    ),
  },
  { requiredKeys: [] },
);

test('what was checked once is checked for good', () => {
  let kept = 0;
  fc.assert(
    fc.property(settings, (asked) => {
      let first: EndpointSettings;
      try {
        first = checkEndpoint(asked, lan);
      } catch (error) {
        if (!isEngineError(error)) throw error;
        assert.equal(error.kind, 'invalid');
        return;
      }
      kept += 1;
      assert.deepEqual(checkEndpoint(first, lan), first);
      const { IPv4Address: ip4 } = first.IPAMConfig ?? {};
      const [home] = lan.subnets;
      if (ip4 === undefined || home === undefined) return;
      assert.ok(contains(home.subnet, parseNetwork(`${ip4}/32`).address));
      assert.notEqual(ip4, formatAddress(home.gateway));
    }),
    { numRuns: 500 },
  );
  assert.ok(kept > 20, 'hardly any of them was good');
});
