import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  addressBytes,
  contains,
  formatAddress,
  formatNetwork,
  networkOf,
  overlaps,
  parseAddress,
  parseNetwork,
  type Network,
} from '../../spec/cidr.ts';
import {
  chooseAddress,
  chooseSubnet,
  claimAddress,
  DEFAULT_POOLS,
  uniqueLocalSubnet,
} from './pool.ts';
import { parseRoutes4, parseRoutes6 } from './routes.ts';

const v4 = fc.nat(0xffffffff).map((value) => ({ family: 'ipv4', value: BigInt(value) }) as const);
const v6 = fc
  .bigInt({ min: 0n, max: (1n << 128n) - 1n })
  .map((value) => ({ family: 'ipv6', value }) as const);

test('parseAddress() undoes formatAddress() for both families', () => {
  fc.assert(
    fc.property(fc.oneof(v4, v6), (address) =>
      assert.deepEqual(parseAddress(formatAddress(address)), address),
    ),
  );
});

test('formatAddress() leaves out the longest run of zeros', () => {
  for (const [text, canonical] of [
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
    ['A:0:B:0:C:0:D:0', 'a:0:b:0:c:0:d:0'],
  ] as const)
    assert.equal(formatAddress(parseAddress(text)), canonical);
  assert.deepEqual([...addressBytes(parseAddress('10.0.0.255'))], [10, 0, 0, 255]);
});

test('parseAddress() and parseNetwork() refuse other spellings', () => {
  for (const bad of [
    '',
    '1.2.3',
    '01.2.3.4',
    '256.1.1.1',
    '1.2.3.4.5',
    ':::',
    '1::2::3',
    '12345::',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7',
    '0x7f.1',
  ])
    assert.throws(() => parseAddress(bad), /Cannot read address/);
  for (const bad of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', 'x/8'])
    assert.throws(() => parseNetwork(bad), /Cannot read subnet/);
  assert.throws(() => parseNetwork('10.0.0.1/24'), /10\.0\.0\.0\/24 was meant/);
});

test('chooseSubnet() never overlaps what is taken, whatever that is', () => {
  const network = fc
    .tuple(v4, fc.integer({ min: 8, max: 32 }))
    .map(([address, bits]) => networkOf(address, bits));
  fc.assert(
    fc.property(fc.array(network, { maxLength: 40 }), (taken) => {
      const chosen = chooseSubnet(DEFAULT_POOLS, taken);
      assert.ok(!taken.some((other) => overlaps(other, chosen)));
      assert.ok(DEFAULT_POOLS.some((pool) => contains(pool.base, chosen.address)));
      assert.equal(chosen.prefixLength, 24);
    }),
  );
});

test('chooseSubnet() gives 172.17.0.0/24 first, jumps over routes, and says when all is used', () => {
  assert.equal(formatNetwork(chooseSubnet(DEFAULT_POOLS, [])), '172.17.0.0/24');
  assert.equal(
    formatNetwork(chooseSubnet(DEFAULT_POOLS, [parseNetwork('172.17.0.0/25')])),
    '172.17.1.0/24',
  );
  assert.equal(
    formatNetwork(chooseSubnet(DEFAULT_POOLS, [parseNetwork('172.16.0.0/12')])),
    '192.168.0.0/24',
  );
  assert.throws(() => chooseSubnet(DEFAULT_POOLS, [parseNetwork('0.0.0.0/0')]), /every subnet/);
});

test('chooseAddress() hands out every usable address of a /29 once, then says it is full', () => {
  const subnet = parseNetwork('10.1.0.0/29');
  const taken = new Set<bigint>();
  const given: string[] = [];
  for (let count = 0; count < 6; count += 1) {
    const address = chooseAddress({ subnet, taken });
    taken.add(address.value);
    given.push(formatAddress(address));
  }
  assert.deepEqual(given, ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4', '10.1.0.5', '10.1.0.6']);
  assert.throws(
    () => chooseAddress({ subnet, taken }),
    /every address of 10\.1\.0\.0\/29 is in use/,
  );
});

test('chooseAddress() goes on after the last one and wraps', () => {
  const subnet: Network = parseNetwork('10.1.0.0/29');
  const after = parseAddress('10.1.0.6').value;
  assert.equal(formatAddress(chooseAddress({ subnet, taken: new Set(), after })), '10.1.0.1');
  assert.equal(
    formatAddress(chooseAddress({ subnet, range: parseNetwork('10.1.0.4/30'), taken: new Set() })),
    '10.1.0.4',
  );
  assert.equal(
    formatAddress(chooseAddress({ subnet: parseNetwork('fd00::/64'), taken: new Set() })),
    'fd00::1',
  );
});

test('claimAddress() refuses foreign, reserved and taken addresses', () => {
  const request = {
    subnet: parseNetwork('10.1.0.0/29'),
    taken: new Set([parseAddress('10.1.0.2').value]),
  };
  assert.throws(() => claimAddress(request, parseAddress('10.2.0.1')), /not in subnet/);
  assert.throws(() => claimAddress(request, parseAddress('10.1.0.7')), /broadcast/);
  assert.throws(() => claimAddress(request, parseAddress('10.1.0.0')), /network or broadcast/);
  assert.throws(() => claimAddress(request, parseAddress('10.1.0.2')), /in use/);
  assert.equal(
    claimAddress(request, parseAddress('10.1.0.3')).value,
    parseAddress('10.1.0.3').value,
  );
});

test('uniqueLocalSubnet() is a /64 below fd00::/8', () => {
  assert.equal(formatNetwork(uniqueLocalSubnet(Uint8Array.of(1, 2, 3, 4, 5))), 'fd01:203:405::/64');
});

test('parseRoutes4() and parseRoutes6() read procfs and pass over what is none', () => {
  const routes =
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\neth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\neth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\njunk\n';
  assert.deepEqual(parseRoutes4(routes).map(formatNetwork), ['192.168.1.0/24']);
  const six = `${'fd'.padEnd(32, '0')} 40 ${'0'.repeat(32)} 00\n${'fe80'.padEnd(32, '0')} 40 x\n${'0'.repeat(32)} 00 x\n`;
  assert.deepEqual(parseRoutes6(six).map(formatNetwork), ['fd00::/64']);
});
