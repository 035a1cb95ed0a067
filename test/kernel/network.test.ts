/** Containers on bridges: what they reach, and who reaches them, on the real kernel. */

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';
import { get, HOST_ADDRESS, Lan, onHost } from './lan.ts';

/** A web server that answers with its own name. */
const SERVER = [
  'sh',
  '-c',
  'mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www',
];

/** Start a web server; resolves when it listens. */
async function serve(
  fixture: EngineFixture,
  name: string,
  hostConfig: HostConfig = {},
): Promise<string> {
  const { containers } = fixture.engine;
  const id = await fixture.create(
    { Cmd: SERVER, Hostname: name },
    { NetworkMode: 'bridge', ...hostConfig },
    name,
  );
  await containers.start(id);
  await fixture.inside(id, 'until nc -z 127.0.0.1 80; do sleep 0.02; done');
  return id;
}

const publish = (HostPort: string, HostIp = ''): HostConfig => ({
  PortBindings: { '80/tcp': [{ HostIp, HostPort }] },
});

async function addressOf(fixture: EngineFixture, id: string): Promise<string> {
  const { NetworkSettings } = await fixture.engine.containers.inspect(id);
  const address = NetworkSettings.Networks['bridge']?.IPAddress ?? '';
  assert.match(address, /^172\.17\.0\.\d+$/);
  return address;
}

test('a container on the default bridge has an address, a default route, and reaches the host', async () => {
  await using fixture = await openFixture();
  const { code, stdout, stderr } = await fixture.run(
    { Cmd: ['sh', '-c', 'ip addr show eth0; ip route; ping -c1 -W2 172.17.0.1; cat /etc/hosts'] },
    { NetworkMode: 'bridge' },
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /inet 172\.17\.0\.2\/24 /);
  assert.match(stdout, /default via 172\.17\.0\.1 dev eth0/);
  assert.match(stdout, /1 packets received/);
  assert.match(stdout, /^172\.17\.0\.2\t[0-9a-f]{12}$/m);
  assert.doesNotMatch(stdout, /inet6/, 'N8: no IPv6 where there is none');
});

test('N1, N2: a published port is reached from everywhere, one on loopback from the host only, others from nowhere', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open('172.16.0.0/12', '127.0.0.0/8');
  lan.run(
    'ip route del local 127.0.0.0/8 dev lo table local; ip route add 127.0.0.2 via 192.0.2.1',
  );
  const open = await serve(fixture, 'open', publish('8080'));
  await serve(fixture, 'local', publish('8081', '127.0.0.1'));
  const address = await addressOf(fixture, open);
  assert.equal(get('http://127.0.0.1:8080/'), 'open\n');
  assert.equal(get(`http://${HOST_ADDRESS}:8080/`), 'open\n');
  assert.equal(lan.get(`http://${HOST_ADDRESS}:8080/`), 'open\n');
  assert.equal(get('http://127.0.0.1:8081/'), 'local\n');
  assert.equal(lan.get(`http://${HOST_ADDRESS}:8081/`), '');
  assert.equal(lan.get('http://127.0.0.2:8081/'), '');
  assert.equal(lan.get(`http://${address}/`), '', 'by the address of the container');
  assert.equal(get(`http://${address}/`), 'open\n', 'the host itself may');
});

test('the source address of a connection from outside is preserved; what leaves is masqueraded', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  const id = await serve(fixture, 'web', {
    PortBindings: { '80/tcp': [{ HostPort: '8080' }], '9000/tcp': [{ HostPort: '9000' }] },
  });
  const seen = fixture.inside(id, 'nc -l -p 9000 -e sh -c "netstat -tn | grep :9000"');
  await fixture.inside(id, 'until netstat -tln | grep -q :9000; do sleep 0.02; done');
  assert.match(lan.run(`busybox nc -w 2 ${HOST_ADDRESS} 9000 < /dev/null`), /192\.0\.2\.2:\d+/);
  await seen;
  const listener = lan.run(
    '(busybox nc -l -p 7000 -e sh -c "netstat -tn 2>/dev/null | grep :7000; busybox netstat -tn | grep :7000" > /dev/null 2>&1 &) ; until busybox netstat -tln | grep -q :7000; do sleep 0.02; done',
  );
  assert.equal(listener, '');
  const out = await fixture.inside(id, 'nc -w 2 192.0.2.2 7000 < /dev/null');
  assert.match(out, /192\.0\.2\.1:\d+/);
});

test('containers reach each other, themselves by a published port, and nobody across a port that is not published', async () => {
  await using fixture = await openFixture();
  const a = await serve(fixture, 'a', publish('8080'));
  const b = await serve(fixture, 'b');
  const [addressA, addressB] = [await addressOf(fixture, a), await addressOf(fixture, b)];
  const fetch = async (from: string, url: string): Promise<string> =>
    fixture.inside(from, `wget -q -T 1 -O - ${url} || true`);
  assert.equal(await fetch(a, `http://${addressB}/`), 'b\n');
  assert.equal(await fetch(b, `http://${addressA}/`), 'a\n');
  assert.equal(await fetch(b, 'http://172.17.0.1:8080/'), 'a\n');
  assert.equal(await fetch(a, 'http://172.17.0.1:8080/'), 'a\n', 'hairpin');
});

test('a port in use is one error that names its owner, and nothing is left of the start', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  await serve(fixture, 'first', publish('8080'));
  const second = await fixture.create(
    { Cmd: SERVER },
    { NetworkMode: 'bridge', ...publish('8080') },
  );
  await assert.rejects(containers.start(second), {
    kind: 'conflict',
    message: /8080 failed: port is already allocated: .* in use by container first/,
  });
  const other = createServer().listen(9090);
  await once(other, 'listening');
  const third = await fixture.create(
    { Cmd: SERVER },
    { NetworkMode: 'bridge', ...publish('9090') },
  );
  await assert.rejects(containers.start(third), {
    kind: 'conflict',
    message: /port is already allocated: tcp port 9090 is in use by another program/,
  });
  other.close();
  await once(other, 'close');
  await containers.start(third);
  assert.doesNotMatch(onHost('ip -o link'), /cv[0-9a-f]{12}.*DOWN/);
});

test('a port of a range, and any port, are chosen around those that others have', async () => {
  await using fixture = await openFixture();
  const other = createServer().listen(9000);
  await once(other, 'listening');
  const id = await serve(fixture, 'web', {
    PortBindings: { '80/tcp': [{ HostPort: '9000-9002' }, { HostPort: '' }] },
  });
  const { NetworkSettings } = await fixture.engine.containers.inspect(id);
  const [ranged, any] = NetworkSettings.Ports['80/tcp'] ?? [];
  assert.equal(ranged?.HostPort, '9001');
  assert.ok(Number(any?.HostPort) >= 32_768);
  for (const port of ['9001', any?.HostPort ?? ''])
    assert.equal(get(`http://127.0.0.1:${port}/`), 'web\n');
  other.close();
});

test('an engine that comes back finds ports and addresses as they are', async () => {
  await using fixture = await openFixture();
  const id = await serve(fixture, 'web', publish('8080'));
  const address = await addressOf(fixture, id);
  await fixture.close();
  assert.equal(get('http://127.0.0.1:8080/'), 'web\n', 'without an engine');
  await fixture.open();
  assert.equal(await addressOf(fixture, id), address);
  assert.equal(get('http://127.0.0.1:8080/'), 'web\n');
  const second = await serve(fixture, 'second', publish('8081'));
  assert.notEqual(await addressOf(fixture, second), address);
  await fixture.engine.containers.remove(id, { force: true });
  assert.equal(get('http://127.0.0.1:8080/'), '');
});

test('N3: a firewall that somebody deletes or empties is there again within moments', async () => {
  await using fixture = await openFixture();
  await serve(fixture, 'web', publish('8080'));
  for (const attack of [
    'nft flush ruleset',
    'nft flush table inet $(nft list tables | sed "s/table inet //")',
  ]) {
    onHost(attack);
    const end = performance.now() + 10_000;
    while (get('http://127.0.0.1:8080/') !== 'web\n' && performance.now() < end);
    assert.equal(get('http://127.0.0.1:8080/'), 'web\n', attack);
  }
});
