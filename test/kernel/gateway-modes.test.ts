/** Gateway modes of a bridge, and links it trusts: what another machine and other networks reach, and from which address containers speak. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ExposureWay } from '../../src/spec/exposure.ts';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { EngineFixture, openFixture } from './engine-fixture.ts';
import { get, HOST_ADDRESS, HOST_ADDRESS6, Lan, LAN_ADDRESS, onHost } from './lan.ts';

const PREFIX = 'com.docker.network.bridge.';

/** A web server on two ports that answers with its own name and with who asks. */
const SERVER = String.raw`
  mkdir -p /www/cgi-bin
  printf '#!/bin/sh\necho; echo $(hostname) $REMOTE_ADDR\n' > /www/cgi-bin/index.cgi
  chmod 755 /www/cgi-bin/index.cgi
  httpd -p 81 -h /www
  exec httpd -f -p 80 -h /www
`;

async function serve(
  fixture: EngineFixture,
  name: string,
  more: HostConfig,
): Promise<{ readonly id: string; readonly v4: string; readonly v6: string }> {
  const config = { Cmd: ['sh', '-c', SERVER], Hostname: name };
  const id = await fixture.create(config, { NetworkMode: name, ...more }, name);
  await fixture.engine.containers.start(id);
  const ready = (port: number) =>
    `until wget -q -O /dev/null http://127.0.0.1:${port}/cgi-bin/index.cgi; do sleep 0.02; done`;
  await fixture.inside(id, `${ready(80)}; ${ready(81)}`);
  const { NetworkSettings } = await fixture.engine.containers.inspect(id);
  const place = NetworkSettings.Networks[name];
  return { id, v4: place?.IPAddress ?? '', v6: place?.GlobalIPv6Address ?? '' };
}

async function make(
  { engine }: EngineFixture,
  Name: string,
  options: Readonly<Record<string, string>>,
): Promise<void> {
  const Options = Object.fromEntries(
    Object.entries(options).map(([key, value]) => [`${PREFIX}${key}`, value]),
  );
  const subnet = SUBNETS[Name];
  const Config = subnet === undefined ? [] : [{ Subnet: subnet }];
  await engine.networks.create({ Name, Options, IPAM: { Config } });
}

const SUBNETS: Readonly<Record<string, string>> = {
  routed: '10.60.0.0/24',
  bare: '10.61.0.0/24',
  trusting: '10.62.0.0/24',
  mixed: '10.63.0.0/24',
  plain: '10.60.1.0/24',
};

const both = (mode: string) => ({ gateway_mode_ipv4: mode, gateway_mode_ipv6: mode });
const PUBLISHED: HostConfig = { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } };

/** `NAME WHO` as HTTP says it; empty when nobody answers. Who asks is shown without the mapped prefix. */
const said = (answer: string): string => answer.trim().replace('::ffff:', '').replace(/[[\]]/g, '');

const shell = promisify(execFile);

/** The same request from three places. */
function places(fixture: EngineFixture, lan: Lan, asker: string) {
  const path = '/cgi-bin/index.cgi';
  const ask = async (before: readonly string[], address: string, port: number) => {
    const line = String.raw`exec 3<>/dev/tcp/${address}/${port} && printf "GET ${path} HTTP/1.0\r\n\r\n" >&3 && cat <&3`;
    const all = [...before, 'timeout', '1', 'bash', '-c', line];
    const { stdout } = await shell(all[0] ?? '', all.slice(1)).catch(() => ({ stdout: '' }));
    return said(stdout.trim().split('\n').at(-1) ?? '');
  };
  const url = (address: string, port: number) =>
    `http://${address.includes(':') ? `[${address}]` : address}:${port}${path}`;
  return {
    host: async (address: string, port: number) => ask([], address, port),
    lan: async (address: string, port: number) => ask(lan.entering(), address, port),
    other: async (address: string, port: number) =>
      said(await fixture.inside(asker, `timeout 1 wget -q -O - ${url(address, port)} || true`)),
  };
}

/** None of these is answered. */
async function nobody(answers: readonly Promise<string>[]): Promise<void> {
  assert.deepEqual(
    await Promise.all(answers),
    answers.map(() => ''),
  );
}

test('routed: published ports and nothing else are reached at the container’s address from everywhere, nobody is masqueraded, no port of the host is taken', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open('10.60.0.0/24', '172.16.0.0/12');
  await make(fixture, 'routed', both('routed'));
  await make(fixture, 'other', {});
  const PortBindings = {
    ...PUBLISHED.PortBindings,
    // For this machine alone.
    '81/tcp': ['127.0.0.1', '::1'].map((HostIp) => ({ HostIp, HostPort: '8081' })),
  };
  const web = await serve(fixture, 'routed', { PortBindings });
  const asker = await serve(fixture, 'other', {});
  const from = places(fixture, lan, asker.id);
  assert.equal(await from.lan(web.v4, 80), `routed ${LAN_ADDRESS}`);
  assert.equal(await from.lan(web.v6, 80), 'routed 2001:db8::2');
  await nobody([
    ...[web.v4, web.v6].flatMap((address) => [from.lan(address, 81), from.other(address, 81)]),
    ...[HOST_ADDRESS, HOST_ADDRESS6].flatMap((address) => [
      from.lan(address, 8080),
      from.host(address, 8080),
    ]),
    from.host('127.0.0.1', 8080),
  ]);
  for (const address of [web.v4, web.v6]) {
    assert.notEqual(await from.host(address, 81), '');
    // ICMP passes, as to any machine behind a router.
    assert.match(lan.run(`busybox ping -c 1 -W 2 ${address}`), / 0% packet loss/);
  }
  // Who comes from a network that is masqueraded comes from the host: the answer finds its way.
  assert.equal(await from.other(web.v4, 80), 'routed 10.60.0.1');
  assert.match(await from.other(web.v6, 80), /^routed f/);
  // The host's own address on the bridge is not a way to the host.
  assert.doesNotMatch(lan.run('busybox ping -c 1 -W 1 10.60.0.1 || true'), / 0% packet loss/);
  // The container speaks as itself, and is answered.
  const server = '/tmp/gateway-modes';
  onHost(`mkdir -p ${server}/cgi-bin && cat > ${server}/cgi-bin/who <<'END'
#!/bin/sh
echo; echo lan $REMOTE_ADDR
END
chmod 755 ${server}/cgi-bin/who`);
  lan.serve(`busybox httpd -f -p 8070 -h ${server}`, 'busybox netstat -tln | grep -q :8070');
  const who = async (id: string) =>
    said(await fixture.inside(id, `wget -q -O - http://${LAN_ADDRESS}:8070/cgi-bin/who`));
  assert.equal(await who(web.id), `lan ${web.v4}`);
  assert.equal(await who(asker.id), `lan ${HOST_ADDRESS}`);
  onHost(`rm -r ${server}`);
  const { NetworkSettings } = await fixture.engine.containers.inspect(web.id);
  assert.deepEqual(NetworkSettings.Ports, {
    '80/tcp': [
      { HostIp: '0.0.0.0', HostPort: '' },
      { HostIp: '::', HostPort: '' },
    ],
    '81/tcp': [
      { HostIp: '127.0.0.1', HostPort: '' },
      { HostIp: '::1', HostPort: '' },
    ],
  });
  const ways = (await fixture.engine.networks.exposure(web.id)).Containers[0]?.Ways ?? [];
  assert.deepEqual(
    ways.filter(({ IsPublished }) => IsPublished).map(({ Port }) => Port),
    ['80/tcp', '80/tcp'],
  );
  const opened = /elements = \{ 10\.60\.0\.2 \. tcp \. 80 \}/;
  assert.match(onHost('nft list ruleset'), opened);
  await fixture.engine.containers.remove(web.id, { force: true, volumes: false });
  assert.equal(get(web.v4, 80), '');
  const end = performance.now() + 10_000;
  while (opened.test(onHost('nft list ruleset')) && performance.now() < end) await pause(20);
  assert.doesNotMatch(onHost('nft list ruleset'), opened);
});

test('nat-unprotected: every port is reached by other machines, none by other networks; host ports and masquerade stay', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open('10.61.0.0/24');
  await make(fixture, 'bare', both('nat-unprotected'));
  await make(fixture, 'other', {});
  const web = await serve(fixture, 'bare', PUBLISHED);
  const asker = await serve(fixture, 'other', {});
  const from = places(fixture, lan, asker.id);
  for (const port of [80, 81]) {
    assert.equal(await from.lan(web.v4, port), `bare ${LAN_ADDRESS}`);
    assert.equal(await from.lan(web.v6, port), 'bare 2001:db8::2');
  }
  await nobody(
    [web.v4, web.v6].flatMap((address) => [80, 81].map((port) => from.other(address, port))),
  );
  assert.equal(await from.lan(HOST_ADDRESS, 8080), `bare ${LAN_ADDRESS}`);
  assert.notEqual(await from.other(HOST_ADDRESS, 8080), '');
});

test('trusted links reach published ports at the container’s address, and nothing else; other links do not', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open('10.62.0.0/24', '10.63.0.0/24');
  await make(fixture, 'trusting', { trusted_host_interfaces: 'nowhere0:carvelan0' });
  await make(fixture, 'mixed', {
    trusted_host_interfaces: 'nowhere0',
    gateway_mode_ipv6: 'routed',
  });
  const local: HostConfig = {
    PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] },
  };
  const web = await serve(fixture, 'trusting', local);
  const other = await serve(fixture, 'mixed', {
    PortBindings: { '80/tcp': [{ HostPort: '8081' }] },
  });
  const from = places(fixture, lan, other.id);
  assert.equal(await from.lan(web.v4, 80), `trusting ${LAN_ADDRESS}`);
  await nobody([
    from.lan(web.v4, 81),
    from.lan(HOST_ADDRESS, 8080),
    from.other(web.v4, 80),
    from.lan(other.v4, 80),
    from.lan(other.v6, 81),
    from.lan(HOST_ADDRESS6, 8081),
  ]);
  assert.notEqual(await from.host('127.0.0.1', 8080), '');
  // One family of a network routed, the other translated, with a trusted link that is not this one.
  assert.equal(await from.lan(HOST_ADDRESS, 8081), `mixed ${LAN_ADDRESS}`);
  assert.equal(await from.lan(other.v6, 80), 'mixed 2001:db8::2');
  const { NetworkSettings } = await fixture.engine.containers.inspect(other.id);
  assert.deepEqual(NetworkSettings.Ports['80/tcp'], [
    { HostIp: '0.0.0.0', HostPort: '8081' },
    { HostIp: '::', HostPort: '' },
  ]);
});

test('without masquerade a container speaks as itself and is answered; nothing of it is reached but what is published', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open('10.60.0.0/14');
  await make(fixture, 'plain', { enable_ip_masquerade: 'false' });
  await make(fixture, 'routed', both('routed'));
  await make(fixture, 'other', {});
  const web = await serve(fixture, 'plain', PUBLISHED);
  const behind = await serve(fixture, 'routed', {
    PortBindings: { '80/tcp': [{ HostPort: '8081' }] },
  });
  const asker = await serve(fixture, 'other', {});
  const from = places(fixture, lan, asker.id);
  onHost('mkdir -p /tmp/plain-lan && echo lan > /tmp/plain-lan/index.html');
  const serving = 'busybox httpd -f -p 8070 -h /tmp/plain-lan';
  lan.serve(serving, 'busybox netstat -tln | grep -q :8070');
  // The links of the other machine are new: it may take a second until IPv6 passes there.
  const ask = async (address: string) =>
    (
      await fixture.inside(
        web.id,
        `for i in 1 2 3 4 5 6 7 8; do timeout 1 wget -q -O - http://${address} && break; done || true`,
      )
    ).trim();
  assert.equal(await ask(`${LAN_ADDRESS}:8070/`), 'lan');
  assert.equal(await ask('[2001:db8::2]:8070/'), 'lan');
  onHost('rm -r /tmp/plain-lan');
  const path = '/cgi-bin/index.cgi';
  assert.equal(said(await ask(`${behind.v4}${path}`)), `routed ${web.v4}`);
  assert.equal(said(await ask(`[${behind.v6}]${path}`)), `routed ${web.v6}`);
  await nobody(
    [web.v4, web.v6].flatMap((address) =>
      [80, 81].flatMap((port) => [from.lan(address, port), from.other(address, port)]),
    ),
  );
  // Neither the container nor the host's own address on its bridge.
  const pings = [web.v4, web.v6, '10.60.1.1'].map(
    (address) => `{ busybox ping -c 1 -W 1 ${address} || true; } &`,
  );
  assert.doesNotMatch(lan.run(`${pings.join(' ')} wait`), / 0% packet loss/);
  assert.equal(await from.lan(HOST_ADDRESS, 8080), `plain ${LAN_ADDRESS}`);
});

test('exposure tells of the modes what packets do', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open('10.60.0.0/14');
  await make(fixture, 'routed', both('routed'));
  await make(fixture, 'bare', both('nat-unprotected'));
  await make(fixture, 'trusting', { trusted_host_interfaces: 'carvelan0' });
  await make(fixture, 'mixed', { gateway_mode_ipv6: 'routed' });
  await make(fixture, 'other', {});
  const published = (HostPort: string): HostConfig => ({
    PortBindings: { '80/tcp': [{ HostPort }] },
  });
  await serve(fixture, 'routed', published('8001'));
  await serve(fixture, 'bare', published('8002'));
  await serve(fixture, 'trusting', published('8003'));
  await serve(fixture, 'mixed', published('8004'));
  const asker = await serve(fixture, 'other', {});
  const from = places(fixture, lan, asker.id);
  const dialled = ({ At, IsPublished }: ExposureWay): readonly [string, number] => {
    if (!IsPublished) return [At, 81];
    const [, ip = '', port = ''] = /^\[?(.+?)\]?:(\d+)$/.exec(At) ?? [];
    if (ip === '0.0.0.0') return [HOST_ADDRESS, Number(port)];
    return [ip === '::' ? HOST_ADDRESS6 : ip, Number(port)];
  };
  const wrong: string[] = [];
  let count = 0;
  const { Containers } = await fixture.engine.networks.exposure(undefined);
  await Promise.all(
    Containers.filter(({ ContainerName }) => ContainerName !== 'other').flatMap(
      ({ ContainerName, Ways }) =>
        Ways.flatMap((way) =>
          (['host', 'lan', 'containers'] as const).map(async (place) => {
            const ask = place === 'containers' ? from.other : from[place];
            const got = await ask(...dialled(way));
            count += 1;
            if (got.startsWith(`${ContainerName} `) !== way.From.includes(place))
              wrong.push(
                `${ContainerName} ${way.At} from ${place}: said ${way.From.join()}, got ${got}`,
              );
          }),
        ),
    ),
  );
  assert.deepEqual(wrong, []);
  assert.ok(count >= 45, String(count));
});

test('an engine that comes back, and a table that somebody deleted, have the modes again', async () => {
  await using fixture = new EngineFixture();
  fixture.hasTableOwners = false;
  await fixture.open();
  await using lan = await Lan.open('10.60.0.0/24');
  await make(fixture, 'routed', both('routed'));
  const web = await serve(fixture, 'routed', PUBLISHED);
  const from = places(fixture, lan, web.id);
  const check = async (): Promise<void> => {
    assert.equal(await from.lan(web.v4, 80), `routed ${LAN_ADDRESS}`);
    assert.equal(await from.lan(web.v4, 81), '');
  };
  await check();
  await fixture.close();
  await fixture.open();
  await check();
  onHost("nft list tables | sed -n 's/^table/delete table/p' | nft -f -");
  const end = performance.now() + 10_000;
  while ((await from.lan(web.v4, 81)) !== '')
    assert.ok(performance.now() < end, 'never closed again');
  await check();
});
