/** Containers on bridges: what they reach, and who reaches them, on the real kernel. */

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';
import { get, HOST_ADDRESS, Lan, onHost } from './lan.ts';

/** A web server that answers with its own name. */
const SERVER = [
  'sh',
  '-c',
  'mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www',
];

/** A shell command that waits for another to succeed, five seconds at most. */
const until = (command: string): string =>
  `i=0; until ${command} 2>/dev/null; do i=$((i+1)); [ $i -lt 250 ]; sleep 0.02; done`;

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
  await fixture.inside(id, until('wget -q -O /dev/null http://127.0.0.1/'));
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
  assert.equal(get('127.0.0.1', 8080), 'open\n');
  assert.equal(get(HOST_ADDRESS, 8080), 'open\n');
  assert.equal(lan.get(HOST_ADDRESS, 8080), 'open\n');
  assert.equal(get('127.0.0.1', 8081), 'local\n');
  assert.equal(lan.get(HOST_ADDRESS, 8081), '');
  assert.equal(lan.get('127.0.0.2', 8081), '');
  assert.equal(lan.get(address, 80), '', 'by the address of the container');
  assert.equal(get(address, 80), 'open\n', 'the host itself may');
});

test('the source address of a connection from outside is preserved; what leaves is masqueraded', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  const id = await serve(fixture, 'web', {
    PortBindings: { '80/tcp': [{ HostPort: '8080' }], '9000/tcp': [{ HostPort: '9000' }] },
  });
  const seen = fixture.inside(id, 'nc -l -p 9000 -e sh -c "netstat -tn | grep :9000"');
  await fixture.inside(id, until('netstat -tln | grep -q :9000'));
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
  const a = await serve(fixture, 'aa', publish('8080'));
  const b = await serve(fixture, 'bb');
  const [addressA, addressB] = [await addressOf(fixture, a), await addressOf(fixture, b)];
  const fetch = async (from: string, url: string): Promise<string> =>
    fixture.inside(from, `timeout 5 wget -q -O - ${url} || true`);
  assert.equal(await fetch(a, `http://${addressB}/`), 'bb\n');
  assert.equal(await fetch(b, `http://${addressA}/`), 'aa\n');
  assert.equal(await fetch(b, 'http://172.17.0.1:8080/'), 'aa\n');
  assert.equal(await fetch(a, 'http://172.17.0.1:8080/'), 'aa\n', 'hairpin');
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
  const ports = NetworkSettings.Ports['80/tcp'] ?? [];
  const [ranged, any] = ports.filter(({ HostIp }) => HostIp === '0.0.0.0');
  assert.equal(ranged?.HostPort, '9001');
  assert.ok(Number(any?.HostPort) >= 32_768);
  for (const port of [9001, Number(any?.HostPort)]) assert.equal(get('127.0.0.1', port), 'web\n');
  other.close();
});

test('an engine that comes back finds ports and addresses as they are', async () => {
  await using fixture = await openFixture();
  const id = await serve(fixture, 'web', publish('8080'));
  const address = await addressOf(fixture, id);
  await fixture.close();
  assert.equal(get('127.0.0.1', 8080), 'web\n', 'without an engine');
  await fixture.open();
  assert.equal(await addressOf(fixture, id), address);
  assert.equal(get('127.0.0.1', 8080), 'web\n');
  const second = await serve(fixture, 'second', publish('8081'));
  assert.notEqual(await addressOf(fixture, second), address);
  await fixture.engine.containers.remove(id, { force: true });
  assert.equal(get('127.0.0.1', 8080), '');
});

test('N3: published ports that somebody deletes are there again within moments', async () => {
  await using fixture = await openFixture();
  await using _ = await Lan.open();
  await serve(fixture, 'web', publish('8080'));
  for (const attack of [
    'nft flush ruleset',
    'nft flush table inet $(nft list tables | sed -n "/-guard/d; s/table inet //p")',
  ]) {
    onHost(attack);
    const end = performance.now() + 10_000;
    // At loopback addresses connect() itself is led there.
    while (get(HOST_ADDRESS, 8080) !== 'web\n' && performance.now() < end) await pause(50);
    assert.equal(get(HOST_ADDRESS, 8080), 'web\n', attack);
  }
});

/** A network of the user's. */
async function makeNetwork(
  fixture: EngineFixture,
  body: Parameters<EngineFixture['engine']['networks']['create']>[0],
): Promise<void> {
  await fixture.engine.networks.create(body);
}

test('N13: networks are isolated, before and after a restart; one container may be on both', async () => {
  await using fixture = await openFixture();
  for (const Name of ['red', 'blue']) await makeNetwork(fixture, { Name });
  const red = await serve(fixture, 'red1', { NetworkMode: 'red' });
  const blue = await serve(fixture, 'blue1', { NetworkMode: 'blue' });
  const ipOf = async (id: string, network: string): Promise<string> =>
    (await fixture.engine.containers.inspect(id)).NetworkSettings.Networks[network]?.IPAddress ??
    '';
  const blueIp = await ipOf(blue, 'blue');
  const fetch = async (url: string, seconds = 5): Promise<string> =>
    fixture.inside(red, `timeout ${seconds} wget -q -O - ${url} || true`);
  assert.equal(await fetch(`http://${blueIp}/`, 1), '');
  await fixture.close();
  await fixture.open();
  assert.equal(await fetch(`http://${blueIp}/`, 1), '');
  await fixture.engine.networks.connect('blue', { container: red, settings: {} });
  assert.equal(await fetch(`http://${blueIp}/`), 'blue1\n');
  assert.match(await fixture.inside(red, 'ip addr show eth1'), /inet 172\./);
  const six = (await fixture.engine.containers.inspect(blue)).NetworkSettings.Networks['blue'];
  assert.match(six?.GlobalIPv6Address ?? '', /^fd/);
  assert.equal(await fetch(`http://[${six?.GlobalIPv6Address ?? ''}]/`), 'blue1\n');
  await fixture.engine.networks.disconnect('blue', { container: red, force: false });
  assert.equal(await fetch(`http://${blueIp}/`, 1), '');
  await assert.rejects(fixture.engine.networks.remove('blue'), /has active endpoints/);
});

test('an internal network has no way out, a static address is kept, an alias and a MAC are taken', async () => {
  await using fixture = await openFixture();
  await makeNetwork(fixture, {
    Name: 'inner',
    Internal: true,
    EnableIPv6: false,
    IPAM: { Config: [{ Subnet: '10.99.0.0/24' }] },
  });
  const { containers } = fixture.engine;
  const { id } = await containers.create({
    name: 'fixed',
    config: { Image: 'busybox', Cmd: SERVER },
    hostConfig: { NetworkMode: 'inner' },
    endpoints: {
      inner: {
        IPAMConfig: { IPv4Address: '10.99.0.77' },
        MacAddress: '02:00:00:00:00:77',
        Aliases: ['db'],
      },
    },
  });
  await containers.start(id);
  const shown = await fixture.inside(id, 'ip addr show eth0; ip route');
  assert.match(shown, /inet 10\.99\.0\.77\/24/);
  assert.match(shown, /02:00:00:00:00:77/);
  assert.doesNotMatch(shown, /default/);
  await using lan = await Lan.open('10.99.0.0/24');
  assert.equal(lan.get('10.99.0.77', 80), '');
  const outward = await fixture.inside(
    id,
    `ip route add default via 10.99.0.1 2>&1 || true; ping -c1 -W1 192.0.2.2 || true`,
  );
  assert.doesNotMatch(outward, /1 packets received/);
});

test('a killed monitor, a killed start: no port, no link and no address stays', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await serve(fixture, 'web', publish('8080'));
  const exit = containers.wait(id, 'next-exit').result;
  onHost(`pkill -KILL -f '[c]arve-monitor ${id.slice(0, 12)}'`);
  await exit;
  const end = performance.now() + 5_000;
  const elements = (): string =>
    onHost("nft list ruleset | grep -A3 'map publish4' | grep elements || true");
  while (elements() !== '' && performance.now() < end) await pause(20);
  assert.equal(elements(), '');
  const failing = await fixture.create(
    { Cmd: ['/no/such'] },
    { NetworkMode: 'bridge', ...publish('8080') },
  );
  await assert.rejects(containers.start(failing), /no such file/);
  assert.equal(elements(), '');
  const again = await serve(fixture, 'again', publish('8080'));
  assert.equal(get('127.0.0.1', 8080), 'again\n');
  await containers.remove(again, { force: true });
});

test('a plan shows the network operations and takes nothing', async () => {
  await using fixture = await openFixture();
  const request = {
    config: { Image: 'busybox', Cmd: ['true'] },
    hostConfig: publish('8080'),
    endpoints: {},
  };
  const { steps } = await fixture.engine.containers.planRun(request);
  const ops = steps.map(({ op }) => op);
  assert.ok(ops.indexOf('reserve-port') < ops.indexOf('clone'));
  assert.ok(ops.lastIndexOf('netlink') > ops.indexOf('clone'));
  assert.doesNotMatch(onHost('ip -o link; nft list tables'), /carve-/);
  await serve(fixture, 'web', publish('8080'));
  await assert.rejects(fixture.engine.containers.planRun(request), {
    message: /in use by container web/,
  });
});
