/** What a client asks of an interface beside its addresses: addresses of the link, settings of the kernel; and which the host has none of. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import type { EndpointSettings } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';
import { onHost } from './lan.ts';

const SYSCTLS = 'com.docker.network.endpoint.sysctls';

/** A running container with these settings on the network `front`. */
async function start(fixture: EngineFixture, settings: EndpointSettings): Promise<string> {
  const { containers } = fixture.engine;
  const { id } = await containers.create({
    config: { Image: 'busybox', Cmd: ['sleep', '300'] },
    hostConfig: { NetworkMode: 'front' },
    endpoints: { front: settings },
  });
  await containers.start(id);
  return id;
}

const SETTINGS: EndpointSettings = {
  IPAMConfig: { LinkLocalIPs: ['169.254.7.7', 'fe80::77'] },
  DriverOpts: { [SYSCTLS]: 'net.ipv4.conf.IFNAME.log_martians=1' },
};
const LOOK = (name: string): string =>
  `ip -o address show ${name} | grep -o "169.254.7.7/16\\|fe80::77/64"; cat /proc/sys/net/ipv4/conf/${name}/log_martians`;

test('link-local addresses and settings are there from the start, and after a live connect', async () => {
  await using fixture = await openFixture();
  const { networks } = fixture.engine;
  await networks.create({ Name: 'front', EnableIPv6: false });
  await networks.create({ Name: 'back', EnableIPv6: true });
  const id = await start(fixture, SETTINGS);
  assert.equal(await fixture.inside(id, LOOK('eth0')), '169.254.7.7/16\nfe80::77/64\n1\n');
  await networks.connect('back', { container: id, settings: SETTINGS });
  assert.equal(await fixture.inside(id, LOOK('eth1')), '169.254.7.7/16\nfe80::77/64\n1\n');
});

test('a setting that the kernel has not fails the start, and names it', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({ Name: 'front' });
  await assert.rejects(
    start(fixture, { DriverOpts: { [SYSCTLS]: 'net.ipv4.conf.IFNAME.nothing=1' } }),
    { message: /cannot set sysctl "net\.ipv4\.conf\.eth0\.nothing": the kernel has no such/ },
  );
});

test('a connect that fails half-way leaves nothing in the container, nor takes what it has', async () => {
  await using fixture = await openFixture();
  const { containers, networks } = fixture.engine;
  for (const Name of ['front', 'back']) await networks.create({ Name });
  const id = await start(fixture, {});
  const links = async (): Promise<string> => fixture.inside(id, 'ip -o link | cut -d " " -f 2');
  const before = await links();
  const bad = { DriverOpts: { [SYSCTLS]: 'net.ipv4.conf.IFNAME.nothing=1' } };
  await assert.rejects(networks.connect('back', { container: id, settings: bad }), /nothing/);
  assert.equal(await links(), before);
  const { State } = await containers.inspect(id);
  const own = `nsenter -t ${State.Pid} -n ip link`;
  onHost(`${own} add eth1 type veth peer name other`);
  await assert.rejects(networks.connect('back', { container: id, settings: {} }), /EEXIST/);
  assert.match(await links(), /eth1/, 'its own');
  onHost(`${own} del eth1`);
  await networks.connect('back', { container: id, settings: {} });
  assert.match(await links(), /eth1@/);
});

test('a container that does not run says anew how it will be on a network', async () => {
  await using fixture = await openFixture();
  const { containers, networks } = fixture.engine;
  await networks.create({ Name: 'front', IPAM: { Config: [{ Subnet: '10.61.0.0/24' }] } });
  const id = await start(fixture, { Aliases: ['one'] });
  const again = { container: id, settings: { Aliases: ['two'] } };
  await assert.rejects(networks.connect('front', again), { message: /already exists in network/ });
  await containers.stop(id, { timeoutSeconds: 0 });
  await networks.connect('front', again);
  await containers.start(id);
  const { NetworkSettings } = await containers.inspect(id);
  assert.deepEqual(NetworkSettings.Networks['front']?.Aliases, ['two']);
});

/** Versions of IP that the host has an address of on a bridge. */
function versionsOnHost(link: string): readonly string[] {
  const shown = execFileSync('ip', ['-o', 'address', 'show', 'dev', link, 'scope', 'global']);
  return [...String(shown).matchAll(/ (inet6?) /g)].map(([, version]) => version ?? '');
}

test('the host has no address on a network that is isolated from it, nor the one that inhibit_ipv4 leaves to the user', async () => {
  await using fixture = await openFixture();
  const { networks } = fixture.engine;
  const prefix = 'com.docker.network.bridge.';
  const make = async (Name: string, options: Readonly<Record<string, string>>): Promise<void> => {
    const Options = { [`${prefix}name`]: `${Name}0`, ...options };
    await networks.create({ Name, Options, Internal: Name === 'front' });
  };
  await make('plain', {});
  assert.deepEqual(versionsOnHost('plain0'), ['inet', 'inet6']);
  await make('own', { [`${prefix}inhibit_ipv4`]: 'true' });
  assert.deepEqual(versionsOnHost('own0'), ['inet6']);
  await make('front', {
    [`${prefix}gateway_mode_ipv4`]: 'isolated',
    [`${prefix}gateway_mode_ipv6`]: 'isolated',
  });
  assert.deepEqual(versionsOnHost('front0'), []);
  const web = await start(fixture, {});
  const { NetworkSettings } = await fixture.engine.containers.inspect(web);
  const address = NetworkSettings.Networks['front']?.IPAddress ?? '';
  const other = await start(fixture, {});
  await fixture.inside(web, 'echo found > /tmp/f; nc -l -p 80 < /tmp/f > /dev/null &');
  const reach = `until nc ${address} 80 < /dev/null > /tmp/o && grep -q found /tmp/o; do sleep 0.1; done; cat /tmp/o`;
  assert.equal(await fixture.inside(other, reach), 'found\n');
});
