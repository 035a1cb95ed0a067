/** Egress policies on the real kernel: what a container under one reaches, and what is told of the rest. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { EngineFixture, openFixture } from './engine-fixture.ts';
import { FakeNames } from './fake-names.ts';
import { HOST_ADDRESS, HOST_ADDRESS6, Lan, onHost } from './lan.ts';

const OTHERS = ['192.0.2.3', '192.0.2.4', '192.0.2.5'];

/** Web servers on every address of the other host, ports 80 and 81. */
async function openLan(fixture: EngineFixture): Promise<Lan & AsyncDisposable> {
  const lan = await Lan.open();
  const www = `${fixture.directory}/www`;
  mkdirSync(www);
  writeFileSync(`${www}/index.html`, 'lan\n');
  for (const address of OTHERS) lan.run(`ip addr add ${address}/24 dev eth0`);
  for (const port of [80, 81])
    lan.serve(`busybox httpd -f -p ${port} -h ${www}`, `busybox netstat -tln | grep -q :${port}`);
  return lan;
}

async function start(
  fixture: EngineFixture,
  hostConfig: HostConfig,
  options: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const id = await fixture.create(
    { Cmd: ['sleep', '300'], Labels: options.labels ?? {} },
    { NetworkMode: 'bridge', ...hostConfig },
    options.name,
  );
  await fixture.engine.containers.start(id);
  return id;
}

const deny = (...Allow: readonly string[]): HostConfig => ({
  CarveEgress: { Mode: 'deny', Allow },
});

/** What HTTP says to the container; empty when it is refused. */
async function fetch(fixture: EngineFixture, id: string, host: string): Promise<string> {
  return fixture.inside(id, `timeout 2 wget -q -O - http://${host}/ 2>/dev/null || true`);
}

async function lookUp(fixture: EngineFixture, id: string, name: string): Promise<string> {
  return fixture.inside(id, `nslookup -type=a ${name}. 2>&1 || true`);
}

async function denied(
  fixture: EngineFixture,
  id: string,
): Promise<Readonly<Record<string, number>>> {
  const entries = await fixture.engine.networks.denials(id);
  return Object.fromEntries(
    entries.map((each): [string, number] => [
      each.Name ?? `${each.Address}:${each.Port ?? 0}/${each.Protocol}`,
      each.Count,
    ]),
  );
}

test('under deny nothing is reached but what a network and a port allow; the rest is counted', async () => {
  await using fixture = await openFixture();
  await using _lan = await openLan(fixture);
  const id = await start(fixture, deny('192.0.2.2/32', '192.0.2.3:81/tcp', '192.0.2.3/32:82'));
  const free = await start(fixture, {});
  assert.equal(await fetch(fixture, id, '192.0.2.2'), 'lan\n');
  assert.equal(await fetch(fixture, id, '192.0.2.2:81'), 'lan\n');
  assert.equal(await fetch(fixture, id, '192.0.2.3:81'), 'lan\n');
  assert.equal(await fetch(fixture, id, '192.0.2.3'), '');
  assert.equal(await fetch(fixture, id, '192.0.2.4'), '');
  assert.equal(await fetch(fixture, free, '192.0.2.4'), 'lan\n', 'others are free');
  const raw = await start(fixture, { CapAdd: ['NET_RAW'], ...deny('192.0.2.2/32/icmp') });
  assert.match(await fixture.inside(raw, 'ping -c1 -W2 192.0.2.2'), /1 packets received/);
  await fixture.inside(raw, 'if ping -c1 -W1 192.0.2.5; then exit 1; fi');
  assert.equal(await fetch(fixture, raw, '192.0.2.2'), '', 'ping only');
  const bounding = 'grep CapBnd /proc/self/status';
  const bit13 = (line: string): bigint => (BigInt(`0x${line.split(/\s+/)[1]}`) >> 13n) & 1n;
  assert.equal(bit13(await fixture.inside(id, bounding)), 0n, 'no raw packets');
  assert.equal(bit13(await fixture.inside(free, bounding)), 1n);
  const seen = await denied(fixture, id);
  assert.ok((seen['192.0.2.3:80/tcp'] ?? 0) >= 1, JSON.stringify(seen));
  assert.ok((seen['192.0.2.4:80/tcp'] ?? 0) >= 1);
  assert.ok(((await denied(fixture, raw))['192.0.2.5:0/icmp'] ?? 0) >= 1);
  assert.deepEqual(await denied(fixture, free), {});
});

test('the host is elsewhere, its published ports too; neighbours and answers are not', async () => {
  await using fixture = await openFixture();
  await using lan = await openLan(fixture);
  const server = ['sh', '-c', 'mkdir /www; echo peer > /www/index.html; exec httpd -f -h /www'];
  const peer = await fixture.create(
    { Cmd: server },
    { NetworkMode: 'bridge', PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
  );
  await fixture.engine.networks.create({ Name: 'far' });
  const web = await fixture.create(
    { Cmd: server },
    { NetworkMode: 'far', PortBindings: { '80/tcp': [{ HostPort: '8081' }] }, ...deny() },
  );
  for (const each of [peer, web]) {
    await fixture.engine.containers.start(each);
    await fixture.inside(each, 'until wget -q -O /dev/null http://127.0.0.1/; do sleep 0.02; done');
  }
  const held = await start(fixture, { CapAdd: ['NET_RAW'], ...deny() });
  const allowed = await start(fixture, deny(`${HOST_ADDRESS}:8081`));
  assert.equal(await fetch(fixture, held, '172.17.0.2'), 'peer\n', 'its own network');
  assert.equal(lan.get(HOST_ADDRESS, 8081), 'peer\n', 'a guarded container answers');
  assert.equal(await fetch(fixture, held, `${HOST_ADDRESS}:8081`), '', 'another network');
  assert.equal(await fetch(fixture, allowed, `${HOST_ADDRESS}:8081`), 'peer\n');
  await fixture.inside(held, 'if ping -c1 -W1 172.17.0.1; then exit 1; fi');
  const seen = await denied(fixture, held);
  assert.ok((seen[`${HOST_ADDRESS}:8081/tcp`] ?? 0) >= 1, JSON.stringify(seen));
});

test('a name opens the way to the addresses of its answer, and to nothing else; a restart keeps it', async () => {
  await using fixture = await openFixture();
  await using _lan = await openLan(fixture);
  await using names = await FakeNames.open({
    'example.org': '192.0.2.2',
    'www.example.net': 'cdn.example.com',
    'cdn.example.com': '192.0.2.3',
    'example.net': '192.0.2.4',
    'evil.example': '192.0.2.5',
    'meta.example.net': '169.254.169.254',
  });
  fixture.resolvConfPath = `${fixture.directory}/resolv.conf`;
  writeFileSync(fixture.resolvConfPath, 'nameserver 127.0.0.53\n');
  await fixture.close();
  await fixture.open();
  const id = await start(fixture, deny('example.org:80', '*.example.net'), { name: 'held' });
  assert.match(await fixture.inside(id, 'cat /etc/resolv.conf'), /^nameserver 127\.0\.0\.11$/m);
  assert.equal(await fetch(fixture, id, '192.0.2.2'), '', 'before it is asked for');
  assert.match(await lookUp(fixture, id, 'example.org'), /192\.0\.2\.2/);
  assert.equal(await fetch(fixture, id, '192.0.2.2'), 'lan\n');
  assert.equal(await fetch(fixture, id, '192.0.2.2:81'), '', 'another port');
  assert.match(await lookUp(fixture, id, 'www.example.net'), /192\.0\.2\.3/);
  assert.equal(await fetch(fixture, id, '192.0.2.3:81'), 'lan\n');
  assert.match(await lookUp(fixture, id, 'cdn.example.com'), /REFUSED/, 'only as an alias');
  assert.match(await lookUp(fixture, id, 'example.net'), /REFUSED/, 'not the name above');
  assert.match(await lookUp(fixture, id, 'evil.example'), /REFUSED/);
  assert.ok(!names.asked.includes('evil.example'), 'nobody was asked');
  assert.equal(await fetch(fixture, id, '192.0.2.5'), '');
  assert.match(await lookUp(fixture, id, 'meta.example.net'), /169\.254/);
  assert.doesNotMatch(onHost('nft list ruleset'), /169\.254\.169\.254/);
  const before = await denied(fixture, id);
  assert.ok((before['192.0.2.5:80/tcp'] ?? 0) >= 1, JSON.stringify(before));
  assert.equal(before['evil.example'], 1);
  await fixture.close();
  assert.equal(await fetchOutside(id, '192.0.2.5'), '', 'without an engine');
  await fixture.open();
  assert.equal(await fetch(fixture, id, '192.0.2.2'), 'lan\n');
  assert.equal(await fetch(fixture, id, '192.0.2.4'), '');
  const after = await denied(fixture, id);
  assert.ok((after['192.0.2.5:80/tcp'] ?? 0) > (before['192.0.2.5:80/tcp'] ?? 0));
  assert.match(await lookUp(fixture, id, 'evil.example'), /REFUSED/);
  await fixture.engine.containers.stop(id, { timeoutSeconds: 0 });
  const last = await denied(fixture, id);
  assert.ok((last['192.0.2.4:80/tcp'] ?? 0) >= 1, 'what a stopped container was denied is told');
  const left = (): string =>
    onHost("nft list ruleset | grep -A4 'set egress' | grep elements || true");
  for (const end = performance.now() + 10_000; left() !== '' && performance.now() < end; )
    await pause(20);
  assert.equal(left(), '', 'nothing is left for the next owner of the address');
});

/** Without an engine: from the container's own network namespace. */
async function fetchOutside(id: string, host: string): Promise<string> {
  const pid = onHost(`pgrep -f '[s]leep 300' | head -1`).trim();
  assert.notEqual(pid, '', id);
  return onHost(
    `nsenter -t ${pid} -n timeout 2 busybox wget -q -O - http://${host}/ 2>/dev/null || true`,
  );
}

test('a network holds its containers, also one that joins, and both lists must allow; labels say the same', async () => {
  await using fixture = await openFixture();
  await using _lan = await openLan(fixture);
  await fixture.engine.networks.create({
    Name: 'held',
    Options: { 'carve.egress': 'deny', 'carve.egress.allow': '192.0.2.0/30, 192.0.2.4:80' },
  });
  const plain = await start(fixture, { NetworkMode: 'held' });
  const both = await start(
    fixture,
    { NetworkMode: 'held' },
    { labels: { 'carve.egress': 'deny', 'carve.egress.allow': '192.0.2.3 192.0.2.5' } },
  );
  assert.equal(await fetch(fixture, plain, '192.0.2.2'), 'lan\n');
  assert.equal(await fetch(fixture, plain, '192.0.2.4'), 'lan\n');
  assert.equal(await fetch(fixture, plain, '192.0.2.4:81'), '');
  assert.equal(await fetch(fixture, both, '192.0.2.3'), 'lan\n');
  for (const host of ['192.0.2.2', '192.0.2.4', '192.0.2.5'])
    assert.equal(await fetch(fixture, both, host), '', host);
  const joining = await start(fixture, {});
  assert.equal(await fetch(fixture, joining, '192.0.2.5'), 'lan\n');
  await fixture.engine.networks.connect('held', {
    container: joining,
    settings: { GwPriority: 9 },
  });
  assert.equal(await fetch(fixture, joining, '192.0.2.5'), '');
  await fixture.engine.networks.disconnect('held', { container: joining, force: false });
  assert.equal(await fetch(fixture, joining, '192.0.2.5'), 'lan\n');
});

test('IPv6 is held as IPv4 is, also to the host; the router is found', async () => {
  await using fixture = await openFixture();
  await using _lan = await openLan(fixture);
  await fixture.engine.networks.create({ Name: 'six' });
  const id = await start(fixture, { NetworkMode: 'six', ...deny('[2001:db8::2]:80/tcp') });
  assert.equal(await fetch(fixture, id, '[2001:db8::2]'), 'lan\n');
  assert.equal(await fetch(fixture, id, '[2001:db8::2]:81'), '');
  assert.equal(await fetch(fixture, id, '192.0.2.2'), '', 'IPv4 has no list');
  assert.equal(await fetch(fixture, id, `[${HOST_ADDRESS6}]`), '');
  const seen = await denied(fixture, id);
  for (const what of ['2001:db8::2:81/tcp', '192.0.2.2:80/tcp', `${HOST_ADDRESS6}:80/tcp`])
    assert.ok((seen[what] ?? 0) >= 1, `${what} ${JSON.stringify(seen)}`);
});

test('a table that somebody empties holds the container again within moments, where tables have no owner', async () => {
  await using fixture = new EngineFixture();
  fixture.hasTableOwners = false;
  await fixture.open();
  await using _lan = await openLan(fixture);
  const id = await start(fixture, deny('192.0.2.2'));
  onHost('nft flush ruleset');
  const end = performance.now() + 10_000;
  while ((await fetch(fixture, id, '192.0.2.4')) !== '' && performance.now() < end);
  assert.equal(await fetch(fixture, id, '192.0.2.4'), '');
  assert.equal(await fetch(fixture, id, '192.0.2.2'), 'lan\n');
});
