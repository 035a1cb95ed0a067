/**
 * Published ports where the kernel has no way: from ::1, and from IPv6 to a
 * container that has IPv4 only. What it has a way for is asked beside, so that
 * the relay is seen to be on no other path.
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';
import { Spoken } from './spoken.ts';
import { HOST_ADDRESS, HOST_ADDRESS6, Lan, LAN_ADDRESS, onHost } from './lan.ts';

const LAN_ADDRESS6 = '2001:db8::2';
/** How many times longer than a second or two an answer may take: an emulated machine is slow. */
const PATIENCE = Number(process.env['CARVE_PATIENCE'] ?? '1');

const publish = (HostPort: string, HostIp = ''): HostConfig => ({
  PortBindings: { '80/tcp': [{ HostIp, HostPort }], '80/udp': [{ HostIp, HostPort }] },
});

/** The address that the talker saw over TCP; the error's code when there is no connection. */
async function seenByTcp(address: string, port: number): Promise<string> {
  const socket = connect({ host: address, port });
  const timer = setTimeout(() => socket.destroy(new Error('silence')), 2_000 * PATIENCE);
  try {
    const [line] = (await once(socket, 'data')) as [Buffer];
    return line.toString().trim();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** As {@link seenByTcp}, over UDP; empty when nothing comes within two seconds. */
async function seenByUdp(address: string, port: number): Promise<string> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const timer = setTimeout(() => socket.emit('error', new Error('silence')), 2_000 * PATIENCE);
  try {
    socket.send('word', port, address);
    const [message, from] = (await once(socket, 'message')) as [Buffer, { address: string }];
    assert.equal(from.address, address, 'the answer comes from the address that was asked');
    assert.match(message.toString(), / word$/);
    return message.toString().replace(/ word$/, '');
  } catch (error) {
    return (error as Error).message === 'silence' ? '' : String(error);
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

/** What a shell elsewhere sees, by bash alone. */
const askBy = (protocol: 'tcp' | 'udp', address: string, port: number): string =>
  `timeout ${PATIENCE} bash -c 'exec 3<>/dev/${protocol}/${address}/${port} && printf word >&3 && head -c 9 <&3' 2>/dev/null || true`;

/** Processes that relay for a container. */
function relaysOf({ id }: Spoken): readonly string[] {
  const found = onHost(`pgrep -f '^carve-relay ${id.slice(0, 12)}' || true`).trim();
  return found === '' ? [] : found.split('\n');
}

async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!isSo() && performance.now() < end) await pause(10);
  assert.ok(isSo());
}

/** Addresses of the host on a network. */
async function gateways(fixture: EngineFixture, name: string): Promise<readonly string[]> {
  const { IPAM } = await fixture.engine.networks.inspect(name, {});
  return IPAM.Config.map(({ Gateway = '' }) => Gateway);
}

test('a port on all addresses is reached by each of the host, in both families, whatever the container has', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  onHost('ip link set lo up');
  await fixture.engine.networks.create({ Name: 'dual' });
  await using four = await Spoken.start(fixture, 'four', publish('8001'));
  await using both = await Spoken.start(fixture, 'both', {
    NetworkMode: 'dual',
    ...publish('8002'),
  });
  const [, dual6 = ''] = await gateways(fixture, 'dual');
  const [bridge4 = ''] = await gateways(fixture, 'bridge');
  const [dual4 = ''] = await gateways(fixture, 'dual');
  assert.match(dual6, /^fd/);
  const rows: readonly (readonly [address: string, port: number, seen: string])[] = [
    ['127.0.0.1', 8001, bridge4],
    ['127.0.0.2', 8001, bridge4],
    [HOST_ADDRESS, 8001, HOST_ADDRESS],
    [bridge4, 8001, bridge4],
    ['::1', 8001, bridge4],
    [HOST_ADDRESS6, 8001, bridge4],
    [dual6, 8001, bridge4],
    ['127.0.0.1', 8002, dual4],
    [HOST_ADDRESS6, 8002, HOST_ADDRESS6],
    [dual6, 8002, dual6],
    ['::1', 8002, dual6],
  ];
  for (const [address, port, seen] of rows) {
    assert.equal(await seenByTcp(address, port), seen, `tcp ${address} ${port}`);
    assert.equal(await seenByUdp(address, port), seen, `udp ${address} ${port}`);
  }
  for (const protocol of ['tcp', 'udp'] as const) {
    const from = (address: string, port: number): string =>
      lan.run(askBy(protocol, address, port)).slice(0, 9);
    assert.equal(from(HOST_ADDRESS, 8001), LAN_ADDRESS.slice(0, 9), protocol);
    assert.equal(from(HOST_ADDRESS6, 8002), LAN_ADDRESS6.slice(0, 9), `${protocol}: preserved`);
    assert.equal(from(HOST_ADDRESS6, 8001), bridge4.slice(0, 9), `${protocol}: relayed`);
  }
  assert.equal(relaysOf(four).length, 1);
  assert.equal(relaysOf(both).length, 1);
  const ports = (await fixture.engine.containers.inspect(four.id)).NetworkSettings.Ports;
  assert.deepEqual(ports['80/tcp'], [
    { HostIp: '0.0.0.0', HostPort: '8001' },
    { HostIp: '::', HostPort: '8001' },
  ]);
});

test('N1: a port on ::1 is reached from there only, one on 127.0.0.1 not from ::1', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  onHost('ip link set lo up');
  await fixture.engine.networks.create({ Name: 'dual' });
  await using four = await Spoken.start(fixture, 'four', publish('8001', '::1'));
  await using both = await Spoken.start(fixture, 'both', {
    NetworkMode: 'dual',
    ...publish('8002', '::1'),
  });
  await using old = await Spoken.start(fixture, 'old', publish('8003', '127.0.0.1'));
  const peer = await fixture.create({ Cmd: ['sleep', '1000'] }, { NetworkMode: 'dual' });
  await fixture.engine.containers.start(peer);
  const [dual4 = '', dual6 = ''] = await gateways(fixture, 'dual');
  for (const port of [8001, 8002]) {
    assert.notEqual(await seenByTcp('::1', port), 'ECONNREFUSED');
    assert.notEqual(await seenByUdp('::1', port), '');
    for (const address of ['127.0.0.1', HOST_ADDRESS, HOST_ADDRESS6, dual4, dual6])
      assert.equal(await seenByTcp(address, port), 'ECONNREFUSED', `${address} ${port}`);
    assert.equal(lan.run(askBy('tcp', HOST_ADDRESS6, port)), '');
    assert.equal(lan.run(askBy('udp', HOST_ADDRESS6, port)), '');
    const inside = `timeout 2 wget -q -O - http://[${dual6}]:${port}/ 2>&1 || true`;
    assert.match(await fixture.inside(peer, inside), /refused/);
  }
  // What says it is for ::1 and comes by a wire is no one's.
  lan.run('ip -6 route del local ::1 dev lo table local 2>/dev/null || true');
  lan.run(`ip -6 route replace ::1/128 via ${HOST_ADDRESS6} dev eth0`);
  assert.equal(lan.run(askBy('tcp', '::1', 8001)), '');
  assert.equal(await seenByTcp('::1', 8003), 'ECONNREFUSED');
  assert.deepEqual([relaysOf(four).length, relaysOf(both).length, relaysOf(old).length], [1, 1, 0]);
});

/** All that comes until the other side ends. */
async function drain(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test('a relay carries streams both ways, a half of them after the other ended, and holds nothing a reader does not take', async () => {
  await using fixture = await openFixture();
  onHost('ip link set lo up');
  await using four = await Spoken.start(fixture, 'four', publish('8001'));
  assert.equal(await fixture.inside(four.id, 'echo an exec goes before'), 'an exec goes before\n');
  const body = randomBytes(8 * 1024 * 1024);
  const talk = async (): Promise<Buffer> => {
    const socket = connect({ host: '::1', port: 8001, allowHalfOpen: true });
    const all = drain(socket);
    socket.end(body);
    return all;
  };
  for (const told of await Promise.all([talk(), talk(), talk()])) {
    const start = told.indexOf(10) + 1;
    assert.equal(told.length - start, body.length + 3);
    assert.ok(told.subarray(start, -3).equals(body));
    assert.equal(told.subarray(-3).toString(), 'end');
  }
  const [relay = ''] = relaysOf(four);
  const slow = connect({ host: '::1', port: 8001, allowHalfOpen: true });
  slow.on('error', () => undefined);
  slow.pause();
  let written = 0;
  while (slow.write(body) || slow.writableLength < 3 * body.length) written += body.length;
  assert.ok(written >= body.length);
  assert.equal(await seenByTcp('::1', 8001), '172.17.0.1', 'others are served meanwhile');
  assert.equal(readlinkSync(`/proc/${relay}/ns/pid`), readlinkSync('/proc/self/ns/pid'));
  const status = readFileSync(`/proc/${relay}/status`, 'utf8');
  assert.ok(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) < 4_096, status);
  for (const line of [/Uid:\t65534\t65534\t65534\t65534/, /Gid:\t65534/, /Groups:\t *\n/])
    assert.match(status, line);
  for (const line of [/CapEff:\t0+\n/, /CapPrm:\t0+\n/, /NoNewPrivs:\t1/])
    assert.match(status, line);
  slow.destroy();
});

test('who is reached by nobody inside hears a reset; connections outlive the engine, and end with the container', async () => {
  await using fixture = await openFixture();
  onHost('ip link set lo up');
  const config = { Cmd: ['sleep', '1000'] };
  const deaf = await fixture.create(config, { NetworkMode: 'bridge', ...publish('8009') });
  await fixture.engine.containers.start(deaf);
  assert.equal(await seenByTcp('::1', 8009), 'ECONNRESET');
  await using four = await Spoken.start(fixture, 'four', publish('8001'));
  const socket = connect({ host: '::1', port: 8001 });
  await once(socket, 'data');
  await fixture.close();
  socket.write('while nobody looks');
  const [told] = (await once(socket, 'data')) as [Buffer];
  assert.equal(told.toString(), 'while nobody looks');
  assert.equal(await seenByUdp('::1', 8001), '172.17.0.1');
  await fixture.open();
  socket.write('and after');
  assert.equal(String((await once(socket, 'data'))[0]), 'and after');
  const ended = once(socket, 'close');
  socket.on('error', () => undefined);
  await fixture.engine.containers.remove(four.id, { force: true });
  await ended;
  await until(() => relaysOf(four).length === 0);
  const other = createServer().listen(8001, '::');
  await once(other, 'listening');
  other.close();
  await once(other, 'close');
});

test('the last words of a process reach who is connected, although they are its end', async () => {
  await using fixture = await openFixture();
  onHost('ip link set lo up');
  const { containers } = fixture.engine;
  for (let round = 0; round < 5; round += 1) {
    const config = {
      Cmd: ['sh', '-c', 'seq 1 20000 > /tmp/all; exec nc -l -p 80 -e cat /tmp/all'],
    };
    const id = await fixture.create(config, { NetworkMode: 'bridge', ...publish('8001') });
    const exit = containers.wait(id, 'next-exit').result;
    await containers.start(id);
    await fixture.inside(id, 'until grep -q ":0050 .* 0A " /proc/net/tcp*; do sleep 0.02; done');
    const told = await drain(connect({ host: '::1', port: 8001 }));
    assert.equal(told.toString().split('\n').length, 20_001);
    await exit;
    await containers.remove(id, { force: true });
  }
});

test('a relay dies with its monitor, and comes again when it died by itself', async () => {
  await using fixture = await openFixture();
  onHost('ip link set lo up');
  await using four = await Spoken.start(fixture, 'four', publish('8001'));
  assert.equal(await seenByTcp('::1', 8001), '172.17.0.1');
  const [first = ''] = relaysOf(four);
  onHost(`kill -KILL ${first}`);
  assert.equal(await seenByTcp('::1', 8001), '172.17.0.1');
  assert.notDeepEqual(relaysOf(four), [first]);
  const exit = fixture.engine.containers.wait(four.id, 'next-exit').result;
  onHost(`pkill -KILL -f '^carve-monitor ${four.id.slice(0, 12)}'`);
  await exit;
  await until(() => relaysOf(four).length === 0);
  assert.equal(await seenByTcp('::1', 8001), 'ECONNREFUSED');
});

test('who is in an internal network reaches no relay; a container that left its network has none', async () => {
  await using fixture = await openFixture();
  onHost('ip link set lo up');
  const { networks, containers } = fixture.engine;
  await networks.create({ Name: 'inner', Internal: true });
  await networks.create({ Name: 'dual' });
  await using four = await Spoken.start(fixture, 'four', publish('8001'));
  const [dual6 = ''] = (await gateways(fixture, 'dual')).slice(1);
  const [inner6 = ''] = (await gateways(fixture, 'inner')).slice(1);
  const ask = async (
    network: string,
    address: string,
    hostConfig: HostConfig = {},
  ): Promise<string> => {
    const id = await fixture.create(
      { Cmd: ['sleep', '1000'] },
      { NetworkMode: network, ...hostConfig },
    );
    await containers.start(id);
    const command = `echo word | timeout 2 nc ${address} 8001 2>&1 || true`;
    return fixture.inside(id, command);
  };
  assert.match(await ask('dual', dual6), /^172\.17\.0\.1\n/);
  assert.doesNotMatch(await ask('inner', inner6), /172/);
  const held: HostConfig = { CarveEgress: { Mode: 'deny', Allow: ['192.0.2.9'] } };
  assert.doesNotMatch(await ask('dual', dual6, held), /172/, 'nor who is held to an egress policy');
  const socket = connect({ host: '::1', port: 8001 });
  socket.on('error', () => undefined);
  await once(socket, 'data');
  const ended = once(socket, 'close');
  await networks.disconnect('bridge', { container: four.id, force: false });
  await ended;
  assert.equal(await seenByTcp('::1', 8001), 'ECONNREFUSED');
  assert.deepEqual(relaysOf(four), []);
  const other = createServer().listen(8001, '::');
  await once(other, 'listening');
  other.close();
  await once(other, 'close');
});

test('more connections than a relay carries wait; its container is served all the while', async () => {
  await using fixture = await openFixture();
  onHost('ip link set lo up');
  await using four = await Spoken.start(fixture, 'four', publish('8001'));
  const served = new Set<Socket>();
  const open = (count: number): readonly Socket[] =>
    Array.from({ length: count }, () => {
      const socket = connect({ host: '::1', port: 8001 });
      socket.on('error', () => undefined);
      return socket.once('data', () => served.add(socket));
    });
  const sockets: Socket[] = [];
  while (sockets.length < 384) {
    sockets.push(...open(32));
    await until(() => served.size === sockets.length);
  }
  sockets.push(...open(16));
  assert.equal(await fixture.inside(four.id, 'echo here'), 'here\n');
  assert.equal(relaysOf(four).length, 1);
  assert.equal(served.size, 384);
  for (const socket of sockets.slice(0, 16)) socket.destroy();
  await until(() => served.size === 400);
  for (const socket of sockets) socket.destroy();
});
