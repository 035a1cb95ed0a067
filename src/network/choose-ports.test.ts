import { test } from 'node:test';
import assert from 'node:assert/strict';
import { formatAddress, parseAddress } from '../spec/cidr.ts';
import { parseBinding } from '../spec/port.ts';
import { choosePorts, type PortChoice } from './choose-ports.ts';
import { isRelayedWidely, isRouted, relayReach } from './way.ts';

const at = (text: string) => ({
  address: parseAddress(text),
  prefixLength: 24,
  gateway: undefined,
});
const FOUR = at('172.17.0.2');
const SIX = at('fd00::2');

const choice = (changes: Partial<PortChoice> = {}): PortChoice => ({
  ipv4: FOUR,
  ipv6: SIX,
  hasHostIpv6: true,
  defaultHost: undefined,
  access: { ipv4: 'translated', ipv6: 'translated' },
  ephemeral: [32_768, 32_770],
  start: 0,
  ownerOf: () => undefined,
  refused: new Set(),
  ...changes,
});

/** `HOST>TARGET how` of each port that is chosen for a wish. */
function waysOf(ip: string, protocol: 'tcp' | 'udp' | 'sctp', given: PortChoice): string[] {
  const wish = parseBinding({ port: 80, protocol }, { HostIp: ip, HostPort: '8080' });
  return choosePorts([wish], given).map((port) => {
    const how = [
      isRouted(port) ? 'kernel' : '',
      relayReach(port),
      isRelayedWidely(port) ? 'wide' : '',
    ];
    const ends = `${formatAddress(port.host)}>${formatAddress(port.target)}`;
    return [ends, ...how.filter((word) => word !== '' && word !== 'none')].join(' ');
  });
}

test('choosePorts() takes the kernel’s way wherever there is one, and a relay from ::1 and from IPv6 to IPv4', () => {
  const both = choice();
  const four = choice({ ipv6: undefined });
  const six = choice({ ipv4: undefined });
  const rows: readonly (readonly [string, PortChoice, readonly string[]])[] = [
    ['', both, ['0.0.0.0>172.17.0.2 kernel', '::>fd00::2 kernel loopback']],
    ['', four, ['0.0.0.0>172.17.0.2 kernel', '::>172.17.0.2 all wide']],
    ['', six, ['::>fd00::2 kernel loopback']],
    ['', choice({ ipv6: undefined, hasHostIpv6: false }), ['0.0.0.0>172.17.0.2 kernel']],
    ['0.0.0.0', four, ['0.0.0.0>172.17.0.2 kernel']],
    ['::', four, ['::>172.17.0.2 all wide']],
    ['::1', both, ['::1>fd00::2 all']],
    ['::1', four, ['::1>172.17.0.2 all']],
    ['2001:db8::1', both, ['2001:db8::1>fd00::2 kernel']],
    ['2001:db8::1', four, ['2001:db8::1>172.17.0.2 all wide']],
    ['127.0.0.1', both, ['127.0.0.1>172.17.0.2 kernel']],
  ];
  for (const [ip, given, ways] of rows) {
    for (const protocol of ['tcp', 'udp'] as const)
      assert.deepEqual(waysOf(ip, protocol, given), ways, `${ip} ${protocol}`);
  }
});

test('choosePorts() says what leads nowhere: SCTP is not relayed, and IPv4 not to IPv6', () => {
  const four = choice({ ipv6: undefined });
  assert.deepEqual(waysOf('', 'sctp', four), ['0.0.0.0>172.17.0.2 kernel']);
  assert.deepEqual(waysOf('', 'sctp', choice()), [
    '0.0.0.0>172.17.0.2 kernel',
    '::>fd00::2 kernel',
  ]);
  const rows: readonly (readonly [string, 'tcp' | 'sctp', PortChoice, RegExp])[] = [
    ['::1', 'sctp', choice(), /80\/sctp on ::1: the kernel routes nothing .* SCTP is not relayed$/],
    ['2001:db8::1', 'sctp', four, /on 2001:db8::1: the container has no IPv6 address$/],
    ['127.0.0.1', 'tcp', choice({ ipv4: undefined }), /the container has no IPv4 address$/],
    ['::1', 'tcp', choice({ ipv6: undefined, hasHostIpv6: false }), /has no IPv6 address$/],
  ];
  for (const [ip, protocol, given, message] of rows)
    assert.throws(() => waysOf(ip, protocol, given), { kind: 'invalid', message }, ip);
});

/** `HOST:PORT>TARGET:PORT open` of each port that is chosen for `-p` in this form. */
function placesOf(ip: string, hostPort: string, given: PortChoice): string[] {
  const wish = parseBinding({ port: 80, protocol: 'tcp' }, { HostIp: ip, HostPort: hostPort });
  return choosePorts([wish], given).map(
    ({ isOpen, ...port }) =>
      `${formatAddress(port.host)} ${port.hostPort}>${formatAddress(port.target)} ${port.targetPort}${isOpen === true ? ' open' : ''}`,
  );
}

test('choosePorts() takes no port of the host for a routed address, whose family is all that a host address says', () => {
  const six = choice({ access: { ipv4: 'translated', ipv6: 'direct' } });
  const both = choice({ access: { ipv4: 'direct', ipv6: 'direct' } });
  const four = choice({ ipv6: undefined, access: { ipv4: 'direct', ipv6: 'direct' } });
  const rows: readonly (readonly [string, string, PortChoice, readonly string[]])[] = [
    ['', '8080', six, ['0.0.0.0 8080>172.17.0.2 80', ':: 0>fd00::2 80 open']],
    ['::', '', six, [':: 0>fd00::2 80 open']],
    ['2001:db8::1', '8080', six, [':: 0>fd00::2 80 open']],
    ['127.0.0.1', '8080', six, ['127.0.0.1 8080>172.17.0.2 80']],
    ['', '8080-8090', both, ['0.0.0.0 0>172.17.0.2 80 open', ':: 0>fd00::2 80 open']],
    ['192.0.2.1', '8080', both, ['0.0.0.0 0>172.17.0.2 80 open']],
    // What is for this machine alone is opened to nobody else.
    ['127.0.0.1', '8080', both, ['127.0.0.1 0>172.17.0.2 80']],
    ['::1', '8080', both, ['::1 0>fd00::2 80']],
    // No relay leads to it either.
    ['', '8080', four, ['0.0.0.0 0>172.17.0.2 80 open']],
  ];
  for (const [ip, hostPort, given, places] of rows)
    assert.deepEqual(placesOf(ip, hostPort, given), places, `${ip}:${hostPort}`);
  assert.throws(() => placesOf('::1', '8080', four), /the container has no IPv6 address$/);
});

test('choosePorts() finds no owner of a port that a routed network does not take', () => {
  const ownerOf = () => ({ id: 'other', name: 'other' });
  const direct = choice({ ownerOf, access: { ipv4: 'direct', ipv6: 'direct' } });
  assert.equal(placesOf('', '8080', direct).length, 2);
  const mixed = choice({ ownerOf, access: { ipv4: 'translated', ipv6: 'direct' } });
  assert.throws(() => placesOf('', '8080', mixed), { kind: 'conflict' });
});

test('choosePorts() opens the container’s address too where a network trusts links', () => {
  const trusting = choice({ ipv6: undefined, access: { ipv4: 'both', ipv6: 'translated' } });
  assert.deepEqual(placesOf('127.0.0.1', '8080', trusting), ['127.0.0.1 8080>172.17.0.2 80 open']);
  assert.deepEqual(placesOf('', '8080', trusting), [
    '0.0.0.0 8080>172.17.0.2 80 open',
    ':: 8080>172.17.0.2 80 open',
  ]);
});

test('choosePorts() refuses more ports than a start can take, before it looks for them', () => {
  const wishes = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      parseBinding({ port: 80, protocol: 'tcp' }, { HostIp: '', HostPort: String(index + 1) }),
    );
  const four = choice({ ipv6: undefined, hasHostIpv6: false });
  assert.equal(choosePorts(wishes(3500), four).length, 3500);
  const refused = (count: number) => ({
    kind: 'invalid',
    message: `Cannot publish ${count} ports of one container: at most 3500, IPv4 and IPv6 counted apart`,
  });
  assert.throws(() => choosePorts(wishes(1751), choice()), refused(3502));
  const ownerOf = () => assert.fail('not looked for');
  assert.throws(() => choosePorts(wishes(65_535), choice({ ownerOf })), refused(65_535));
});
