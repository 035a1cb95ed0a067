/**
 * Rows 45 of the fault matrix and N3 of the weakness matrix: what keeps
 * containers apart stays while somebody flushes the ruleset, deletes tables and
 * rules, reloads another firewall or kills the process that owns the tables. Packets are sent
 * all the time, and those that arrive are counted: not one may.
 */

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { probeFeatures } from '../../src/kernel/features.ts';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { EngineFixture, openFixture } from './engine-fixture.ts';
import { countAt, flood, FLOOD_PORT } from './flood.ts';
import { HOST_ADDRESS, Lan, LAN_ADDRESS, onHost } from './lan.ts';

const { kernel } = probeFeatures();
const isOwned = kernel.major > 6 || (kernel.major === 6 && kernel.minor >= 9);

/** Where the kernel knows no tables that stay with their owner there is nothing to test. */
function ownedTest(name: string, body: () => Promise<void>): void {
  if (isOwned) void test(name, body);
}

const SERVER = ['sh', '-c', 'mkdir /www; hostname > /www/index.html; exec httpd -f -h /www'];

interface Place {
  readonly id: string;
  /** What stands before a command that runs in its network. */
  readonly entering: readonly string[];
  readonly ipv4: string;
  readonly ipv6: string;
  readonly gateway: string;
}

async function start(
  fixture: EngineFixture,
  name: string,
  network: string,
  more: HostConfig = {},
): Promise<Place> {
  const id = await fixture.create(
    { Cmd: SERVER, Hostname: name },
    { NetworkMode: network, ...more },
    name,
  );
  await fixture.engine.containers.start(id);
  const { State, NetworkSettings } = await fixture.engine.containers.inspect(id);
  const place = NetworkSettings.Networks[network];
  return {
    id,
    entering: ['nsenter', '-t', String(State.Pid), '-n'],
    ipv4: place?.IPAddress ?? '',
    ipv6: place?.GlobalIPv6Address ?? '',
    gateway: place?.Gateway ?? '',
  };
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await holds())) {
    assert.ok(performance.now() < end, `never: ${what}`);
    await pause(20);
  }
}

/** What a plain machine's rules look like: a reload of them flushes everybody's. */
const RELOADED = `flush ruleset
add table inet filter
add chain inet filter input { type filter hook input priority 0; policy accept; }
`;

/** Processes that own tables, children of this one. */
function keepers(): readonly number[] {
  const found = onHost(`pgrep -P ${process.pid} -f '[c]hisel keep carve-' || true`);
  return found
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

function killKeepers(): void {
  const found = keepers();
  assert.ok(found.length > 0);
  for (const pid of found) process.kill(pid, 'SIGKILL');
}

const guardTable = (): string =>
  /table inet (carve-\S+-guard)/.exec(onHost('nft list tables'))?.[1] ?? '';

/** Each changes something, or is refused. */
function attacks(fixture: EngineFixture): readonly { readonly run: () => void }[] {
  const file = `${fixture.directory}/rules`;
  writeFileSync(file, RELOADED);
  const refused = (command: string): void =>
    assert.throws(() => onHost(`${command} 2>&1`), { stdout: /Operation not permitted/ }, command);
  const handle = (chain: string): string =>
    /drop # handle (\d+)/.exec(onHost(`nft -a list chain inet ${guardTable()} ${chain}`))?.[1] ??
    '';
  return [
    { run: () => onHost('nft flush ruleset') },
    { run: () => onHost(`nft -f ${file}`) },
    { run: () => onHost('nft flush ruleset inet; nft flush ruleset bridge') },
    { run: () => refused(`nft delete table inet ${guardTable()}`) },
    { run: () => refused(`nft flush table inet ${guardTable()}`) },
    { run: () => refused(`nft flush chain inet ${guardTable()} forward`) },
    { run: () => refused(`nft delete rule inet ${guardTable()} guard handle ${handle('guard')}`) },
    { run: () => refused(`nft flush set inet ${guardTable()} bridges`) },
    { run: () => refused(`nft 'add table inet ${guardTable()} { flags dormant; }'`) },
    { run: () => refused(`nft insert rule inet ${guardTable()} forward accept`) },
  ];
}

ownedTest(
  'row 45, N3: not one packet passes while others flush, delete, edit and reload',
  async () => {
    await using fixture = await openFixture();
    const { networks } = fixture.engine;
    for (const Name of ['red', 'blue', 'held']) await networks.create({ Name });
    await networks.create({ Name: 'inner', Internal: true });
    await using lan = await Lan.open('172.16.0.0/12', '127.0.0.0/8');
    const publish = { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } };
    const red = await start(fixture, 'red1', 'red', publish);
    const blue = await start(fixture, 'blue1', 'blue');
    const inner = await start(fixture, 'inner1', 'inner');
    const held = await start(fixture, 'held1', 'held', {
      CarveEgress: { Mode: 'deny', Allow: ['198.51.100.0/24'] },
    });
    // Its own loopback addresses are the host's, were it to ask there.
    onHost(`${red.entering.join(' ')} sh -ec '
    echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet
    ip route del local 127.0.0.0/8 dev lo table local
    ip route add 127.9.9.9/32 via ${red.gateway}'`);
    let onLoopback = 0;
    const listener = createSocket('udp4', () => {
      onLoopback += 1;
    });
    listener.bind(FLOOD_PORT, '127.9.9.9');
    await once(listener, 'listening');
    const counted = [blue.entering, inner.entering, lan.entering()].map(countAt);
    await using _far = await flood(red.entering, blue.ipv4, blue.ipv6, inner.ipv4, '127.9.9.9');
    await using _out = await flood(held.entering, LAN_ADDRESS, '2001:db8::2', blue.ipv4);
    await using _near = await flood(lan.entering(), blue.ipv4, blue.ipv6, inner.ipv4);
    await using _inner = await flood(inner.entering, LAN_ADDRESS, red.ipv4, blue.ipv6);
    for (const { run } of attacks(fixture)) {
      run();
      await until('the port answers', () => lan.get(HOST_ADDRESS, 8080) === 'red1\n');
    }
    for (let times = 0; times < 30; times += 1) onHost('nft flush ruleset');
    await until('the port answers', () => lan.get(HOST_ADDRESS, 8080) === 'red1\n');
    assert.deepEqual([...counted.map((count) => count()), onLoopback], [0, 0, 0, 0]);
    // What is counted would be.
    onHost(`for to in ${blue.ipv4} ${inner.ipv4} ${LAN_ADDRESS} 127.9.9.9; do
    bash -c "echo > /dev/udp/$to/${FLOOD_PORT}"; done`);
    await until('each counts', () => counted.every((count) => count() === 1) && onLoopback === 1);
    listener.close();
    const told = fixture.warnings.filter((text) => /changed from outside/.test(text));
    assert.ok(
      told.length > 0 && told.every((text) => /published ports/.test(text)),
      told.join('\n'),
    );
  },
);

ownedTest(
  'row 45, N3: the tables outlive the process that owns them, and the next one takes them over',
  async () => {
    await using fixture = await openFixture();
    const { networks, containers } = fixture.engine;
    for (const Name of ['red', 'blue']) await networks.create({ Name });
    const red = await start(fixture, 'red1', 'red');
    const blue = await start(fixture, 'blue1', 'blue');
    const count = countAt(blue.entering);
    await using _far = await flood(red.entering, blue.ipv4, blue.ipv6);
    const isOurs = (): boolean => /flags owner/.test(onHost(`nft list table inet ${guardTable()}`));
    assert.ok(isOurs());
    for (let times = 0; times < 3; times += 1) {
      killKeepers();
      await until('it is taken over', () =>
        fixture.warnings.some((text) => /taken over/.test(text)),
      );
      assert.ok(isOurs());
      onHost('nft flush ruleset');
      fixture.warnings.length = 0;
    }
    assert.equal(count(), 0);
    // Idle, nobody looks: the next start does.
    for (const { id } of [red, blue]) await containers.stop(id, { timeoutSeconds: 0 });
    killKeepers();
    await until('nobody owns it', () => {
      onHost('nft flush ruleset');
      return guardTable() === '';
    });
    await containers.start(red.id);
    await until('it is ours', () => guardTable() !== '' && isOurs());
  },
);

ownedTest(
  'N3: an engine that is away leaves its tables to who owns them, and the next one has them as its own',
  async () => {
    await using fixture = await openFixture();
    const { networks } = fixture.engine;
    for (const Name of ['red', 'blue']) await networks.create({ Name });
    await using lan = await Lan.open();
    const deny = { CarveEgress: { Mode: 'deny', Allow: ['198.51.100.0/24'] } } as const;
    const red = await start(fixture, 'red1', 'red', deny);
    const blue = await start(fixture, 'blue1', 'blue');
    const counted = [blue.entering, lan.entering()].map(countAt);
    await using _far = await flood(red.entering, blue.ipv4, blue.ipv6, LAN_ADDRESS);
    for (let times = 0; times < 3; times += 1) {
      await fixture.close();
      onHost('nft flush ruleset');
      assert.match(
        onHost(`nft list table inet ${guardTable()}`),
        /flags owner[\s\S]*egress-guarded4/,
      );
      await fixture.open();
      onHost('nft flush ruleset');
      assert.match(
        onHost(`nft list table inet ${guardTable()}`),
        /flags owner[\s\S]*egress-guarded4/,
      );
      assert.equal(keepers().length, 1, 'the former one is gone');
    }
    assert.deepEqual(
      counted.map((count) => count()),
      [0, 0],
    );
    for (const { id } of [red, blue]) await fixture.engine.containers.remove(id, { force: true });
    await fixture.close();
    assert.doesNotMatch(onHost('nft list tables'), /carve-/);
    assert.deepEqual(keepers(), []);
    await fixture.open();
  },
);

ownedTest(
  'tables of an earlier version, or of an earlier kernel, give way to owned ones',
  async () => {
    await using fixture = new EngineFixture();
    fixture.hasTableOwners = false;
    await fixture.open();
    for (const Name of ['red', 'blue']) await fixture.engine.networks.create({ Name });
    const red = await start(fixture, 'red1', 'red', {
      CarveEgress: { Mode: 'deny', Allow: ['198.51.100.0/24'] },
    });
    const blue = await start(fixture, 'blue1', 'blue');
    const count = countAt(blue.entering);
    await using _far = await flood(red.entering, blue.ipv4, blue.ipv6);
    await fixture.close();
    const old = `carve-${fixture.engineId.slice(0, 12)}`;
    onHost(`
    nft add chain inet ${old} forward '{ type filter hook forward priority 0; policy accept; }'
    nft add rule inet ${old} forward iifname none drop
    nft add table bridge ${old}
    nft add chain bridge ${old} origin '{ type filter hook prerouting priority -300; }'`);
    fixture.hasTableOwners = true;
    await fixture.open();
    assert.deepEqual(
      onHost('nft list tables')
        .split('\n')
        .filter((line) => line.includes('carve-'))
        .toSorted(),
      [`table bridge ${old}-guard`, `table inet ${old}`, `table inet ${old}-guard`],
    );
    assert.doesNotMatch(onHost(`nft list table inet ${old}`), /chain forward/);
    for (const family of ['inet', 'bridge'])
      assert.throws(() => onHost(`nft delete table ${family} ${old}-guard 2>&1`), {
        stdout: /Operation not permitted/,
      });
    onHost('nft flush ruleset');
    assert.equal(count(), 0);
  },
);

test('an internal network reaches no relay, whichever of the two came first, and after a flush', async () => {
  await using fixture = await openFixture();
  const { networks } = fixture.engine;
  await networks.create({ Name: 'plain', EnableIPv6: false });
  const relayed = (HostPort: string): HostConfig => ({
    PortBindings: { '80/tcp': [{ HostIp: '::', HostPort }] },
  });
  const web = await start(fixture, 'web', 'plain', relayed('8080'));
  await networks.create({ Name: 'inner', Internal: true });
  await networks.create({ Name: 'open' });
  const inner = await start(fixture, 'inner1', 'inner');
  const other = await start(fixture, 'other', 'open');
  const late = await start(fixture, 'late', 'plain', relayed('8081'));
  const gatewayOf = async (network: string): Promise<string> => {
    const { Config } = (await networks.inspect(network, {})).IPAM;
    return Config.map(({ Gateway = '' }) => Gateway).find((each) => each.includes(':')) ?? '';
  };
  const gateways = { [inner.id]: await gatewayOf('inner'), [other.id]: await gatewayOf('open') };
  const fetch = async ({ id }: Place, port: number): Promise<string> =>
    fixture.inside(
      id,
      `timeout 1 wget -q -O - 'http://[${gateways[id]}]:${port}/' 2>/dev/null || true`,
    );
  assert.match(
    await fixture.inside(inner.id, `ping -c1 -W5 ${gateways[inner.id]}`),
    /1 packets rec/,
  );
  for (const [port, name] of [
    [8080, 'web\n'],
    [8081, 'late\n'],
  ] as const) {
    await until('it is relayed', async () => (await fetch(other, port)) === name);
    assert.equal(await fetch(inner, port), '');
  }
  onHost('nft flush ruleset');
  if (isOwned) assert.equal(await fetch(inner, 8080), '');
  const relays = (): string =>
    /set relays6 \{[^}]*?(elements = \{[^}]*\})?\s*\}/.exec(onHost('nft list ruleset'))?.[1] ?? '';
  await until('it is guarded', () => /8080[\s\S]*8081|8081[\s\S]*8080/.test(relays()));
  for (const { id } of [web, late]) await fixture.engine.containers.remove(id, { force: true });
  await until('nobody relays', () => relays() === '');
});

test('what is published while nobody ran, and somebody flushed the ruleset, is published', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  const publish = { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } };
  const { id } = await start(fixture, 'web', 'bridge', publish);
  await until('the port answers', () => lan.get(HOST_ADDRESS, 8080) === 'web\n');
  await fixture.engine.containers.stop(id, { timeoutSeconds: 0 });
  onHost('nft flush ruleset');
  await fixture.engine.containers.start(id);
  await until('the port answers', () => lan.get(HOST_ADDRESS, 8080) === 'web\n');
});

test('a start asks the tables that decide for nothing where there is nothing to hold', async () => {
  await using fixture = await openFixture();
  const { containers, networks } = fixture.engine;
  await networks.create({ Name: 'plain' });
  const publish = { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } };
  await start(fixture, 'first', 'plain');
  fixture.tableChanges = 0;
  const web = await start(fixture, 'web', 'plain', publish);
  await containers.remove(web.id, { force: true });
  assert.equal(fixture.tableChanges, 0);
  const deny = { CarveEgress: { Mode: 'deny', Allow: ['198.51.100.0/24'] } } as const;
  await start(fixture, 'held', 'plain', deny);
  assert.equal(fixture.tableChanges, 1, 'one change holds it');
});
