/**
 * The host's connections to its published ports, led to the container by
 * connect() itself: the peer that a socket tells says which way it went.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';
import { HOST_ADDRESS, Lan, onHost } from './lan.ts';
import { Spoken } from './spoken.ts';

/** How many times longer than a second or two an answer may take: an emulated machine is slow. */
const PATIENCE = Number(process.env['CARVE_PATIENCE'] ?? '1');

const publish = (HostPort: string, HostIp = ''): HostConfig => ({
  PortBindings: { '80/tcp': [{ HostIp, HostPort }] },
});

/** Who the peer is that a connection reached, and whom it took for its client; the error's code when there is none. */
async function reached(host: string, port: number, localAddress?: string): Promise<string> {
  const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
  const timer = setTimeout(() => socket.destroy(new Error('silence')), 2_000 * PATIENCE);
  try {
    const [seen] = (await once(socket, 'data')) as [Buffer];
    return `${socket.remoteAddress}:${socket.remotePort} sees ${seen.toString().trim()}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** A port is published before connections are led to it. */
async function until(expected: string, host: string, port: number): Promise<void> {
  const end = performance.now() + 5_000 * PATIENCE;
  for (;;) {
    const found = await reached(host, port);
    if (found === expected) return;
    if (performance.now() > end) assert.equal(found, expected, `${host} ${port}`);
    await pause(5);
  }
}

async function addressesOf(fixture: EngineFixture, id: string): Promise<readonly string[]> {
  const { NetworkSettings } = await fixture.engine.containers.inspect(id);
  const [network] = Object.values(NetworkSettings.Networks);
  return [network?.IPAddress ?? '', network?.GlobalIPv6Address ?? ''];
}

const keepers = (): readonly string[] => {
  const found = onHost(`pgrep -P ${process.pid} -f 'chisel keep$' || true`).trim();
  return found === '' ? [] : found.split('\n');
};

test('a connection to a loopback address is led to the container, one to another address is not', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  onHost('ip link set lo up');
  assert.deepEqual(keepers(), [], 'nobody asked for it yet');
  await fixture.engine.networks.create({ Name: 'dual' });
  await using four = await Spoken.start(fixture, 'four', publish('8001'));
  await using both = await Spoken.start(fixture, 'both', {
    NetworkMode: 'dual',
    ...publish('8002'),
  });
  await using own = await Spoken.start(fixture, 'own', publish('8003', '127.0.0.9'));
  const [four4 = ''] = await addressesOf(fixture, four.id);
  const [both4 = '', both6 = ''] = await addressesOf(fixture, both.id);
  const [own4 = ''] = await addressesOf(fixture, own.id);
  const gateway6 = both6.replace(/::.*/, '::1');
  await until(`${four4}:80 sees 172.17.0.1`, '127.0.0.1', 8001);
  await until(`${four4}:80 sees 172.17.0.1`, '127.1.2.3', 8001);
  await until(`${both4}:80 sees ${both4.replace(/\d+$/, '1')}`, '127.0.0.1', 8002);
  await until(`${both6}:80 sees ${gateway6}`, '::1', 8002);
  await until(`${own4}:80 sees 172.17.0.1`, '127.0.0.9', 8003);
  assert.equal(await reached('127.0.0.1', 8003), 'ECONNREFUSED');
  assert.equal(await reached('::1', 8001), '::1:8001 sees 172.17.0.1', 'a relay, for IPv4 only');
  const bound = [await reached('127.0.0.1', 8001, '127.0.0.1'), await reached('::1', 8002, '::1')];
  assert.deepEqual(
    bound,
    ['127.0.0.1:8001 sees 172.17.0.1', `::1:8002 sees ${gateway6}`],
    'from a loopback address there is no way to a container',
  );
  const byHost = `${HOST_ADDRESS}:8001 sees ${HOST_ADDRESS}`;
  assert.equal(await reached(HOST_ADDRESS, 8001), byHost, 'the source is preserved');
  const elsewhere = `ip link set lo up
    echo other | busybox nc -l -p 8001 &
    sleep 0.3; timeout 2 busybox nc 127.0.0.1 8001 < /dev/null`;
  assert.equal(lan.run(elsewhere), 'other\n', 'another network namespace has ports of its own');
  assert.equal(keepers().length, 1);
});

test('nothing is led to a container that is gone, nor to who has its address next', async () => {
  await using fixture = await openFixture();
  onHost('ip link set lo up');
  const { containers, networks } = fixture.engine;
  // There is one address besides the gateway's.
  const IPAM = { Config: [{ Subnet: '10.77.0.0/30' }] };
  await networks.create({ Name: 'small', EnableIPv6: false, IPAM });
  const start = async (name: string, port: string): Promise<Spoken> =>
    Spoken.start(fixture, name, { NetworkMode: 'small', ...publish(port) });
  await using gone = await start('gone', '8001');
  const led = '10.77.0.2:80 sees 10.77.0.1';
  await until(led, '127.0.0.1', 8001);
  const kept = keepers();
  onHost(`kill -KILL ${gone.pid}`);
  await containers.wait(gone.id, 'not-running').result;
  await containers.remove(gone.id, { force: true });
  await until('ECONNREFUSED', '127.0.0.1', 8001);
  await gone[Symbol.asyncDispose]();
  await using next = await start('next', '8002');
  await until(led, '127.0.0.1', 8002);
  const mine = createServer((socket) => socket.end('mine')).listen(8001, '127.0.0.1');
  await once(mine, 'listening');
  assert.equal(await reached('127.0.0.1', 8001), '127.0.0.1:8001 sees mine');
  mine.close();
  await networks.disconnect('small', { container: next.id, force: false });
  assert.equal(await reached('127.0.0.1', 8002), 'ECONNREFUSED');
  assert.deepEqual(keepers(), kept, 'ports were taken back from a hook that stands');
});

test('without who keeps it, or without the engine, ports are reached all the same', async () => {
  await using fixture = await openFixture();
  onHost('ip link set lo up');
  await using one = await Spoken.start(fixture, 'one', publish('8001'));
  const [address = ''] = await addressesOf(fixture, one.id);
  const led = `${address}:80 sees 172.17.0.1`;
  const rewritten = '127.0.0.1:8001 sees 172.17.0.1';
  await until(led, '127.0.0.1', 8001);
  onHost(`kill -KILL ${keepers().join(' ')}`);
  await until(rewritten, '127.0.0.1', 8001);
  await using two = await Spoken.start(fixture, 'two', publish('8002'));
  await until(led, '127.0.0.1', 8001);
  await until(led.replace(/\d+:80/, '3:80'), '127.0.0.1', 8002);
  assert.equal((await addressesOf(fixture, two.id))[0], '172.17.0.3');
  await fixture.close();
  assert.deepEqual(keepers(), []);
  assert.equal(await reached('127.0.0.1', 8001), rewritten);
  await fixture.open();
  await until(led, '127.0.0.1', 8001);
});
