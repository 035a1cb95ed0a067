/** A held container sends from its own addresses only: whatever right or trick it has, no other's policy is its own. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';
import { Lan, onHost } from './lan.ts';

/** Sends one datagram `TEXT` from an address that need not be its own, which takes no right for IPv6. Arguments: FROM TEXT. */
const FREEBIND = String.raw`
  use Socket qw(:all);
  my ($from, $text) = @ARGV;
  socket(my $s, AF_INET6, SOCK_DGRAM, 0) or die $!;
  setsockopt($s, 41, 78, pack('i', 1)) or die $!;
  bind($s, pack_sockaddr_in6(0, inet_pton(AF_INET6, $from))) or die $!;
  send($s, $text, 0, pack_sockaddr_in6(9999, inet_pton(AF_INET6, '2001:db8::2'))) or die $!;
`;

/** Sends frames as they are. Arguments: LINK HEX… */
const FRAMES = String.raw`
  my ($link, @frames) = @ARGV;
  my ($index) = qx(ip -o link show dev $link) =~ /^(\d+):/ or die;
  socket(my $s, 17, 3, 0x0300) or die $!;
  for (@frames) { send($s, pack('H*', $_), 0, pack('SnlSCCa8', 17, 3, $index, 0, 0, 6, '')) or die $!; }
`;

/** Writes a line for each datagram that comes to port 9999. Argument: the file. */
const RECEIVE = String.raw`
  use Socket qw(:all);
  open(my $out, '>>', $ARGV[0]); $out->autoflush(1);
  socket(my $s, AF_INET6, SOCK_DGRAM, 0) or die $!;
  bind($s, pack_sockaddr_in6(9999, inet_pton(AF_INET6, '::'))) or die $!;
  print $out "ready\n";
  while (defined recv($s, my $text, 100, 0)) { print $out "$text\n"; }
`;

interface Started {
  readonly id: string;
  readonly pid: number;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
}

async function start(fixture: EngineFixture, hostConfig: HostConfig): Promise<Started> {
  const { containers } = fixture.engine;
  const id = await fixture.create(
    { Cmd: ['sleep', '300'] },
    { NetworkMode: 'shared', ...hostConfig },
  );
  await containers.start(id);
  const { State, NetworkSettings } = await containers.inspect(id);
  const place = NetworkSettings.Networks['shared'];
  return {
    id,
    pid: State.Pid,
    ipv4: place?.IPAddress ?? '',
    ipv6: place?.GlobalIPv6Address ?? '',
    mac: (place?.MacAddress ?? '').replaceAll(':', ''),
  };
}

const HELD: HostConfig = { CarveEgress: { Mode: 'deny', Allow: [] } };

/** A perl program in the container's network. */
function perl({ pid }: Started, program: string, ...args: readonly string[]): void {
  const words = [program, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  onHost(`nsenter -t ${pid} -n perl -e ${words}`);
}

/** A shell command that waits for another to succeed, five seconds at most. */
const waitFor = (command: string): string =>
  `i=0; until ${command}; do i=$((i+1)); [ $i -lt 250 ]; sleep 0.02; done`;

function hex4(address: string): string {
  return address
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('');
}

/** Who has `target`, says somebody with that MAC and address. */
function arpRequest(mac: string, sender: string, target: string): string {
  return `ffffffffffff${mac}08060001080006040001${mac}${hex4(sender)}000000000000${hex4(target)}`;
}

/** A message of neighbour discovery to everybody, from the address that a link with this MAC gives itself. */
function neighbour(mac: string, type: number): string {
  const first = (Number.parseInt(mac.slice(0, 2), 16) ^ 2).toString(16).padStart(2, '0');
  const own = `fe80000000000000${first}${mac.slice(2, 6)}fffe${mac.slice(6)}`;
  const everybody = 'ff020000000000000000000000000001';
  const body = `${type.toString(16)}0000002000000020010db8000000000000000000000099`;
  const length = (body.length / 2).toString(16).padStart(4, '0');
  return `333300000001${mac}86dd60000000${length}3aff${own}${everybody}${body}`;
}

test('a held container cannot send from the IPv6 address of another, nor from one of nobody', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({ Name: 'shared' });
  await using lan = await Lan.open();
  const free = await start(fixture, {});
  const held = await start(fixture, HELD);
  const seen = `${fixture.directory}/seen`;
  writeFileSync(`${fixture.directory}/receive.pl`, `use IO::Handle;${RECEIVE}`);
  lan.serve(`perl ${fixture.directory}/receive.pl ${seen}`, `grep -q ready ${seen}`);
  // From its own address nothing comes either; but then it knows where its router is.
  perl(held, FREEBIND, held.ipv6, 'not allowed');
  onHost(waitFor(`nsenter -t ${held.pid} -n ip -6 neigh show dev eth0 | grep -q lladdr`));
  perl(held, FREEBIND, free.ipv6, 'borrowed');
  perl(held, FREEBIND, free.ipv6.replace(/:[^:]*$/, ':99'), 'invented');
  perl(free, FREEBIND, free.ipv6, 'its own');
  onHost(waitFor(`grep -q own ${seen}`));
  assert.equal(readFileSync(seen, 'utf8'), 'ready\nits own\n');
});

test('N7: a held container that may send raw frames borrows no MAC, no address, and is no router', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({ Name: 'shared' });
  const peer = await start(fixture, { CapAdd: ['NET_ADMIN'] });
  const held = await start(fixture, { CapAdd: ['NET_RAW'], ...HELD });
  onHost(
    `nsenter -t ${peer.pid} -n nft 'add table inet seen; add chain inet seen in { type filter hook input priority 0; }; add rule inet seen in icmpv6 type { nd-router-advert, nd-neighbor-advert, nd-redirect } ip6 saddr fe80::/10 icmpv6 type != nd-neighbor-solicit counter'`,
  );
  const invented = held.ipv4.replace(/\d+$/, '200');
  perl(
    held,
    FRAMES,
    'eth0',
    arpRequest(held.mac, invented, peer.ipv4),
    arpRequest('020000000099', held.ipv4, peer.ipv4),
    ...[134, 136, 137].map((type) => neighbour(held.mac, type)),
    // Tagged: another network's, were there any.
    arpRequest(held.mac, invented, peer.ipv4).replace('0806', '810000020806'),
  );
  // What is its own comes behind all of that.
  assert.match(await fixture.inside(held.id, `ping -c1 -W5 ${peer.ipv4}`), /1 packets received/);
  const known = await fixture.inside(peer.id, 'cat /proc/net/arp');
  assert.match(known, new RegExp(held.ipv4.replaceAll('.', String.raw`\.`)));
  assert.ok(!known.includes(invented), known);
  assert.ok(!onHost('bridge fdb show').includes('02:00:00:00:00:99'));
  const counted = onHost(`nsenter -t ${peer.pid} -n nft list table inet seen`);
  assert.match(counted, /counter packets 0 /);
  const half = onHost('nft list ruleset bridge');
  assert.equal([...half.matchAll(/counter packets [1-9]/g)].length, 5, half);
});

test('the ports of held containers are known as long as they live, and after a flush', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({ Name: 'shared' });
  const list = (): string => onHost('nft list ruleset bridge');
  const ports = (): number =>
    /set ports \{[^}]*elements = \{([^}]*)\}/.exec(list())?.[1]?.split(',').length ?? 0;
  await start(fixture, {});
  assert.equal(list(), '', 'nobody is held');
  const held = await start(fixture, HELD);
  const other = await start(fixture, HELD);
  assert.equal(ports(), 2);
  await fixture.engine.networks.create({ Name: 'second' });
  await fixture.engine.networks.connect('second', { container: held.id, settings: {} });
  assert.equal(ports(), 3);
  await fixture.close();
  await fixture.open();
  assert.equal(ports(), 3);
  onHost('nft flush ruleset');
  await fixture.engine.networks.disconnect('second', { container: held.id, force: false });
  const become = async (count: number): Promise<void> => {
    const end = performance.now() + 10_000;
    while (ports() !== count && performance.now() < end) await pause(20);
    assert.equal(ports(), count);
  };
  await become(2);
  await fixture.engine.containers.remove(other.id, { force: true });
  await become(1);
  await fixture.engine.containers.remove(held.id, { force: true });
  await become(0);
});
