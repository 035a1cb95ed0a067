/** Rows 45 to 50 of the fault matrix: what others do to the host's network, and what runs out. */

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { EngineFixture, openFixture } from './engine-fixture.ts';
import { get, HOST_ADDRESS, Lan, onHost } from './lan.ts';

const SERVER = ['sh', '-c', 'mkdir /www; hostname > /www/index.html; exec httpd -f -h /www'];

async function serve(fixture: EngineFixture, name: string, more: HostConfig): Promise<string> {
  const id = await fixture.create({ Cmd: SERVER, Hostname: name }, more, name);
  await fixture.engine.containers.start(id);
  await fixture.inside(id, 'until wget -q -O /dev/null http://127.0.0.1/; do sleep 0.02; done');
  return id;
}

/** Asks until it is so; ten seconds at most. */
async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await holds())) {
    assert.ok(performance.now() < end, `never: ${what}`);
    await pause(20);
  }
}

const fetch = async (fixture: EngineFixture, id: string, url: string): Promise<string> =>
  fixture.inside(id, `timeout 1 wget -q -O - ${url} 2>/dev/null || true`);

const bridges = (): readonly string[] =>
  onHost('ip -br link show type bridge')
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name !== '');

test('row 46: a bridge that somebody deletes is made again with the containers that were on it', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({ Name: 'shared' });
  const publish = { '80/tcp': [{ HostPort: '8080' }] };
  const web = await serve(fixture, 'web', { NetworkMode: 'shared', PortBindings: publish });
  const other = await serve(fixture, 'other', { NetworkMode: 'shared' });
  const [link = ''] = bridges();
  const mac = (): string => onHost(`ip -br link show ${link}`).split(/\s+/)[2] ?? '';
  const before = mac();
  onHost(`ip link del ${link}`);
  await until('the port answers', () => get('127.0.0.1', 8080) === 'web\n');
  await until(
    'other is answered',
    async () => (await fetch(fixture, other, 'http://web/')) === 'web\n',
  );
  await until(
    'web is answered',
    async () => (await fetch(fixture, web, `http://web/`)) === 'web\n',
  );
  assert.equal(mac(), before, 'who knew the gateway knows it still');
  onHost(`ip link del ${link}`);
  // A start that comes first makes it too.
  const third = await serve(fixture, 'third', { NetworkMode: 'shared' });
  await until(
    'third is answered',
    async () => (await fetch(fixture, third, 'http://web/')) === 'web\n',
  );
  onHost(`ip link del ${link}`);
  for (const id of [web, other, third]) await fixture.engine.containers.remove(id, { force: true });
  await fixture.engine.networks.remove('shared');
  assert.deepEqual(bridges(), []);
});

test('row 46: the link of a container that somebody deletes is made again, from either end, with its address and routes', async () => {
  await using fixture = await openFixture();
  await using _ = await Lan.open();
  await fixture.engine.networks.create({ Name: 'shared' });
  await fixture.engine.networks.create({ Name: 'second' });
  const publish = { '80/tcp': [{ HostPort: '8080' }] };
  const web = await serve(fixture, 'web', { NetworkMode: 'shared', PortBindings: publish });
  await fixture.engine.networks.connect('second', { container: web, settings: {} });
  const other = await serve(fixture, 'other', { NetworkMode: 'shared' });
  const { State } = await fixture.engine.containers.inspect(web);
  const inside = (command: string): string => onHost(`nsenter -t ${State.Pid} -n ${command}`);
  const state = (): string =>
    ['ip -br addr', 'ip route', 'ip -6 route', 'nft -s list ruleset']
      .flatMap((command) =>
        inside(command)
          .replaceAll(/@if\d+|linkdown /g, '')
          .split('\n'),
      )
      .toSorted()
      .join('\n');
  const before = state();
  const peer = /eth0@if(\d+)/.exec(inside('ip -o link show eth0'))?.[1];
  const hostEnd = onHost(`ip -o link | sed -n 's/^${peer}: \\([^@]*\\)@.*/\\1/p'`).trim();
  for (const remove of [
    () => inside('ip link del eth0'),
    () => onHost(`ip link del ${hostEnd}`),
    () => inside('ip link del eth1'),
  ]) {
    remove();
    await until('web is as it was', () => state() === before);
    await until(
      'other is answered',
      async () => (await fetch(fixture, other, 'http://web/')) === 'web\n',
    );
    await until('the port answers', () => get(HOST_ADDRESS, 8080) === 'web\n');
    await until('web reaches', async () => (await fetch(fixture, web, 'http://other/')) !== '');
  }
  inside('ip link del eth0');
  await fixture.engine.networks.disconnect('shared', { container: web, force: false });
  await fixture.engine.networks.connect('shared', { container: web, settings: {} });
  await until(
    'other is answered',
    async () => (await fetch(fixture, other, 'http://web/')) === 'web\n',
  );
  inside('ip link del eth0');
  await fixture.engine.containers.remove(web, { force: true });
  await fixture.engine.containers.remove(other, { force: true });
});

test('row 45: on a kernel whose tables know no owner networks are apart again after a flush, and what is published is reached', async () => {
  await using fixture = new EngineFixture();
  fixture.hasTableOwners = false;
  await fixture.open();
  for (const Name of ['red', 'blue']) await fixture.engine.networks.create({ Name });
  const publish = { '80/tcp': [{ HostPort: '8080' }] };
  const red = await serve(fixture, 'red1', { NetworkMode: 'red', PortBindings: publish });
  const blue = await serve(fixture, 'blue1', { NetworkMode: 'blue' });
  const { NetworkSettings } = await fixture.engine.containers.inspect(blue);
  const place = NetworkSettings.Networks['blue'];
  onHost('nft add table ip admin; nft add chain ip admin forward');
  for (const attack of ['nft delete table inet', 'nft flush chain inet']) {
    const [, table = ''] = /table inet (carve-\S+-guard)/.exec(onHost('nft list tables')) ?? [];
    onHost(
      `${attack} ${table} ${attack.includes('chain') ? 'forward' : ''}; nft delete table inet ${table.replace('-guard', '')}`,
    );
    await until('the port answers', () => get('127.0.0.1', 8080) === 'red1\n');
    for (const address of [place?.IPAddress, `[${place?.GlobalIPv6Address}]`])
      await until('apart', async () => (await fetch(fixture, red, `http://${address}/`)) === '');
  }
  assert.match(onHost('nft list tables'), /table ip admin/, 'others’ tables are left alone');
  onHost('nft delete table ip admin');
  assert.match(
    fixture.warnings.join('\n'),
    /this kernel knows no tables that stay with their owner/,
  );
});

test('row 47: a container whose mounts somebody takes away is stopped and removed as any other', async () => {
  await using fixture = await openFixture();
  const publish = { '80/tcp': [{ HostPort: '8080' }] };
  const web = await serve(fixture, 'web', { NetworkMode: 'bridge', PortBindings: publish });
  const { State } = await fixture.engine.containers.inspect(web);
  onHost(`nsenter -t ${State.Pid} -m /bin/busybox umount -l /`);
  await fixture.engine.containers.stop(web, { timeoutSeconds: 0 });
  await fixture.engine.containers.remove(web, {});
  assert.equal(get('127.0.0.1', 8080), '');
  await serve(fixture, 'web', { NetworkMode: 'bridge', PortBindings: publish });
  await until('the port answers', () => get('127.0.0.1', 8080) === 'web\n');
});

test('row 49: a network that is full says so in one sentence, and has room as soon as somebody leaves', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({
    Name: 'small',
    EnableIPv6: false,
    IPAM: { Config: [{ Subnet: '10.99.0.0/29' }] },
  });
  const make = (name: string): Promise<string> =>
    fixture.create({ Cmd: ['sleep', '300'] }, { NetworkMode: 'small' }, name);
  const started: string[] = [];
  for (const name of ['aa', 'bb', 'cc', 'dd', 'ee']) {
    started.push(await make(name));
    await fixture.engine.containers.start(started.at(-1) ?? '');
  }
  const late = await make('ff');
  for (let again = 0; again < 3; again += 1)
    await assert.rejects(
      fixture.engine.containers.start(late),
      /every address of 10\.99\.0\.0\/29 is in use/,
    );
  await fixture.engine.containers.stop(started[1] ?? '', { timeoutSeconds: 0 });
  await fixture.engine.containers.start(late);
  const { NetworkSettings } = await fixture.engine.containers.inspect(late);
  assert.equal(NetworkSettings.Networks['small']?.IPAddress, '10.99.0.3');
});

test('row 50: a port that another program takes and leaves at any moment: a start has it whole, or nothing', async () => {
  await using fixture = await openFixture();
  const id = await fixture.create(
    { Cmd: ['sleep', '300'] },
    { NetworkMode: 'bridge', PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
  );
  const outcomes = { started: 0, refused: 0 };
  const over = new AbortController();
  const rival = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      const server = createServer();
      const isBound = await new Promise<boolean>((resolve) => {
        server.once('error', () => resolve(false));
        server.listen(8080, '0.0.0.0', () => resolve(true));
      });
      await pause(outcomes.started % 7);
      if (isBound) await new Promise((resolve) => server.close(resolve));
      await pause(outcomes.refused % 5);
    }
  })();
  for (let attempt = 0; attempt < 40; attempt += 1) {
    try {
      await fixture.engine.containers.start(id);
      outcomes.started += 1;
      assert.match(elements(), /8080/);
      await fixture.engine.containers.stop(id, { timeoutSeconds: 0 });
    } catch (error) {
      outcomes.refused += 1;
      assert.match(String(error), /port 8080|8080.*in use|8080.*taken/);
    }
    assert.doesNotMatch(elements(), /8080/);
    await until('no link', () => onHost('ip -br link | grep "^cv" || true') === '');
  }
  over.abort();
  await rival;
  assert.equal(outcomes.started + outcomes.refused, 40);
});

test('a port at an address that the host does not have: one sentence that names both, and nothing is left', async () => {
  await using fixture = await openFixture();
  const PortBindings = { '80/tcp': [{ HostIp: '198.51.100.7', HostPort: '8080' }] };
  const config = { Cmd: ['sleep', '300'] };
  const id = await fixture.create(config, { NetworkMode: 'bridge', PortBindings });
  await assert.rejects(fixture.engine.containers.start(id), {
    kind: 'invalid',
    message: /host port 8080\/tcp: the host does not have the address 198\.51\.100\.7$/,
  });
  assert.doesNotMatch(elements(), /8080/);
  await until('no link', () => onHost('ip -br link | grep "^cv" || true') === '');
});

test('beside a firewall that drops what the host passes on: carve leaves it alone, says so, and what it says helps', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  const warnings = async (): Promise<string> =>
    (await fixture.engine.system.info()).Warnings?.join('\n') ?? '';
  onHost(`
    nft add table ip filter
    nft add chain ip filter FORWARD '{ type filter hook forward priority filter; policy drop; }'
  `);
  assert.equal(await warnings(), '', 'nobody is on a network');
  const publish = { '80/tcp': [{ HostPort: '8080' }] };
  const web = await serve(fixture, 'web', { NetworkMode: 'bridge', PortBindings: publish });
  const others = onHost('nft list table ip filter');
  await until('the port answers', () => get('127.0.0.1', 8080) === 'web\n');
  assert.equal(lan.get(HOST_ADDRESS, 8080), '');
  const [link = ''] = bridges();
  assert.match(await warnings(), new RegExp(`table ip filter.*iptables -I FORWARD -i ${link}`));
  for (const end of ['i', 'o']) onHost(`iptables -I FORWARD -${end} ${link} -j ACCEPT`);
  assert.equal(await warnings(), '', 'it has rules now');
  await until('the port answers', () => lan.get(HOST_ADDRESS, 8080) === 'web\n');
  assert.match(await fixture.inside(web, 'ping -c1 -W2 192.0.2.2'), /1 packets received/);
  onHost('nft flush chain ip filter FORWARD');
  assert.equal(onHost('nft list table ip filter'), others);
  onHost('nft delete table ip filter');
  assert.equal(await warnings(), '');
});

/** Elements of the maps of published ports. */
const elements = (): string => onHost('nft list ruleset | grep -A3 "map publish" || true');

test('a container with more ports than one message of nftables holds has all of them, also after a flush', async () => {
  await using fixture = await openFixture();
  const [first, count] = [10_000, 2_000];
  const ports = Array.from({ length: count }, (_, index) => first + index);
  const PortBindings = Object.fromEntries(
    ports.map((port) => [`${port}/tcp`, [{ HostIp: '0.0.0.0', HostPort: String(port) }]]),
  );
  const id = await fixture.create(
    { Cmd: ['sleep', '1000'] },
    { NetworkMode: 'bridge', PortBindings },
    'many',
  );
  await fixture.engine.containers.start(id);
  const published = (): number =>
    new Set(onHost('nft list ruleset').match(/\b1[01]\d{3} : 172\.17\.0\.2 \. 1[01]\d{3}\b/g)).size;
  assert.equal(published(), count);
  onHost('nft flush ruleset');
  await until('all are published again', () => published() === count);
  await fixture.engine.containers.stop(id, { timeoutSeconds: 0 });
  await until('none is left', () => published() === 0);
});
