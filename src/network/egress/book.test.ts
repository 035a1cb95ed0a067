import { test } from 'node:test';
import assert from 'node:assert/strict';
import { formatAddress, parseAddress } from '../../spec/cidr.ts';
import type { Endpoint } from '../endpoint.ts';
import { EgressBook, guardedEndpoint, type GuardedEndpoint } from './book.ts';
import { parseEgress } from './policy.ts';

const ENDPOINT: Endpoint = {
  networkId: 'n',
  networkName: 'n',
  id: 'e',
  interfaceName: 'eth0',
  index: 10,
  hostLink: '',
  mac: '02:42:0a:00:00:02',
  ipv4: { address: parseAddress('10.0.0.2'), prefixLength: 24, gateway: undefined },
  ipv6: { address: parseAddress('fd00::2'), prefixLength: 64, gateway: undefined },
  isDefault4: true,
  isDefault6: true,
  names: [],
  ports: [],
};

function guarded(...allow: readonly string[]): GuardedEndpoint {
  const policy = parseEgress({ mode: 'deny', allow }) ?? [];
  const found = guardedEndpoint(ENDPOINT, [policy]);
  assert.ok(found !== undefined);
  return found;
}

const answer = (text: string, ttlSeconds = 60) => ({ address: parseAddress(text), ttlSeconds });

function bookOf(endpoint: GuardedEndpoint, hasFreeWay = false) {
  const clock = { nowMs: 1_000_000 };
  const book = new EgressBook(() => clock.nowMs);
  book.set('c', [endpoint], hasFreeWay);
  return { book, clock };
}

test('guardedEndpoint() guards both addresses and the one that the link gives itself', () => {
  assert.equal(guardedEndpoint(ENDPOINT, []), undefined);
  assert.deepEqual(
    guarded().addresses.map(({ address }) => formatAddress(address)),
    ['10.0.0.2', 'fd00::2', 'fe80::42:aff:fe00:2'],
  );
});

test('guardedEndpoint() guards addresses that only the link knows, and lets nothing beyond be reached from them', () => {
  const endpoint = { ...ENDPOINT, linkLocal: ['169.254.7.7', 'fe80::77'] };
  const found = guardedEndpoint(endpoint, [parseEgress({ mode: 'deny', allow: ['*'] }) ?? []]);
  const senders = ['10.0.0.2', 'fd00::2', 'fe80::42:aff:fe00:2', '169.254.7.7', 'fe80::77'];
  assert.ok(found !== undefined);
  assert.deepEqual(
    found.addresses.map(({ address }) => formatAddress(address)),
    senders,
  );
  assert.deepEqual(found.port.addresses.map(formatAddress), senders);
  const { book } = bookOf(found);
  const opened = book.openings('c', 'example.org', [answer('192.0.2.1'), answer('2001:db8::1')]);
  assert.deepEqual(
    opened.map(({ opening }) => formatAddress(opening.source)),
    ['10.0.0.2', 'fd00::2'],
  );
});

test('openings() lead from addresses of the same family to what was answered, for a bounded time', () => {
  const { book, clock } = bookOf(guarded('example.org:443/tcp', '*.example.net'));
  const open = (name: string, ...texts: readonly string[]) =>
    book.openings(
      'c',
      name,
      texts.map((text) => answer(text)),
    );
  const service = { protocol: 6, port: 443 };
  assert.deepEqual(open('example.org', '192.0.2.1', '2001:db8::1'), [
    {
      opening: { source: parseAddress('10.0.0.2'), target: parseAddress('192.0.2.1'), service },
      untilMs: clock.nowMs + 90_000,
    },
    {
      opening: { source: parseAddress('fd00::2'), target: parseAddress('2001:db8::1'), service },
      untilMs: clock.nowMs + 90_000,
    },
  ]);
  assert.deepEqual(open('other.org', '192.0.2.1'), []);
  assert.deepEqual(book.openings('stranger', 'example.org', [answer('192.0.2.1')]), []);
  const [short, long] = book.openings('c', 'a.example.net', [
    answer('192.0.2.1', 0),
    answer('192.0.2.2', 0xffff_ffff),
  ]);
  assert.equal(short?.untilMs, clock.nowMs + 60_000);
  assert.equal(long?.untilMs, clock.nowMs + 86_430_000);
});

for (const text of [
  '0.0.0.0',
  '127.0.0.1',
  '169.254.169.254',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  'fe80::1',
  'ff02::1',
  '64:ff9b::169.254.169.254',
  '64:ff9b::127.0.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd20:ce::254',
])
  test(`no name leads to ${text}`, () => {
    const { book } = bookOf(guarded('*'));
    assert.deepEqual(book.openings('c', 'example.org', [answer(text)]), []);
  });

test('what is open is not opened again until its answer says longer, and is gone after its time', () => {
  const { book, clock } = bookOf(guarded('*'));
  const ask = (ttlSeconds: number) =>
    book.openings('c', 'example.org', [answer('192.0.2.1', ttlSeconds)]);
  assert.ok(book.keep('c', ask(60)));
  assert.deepEqual(ask(60), []);
  clock.nowMs += 10_000;
  assert.deepEqual(ask(50), []);
  assert.equal(ask(300).length, 1);
  assert.equal(book.openNow().length, 1);
  clock.nowMs += 80_000;
  assert.deepEqual(book.openNow('c'), []);
});

test('a container cannot make the book grow: ways and refused names are bounded', () => {
  const { book, clock } = bookOf(guarded('*'));
  const many = (first: number) =>
    Array.from({ length: 2048 }, (_, index) => ({
      address: { family: 'ipv4' as const, value: 0x0b00_0000n + BigInt(first + index) },
      ttlSeconds: 60,
    }));
  for (const first of [0, 2048])
    assert.ok(book.keep('c', book.openings('c', 'example.org', many(first))));
  assert.equal(book.keep('c', book.openings('c', 'example.org', many(4096))), false);
  clock.nowMs += 90_000;
  assert.ok(book.keep('c', book.openings('c', 'example.org', many(4096))), 'room comes back');
  const other = bookOf(guarded()).book;
  for (let index = 0; index < 300; index += 1) other.mayResolve('c', `n${index}.example`);
  const names = other.denials().map(({ what }) => (what.kind === 'name' ? what.name : ''));
  assert.equal(names.length, 256);
  assert.ok(!names.includes('n0.example') && names.includes('n299.example'));
});

test('mayResolve() allows what some way out allows, and counts what it refuses', () => {
  const { book } = bookOf(guarded('example.org'));
  assert.equal(book.mayResolve('c', 'example.org'), true);
  assert.equal(book.mayResolve('stranger', 'evil.example'), true);
  for (let index = 0; index < 3; index += 1)
    assert.equal(book.mayResolve('c', 'evil.example'), false);
  assert.deepEqual(book.denials(), [
    {
      containerId: 'c',
      what: { kind: 'name', name: 'evil.example' },
      count: 3,
      lastAtMs: 1_000_000,
    },
  ]);
  book.join('c', undefined);
  assert.equal(book.mayResolve('c', 'evil.example'), true, 'a network that is free');
  book.forgetDenials('c');
  assert.deepEqual(book.denials(), []);
});
