/**
 * What containers of one network tell and hear of each other: a start is silent,
 * and nothing that two machines on one switch could do is lost by that.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { EndpointSettings } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';
import { onHost } from './lan.ts';
import { Wire } from './wire.ts';

/** One container of the network `lan`. */
interface Machine {
  readonly id: string;
  readonly pid: number;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocal: string;
}

async function boot(fixture: EngineFixture, settings: EndpointSettings = {}): Promise<Machine> {
  const { containers } = fixture.engine;
  const { id } = await containers.create({
    config: { Image: 'busybox', Cmd: ['sleep', '1000'] },
    hostConfig: { NetworkMode: 'lan' },
    endpoints: { lan: settings },
  });
  await containers.start(id);
  const { State, NetworkSettings } = await containers.inspect(id);
  const seen = NetworkSettings.Networks['lan'];
  assert.ok(seen !== undefined);
  return {
    id,
    pid: State.Pid,
    mac: seen.MacAddress ?? '',
    ipv4: seen.IPAddress ?? '',
    ipv6: seen.GlobalIPv6Address ?? '',
    linkLocal: linkLocalOf(seen.MacAddress ?? ''),
  };
}

function linkLocalOf(mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac
    .split(':')
    .map((pair) => Number.parseInt(pair, 16));
  const hex = (high: number, low: number): string => ((high << 8) | low).toString(16);
  return `fe80::${hex(a ^ 2, b)}:${hex(c, 0xff)}:${hex(0xfe, d)}:${hex(e, f)}`;
}

async function openLan(): Promise<EngineFixture> {
  const fixture = await openFixture();
  await fixture.engine.networks.create({
    Name: 'lan',
    EnableIPv6: true,
    IPAM: { Config: [{ Subnet: '10.98.0.0/24' }] },
  });
  return fixture;
}

/** Waits until `isSo`; ten seconds at most. */
async function until(isSo: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!isSo()) {
    assert.ok(performance.now() < end, what);
    await pause(20);
  }
}

/** Reports that were kept back in the namespace of `pid`. */
function keptBack(wire: Wire, pid: number): number {
  const table = wire.in(pid, 'nft list table ip6 quiet-10');
  return [...table.matchAll(/packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Frames that are reports of groups: to ff02::16, with type 143 behind a header of 40 and options of 8 bytes. */
function reports(frames: readonly string[]): readonly string[] {
  return frames.filter(
    (frame) => frame.startsWith('333300000016') && frame.slice(124, 126) === '8f',
  );
}

const ping = (address: string): string => `busybox ping -c1 -W5 ${address} > /dev/null`;

test('a bridge has one address, whoever comes and goes', async () => {
  await using fixture = await openLan();
  const { Id: id } = await fixture.engine.networks.inspect('lan');
  const expected = `ether 02:${id.slice(0, 10).replaceAll(/(..)(?=.)/g, '$1:')}\n`;
  const address = (): string =>
    onHost(`ip -o link show br-${id.slice(0, 12)} | grep -o 'ether [^ ]*'`);
  const first = await boot(fixture);
  assert.equal(address(), expected);
  const others = await Promise.all([boot(fixture), boot(fixture), boot(fixture)]);
  assert.equal(address(), expected);
  await fixture.engine.containers.remove(first.id, { force: true });
  for (const { id: other } of others.slice(1))
    await fixture.engine.containers.remove(other, { force: true });
  assert.equal(address(), expected);
});

test('a start is heard by nobody, and the new one is reached at once by every address', async () => {
  await using fixture = await openLan();
  await using wire = new Wire();
  const old = await boot(fixture);
  const heard = await wire.listen(old.pid, 'hear', '02:42:0a:62:00:03');
  const fresh = await boot(fixture);
  assert.equal(fresh.mac, '02:42:0a:62:00:03');
  const addresses = wire.in(fresh.pid, 'ip -6 addr show dev eth0');
  assert.match(addresses, new RegExp(`inet6 ${fresh.linkLocal}/64 scope link`));
  assert.doesNotMatch(addresses, /tentative|dadfailed/);
  // The kernel tells each change twice, at its own pace: when it comes up and when it has an address.
  await until(() => keptBack(wire, fresh.pid) >= 4, 'the reports went by');
  wire.in(fresh.pid, '$wire say 10.98.0.255 9 the-end');
  const frames = await heard.lines;
  assert.equal(frames.length, 1, frames.join('\n'));
  for (const address of [fresh.ipv4, fresh.ipv6, `${fresh.linkLocal}%eth0`])
    wire.in(old.pid, ping(address));
  for (const address of [old.ipv4, old.ipv6, `${old.linkLocal}%eth0`])
    wire.in(fresh.pid, ping(address));
});

test('who has a say in the link-local address has the last one', async () => {
  await using fixture = await openLan();
  await using wire = new Wire();
  const shown = (pid: number): string => wire.in(pid, 'ip -6 addr show dev eth0 scope link');
  const same = await boot(fixture, { IPAMConfig: { LinkLocalIPs: ['fe80::42:aff:fe62:2'] } });
  assert.equal(same.linkLocal, 'fe80::42:aff:fe62:2');
  assert.match(shown(same.pid), /fe80::42:aff:fe62:2\/64/);
  const sysctls = 'com.docker.network.endpoint.sysctls';
  const none = await boot(fixture, {
    DriverOpts: { [sysctls]: 'net.ipv6.conf.IFNAME.addr_gen_mode=1' },
  });
  assert.equal(shown(none.pid), '');
  wire.in(none.pid, ping(same.ipv6));
});

test('what a program joins is told, and a query is answered in full', async () => {
  await using fixture = await openLan();
  await using wire = new Wire();
  const [router, host] = [await boot(fixture), await boot(fixture)];
  await until(() => keptBack(wire, host.pid) >= 4, 'the reports went by');
  const heard = await wire.listen(router.pid, 'hear', host.mac);
  const member = await wire.listen(host.pid, 'receive', 'ff02::4321', '9');
  const program = `ff02${'0'.repeat(24)}4321`;
  const own = 'ff0200000000000000000001ff620003';
  // EXCLUDE of nothing is how MLD says "joined": a change of type 4, a state of type 2.
  const isHeard = (type: string, group: string): boolean =>
    reports(heard.heard).some((frame) => frame.includes(`${type}000000${group}`));
  await until(() => isHeard('04', program), 'a program joined');
  assert.ok(!isHeard('02', program), 'nobody asked yet');
  wire.in(router.pid, '$wire query');
  await until(() => isHeard('02', program) && isHeard('02', own), 'the answer');
  wire.in(router.pid, '$wire say ff02::4321 9 hello');
  assert.deepEqual(await member.lines, ['hello']);
});

test('groups and broadcasts of both families reach the others', async () => {
  await using fixture = await openLan();
  await using wire = new Wire();
  const [a, b, c] = [await boot(fixture), await boot(fixture), await boot(fixture)];
  const groups = [
    '224.0.0.251',
    '239.255.0.7',
    'ff02::fb',
    'ff05::1:3',
    '10.98.0.255',
    '255.255.255.255',
  ];
  for (const [index, group] of groups.entries()) {
    const port = String(5353 + index);
    const listeners = [
      await wire.listen(b.pid, 'receive', group, port),
      await wire.listen(c.pid, 'receive', group, port),
    ];
    wire.in(a.pid, `$wire say ${group} ${port} ${group}`);
    for (const { lines } of listeners) assert.deepEqual(await lines, [group]);
  }
});

test('an address that moves is followed, by ARP and by neighbour discovery', async () => {
  await using fixture = await openLan();
  await using wire = new Wire();
  const [client, first, second] = [await boot(fixture), await boot(fixture), await boot(fixture)];
  const [shared, shared6] = ['10.98.0.200', `${first.ipv6.replace(/[^:]*$/, '')}200`];
  const take = `ip addr add ${shared}/24 dev eth0; ip -6 addr add ${shared6}/64 dev eth0`;
  const knows = (address: string): string => wire.in(client.pid, `ip neigh show ${address}`);
  wire.in(first.pid, take);
  for (const address of [shared, shared6]) {
    // With duplicate detection, as a program inside sets one.
    await until(() => isReached(wire, client, address), address);
    assert.match(knows(address), new RegExp(first.mac));
  }
  wire.in(first.pid, `ip addr del ${shared}/24 dev eth0; ip -6 addr del ${shared6}/64 dev eth0`);
  wire.in(second.pid, take);
  await until(
    () => !wire.in(second.pid, 'ip -6 addr show dev eth0').includes('tentative'),
    'probed',
  );
  wire.in(
    second.pid,
    `busybox arping -U -c1 -I eth0 ${shared} > /dev/null || true; $wire advertise ${shared6} ${second.mac}`,
  );
  for (const address of [shared, shared6]) {
    await until(() => knows(address).includes(second.mac), `${address}: ${knows(address)}`);
    wire.in(client.pid, ping(address));
  }
});

function isReached(wire: Wire, from: Machine, address: string): boolean {
  return (
    wire.in(from.pid, `busybox ping -c1 -W1 ${address} > /dev/null && echo yes || true`) === 'yes\n'
  );
}

test('a machine that changes its own hardware address is found, and makes itself a new link-local one', async () => {
  await using fixture = await openLan();
  await using wire = new Wire();
  const [client, host] = [await boot(fixture), await boot(fixture)];
  wire.in(client.pid, ping(host.ipv4));
  const mac = '02:00:00:00:00:99';
  wire.in(
    host.pid,
    `ip link set eth0 down; ip link set eth0 address ${mac}; ip link set eth0 up
     busybox arping -U -c1 -I eth0 ${host.ipv4} > /dev/null || true`,
  );
  await until(() => isReached(wire, client, host.ipv4), 'by IPv4');
  await until(() => isReached(wire, client, `${linkLocalOf(mac)}%eth0`), 'by IPv6');
});

test('machines inside containers, with hardware addresses of their own, reach each other', async () => {
  await using fixture = await openLan();
  await using wire = new Wire();
  const [a, b] = [await boot(fixture), await boot(fixture)];
  for (const [index, { pid, ipv6 }] of [a, b].entries()) {
    wire.in(
      pid,
      `ip link add inner0 link eth0 type macvlan mode bridge
       ip link set inner0 up
       ip addr add 10.98.1.${index + 1}/24 dev inner0
       ip -6 addr add ${ipv6.replace(/[^:]*$/, '')}1:${index + 1}/112 dev inner0 nodad`,
    );
  }
  for (const address of ['10.98.1.2', `${a.ipv6.replace(/[^:]*$/, '')}1:2`])
    await until(() => isReached(wire, a, address), address);
});

test('an address that is given again leads to its new owner', async () => {
  await using fixture = await openLan();
  await using wire = new Wire();
  const client = await boot(fixture);
  const before = await boot(fixture, { IPAMConfig: { IPv4Address: '10.98.0.50' } });
  wire.in(client.pid, ping('10.98.0.50'));
  await fixture.engine.containers.remove(before.id, { force: true });
  await boot(fixture, { IPAMConfig: { IPv4Address: '10.98.0.50' } });
  wire.in(client.pid, ping('10.98.0.50'));
});

test('a network that is left leaves nothing in the container', async () => {
  await using fixture = await openLan();
  await using wire = new Wire();
  const { id, pid } = await boot(fixture);
  const tables = (): string => wire.in(pid, 'nft list tables');
  assert.match(tables(), /table ip6 quiet-10/);
  await fixture.engine.networks.disconnect('lan', { container: id, force: false });
  assert.doesNotMatch(tables(), /quiet/);
  await fixture.engine.networks.connect('lan', { container: id, settings: {} });
  assert.match(tables(), /table ip6 quiet-1\d/);
});
