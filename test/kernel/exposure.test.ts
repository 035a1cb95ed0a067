/** Who reaches what: what the engine says, and what packets do, from every place to every port. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExposedTo, ExposureWay } from '../../src/spec/exposure.ts';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';
import { get, HOST_ADDRESS, HOST_ADDRESS6, Lan } from './lan.ts';

const SERVER = [
  'sh',
  '-c',
  'mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www',
];
const READY =
  'i=0; until wget -q -O /dev/null http://127.0.0.1/; do i=$((i+1)); [ $i -lt 250 ]; sleep 0.02; done';

async function serve(
  fixture: EngineFixture,
  name: string,
  network: string,
  hostConfig: HostConfig = {},
): Promise<string> {
  const { containers } = fixture.engine;
  const config = { Cmd: SERVER, Hostname: name };
  const id = await fixture.create(config, { NetworkMode: network, ...hostConfig }, name);
  await containers.start(id);
  await fixture.inside(id, READY);
  return id;
}

/** As in a URL. */
const hostOf = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** Who asks from afar, and from which network. */
const networkOf = { out: 'bridge', far: 'dual2' } as const;

/** Containers that try every other one's own address. */
const PEERS = ['web', 'peer', 'deaf', 'dbpeer', 'held'];

const publish = (...bindings: readonly (readonly [string, string])[]): HostConfig => ({
  PortBindings: { '80/tcp': bindings.map(([HostIp, HostPort]) => ({ HostIp, HostPort })) },
});

/** What is dialled for a way: any address of the host stands for all. */
function dialled({ At, IsPublished }: ExposureWay, from: ExposedTo): readonly [string, number] {
  if (!IsPublished) return [At, 80];
  const [, ip = '', port = ''] = /^\[?(.+?)\]?:(\d+)$/.exec(At) ?? [];
  if (ip === '::') return [from === 'host' ? '::1' : HOST_ADDRESS6, Number(port)];
  if (ip !== '0.0.0.0') return [ip, Number(port)];
  return [from === 'host' ? '127.0.0.1' : HOST_ADDRESS, Number(port)];
}

test('exposure agrees with packets, from this machine, another one, other networks and the own one', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open('172.16.0.0/12', '10.99.0.0/24', '127.0.0.0/8');
  const { networks } = fixture.engine;
  await networks.create({ Name: 'front', EnableIPv6: false });
  await networks.create({
    Name: 'apart',
    EnableIPv6: false,
    Options: { 'com.docker.network.bridge.enable_icc': 'false' },
  });
  await networks.create({
    Name: 'inner',
    Internal: true,
    EnableIPv6: false,
    IPAM: { Config: [{ Subnet: '10.99.0.0/24' }] },
  });
  for (const Name of ['dual', 'dual2']) await networks.create({ Name });
  const everyone = publish(
    ['0.0.0.0', '8080'],
    ['127.0.0.1', '8081'],
    [HOST_ADDRESS, '8082'],
    ['::', '8086'],
    ['::1', '8087'],
    [HOST_ADDRESS6, '8088'],
  );
  const ids: Record<string, string> = {
    web: await serve(fixture, 'web', 'front', everyone),
    peer: await serve(fixture, 'peer', 'front'),
    lone: await serve(fixture, 'lone', 'apart', publish(['0.0.0.0', '8083'])),
    deaf: await serve(fixture, 'deaf', 'apart'),
    db: await serve(fixture, 'db', 'inner', publish(['0.0.0.0', '8084'])),
    dbpeer: await serve(fixture, 'dbpeer', 'inner'),
    held: await serve(fixture, 'held', 'front', {
      ...publish(['0.0.0.0', '8085']),
      CarveEgress: { Mode: 'deny', Allow: ['192.0.2.2', '*.example.org'] },
    }),
    out: await serve(fixture, 'out', 'bridge'),
    six: await serve(fixture, 'six', 'dual', publish(['::', '8089'], ['::1', '8090'])),
    far: await serve(fixture, 'far', 'dual2'),
    none: await serve(fixture, 'none', 'none'),
  };
  const inside = async (name: string, [address, port]: readonly [string, number]) =>
    fixture.inside(
      ids[name] ?? '',
      `timeout 3 wget -q -O - http://${hostOf(address)}:${port}/ 2>/dev/null || true`,
    );
  const { Containers } = await networks.exposure(undefined);
  assert.deepEqual(
    Containers.map(({ ContainerName, Reaches }) => `${ContainerName} ${Reaches}`),
    [
      'db nothing',
      'dbpeer nothing',
      'deaf everything',
      'far everything',
      'held list',
      'lone everything',
      'none nothing',
      'out everything',
      'peer everything',
      'six everything',
      'web everything',
    ],
  );
  const wrong: string[] = [];
  const asked: Promise<void>[] = [];
  let count = 0;
  for (const { ContainerName: name, Ways } of Containers) {
    for (const way of Ways) {
      const check = (from: ExposedTo, who: string, answer: string): void => {
        const isSaid = from === 'peers' ? way.Peers.includes(who) : way.From.includes(from);
        count += 1;
        if ((answer === `${name}\n`) !== isSaid)
          wrong.push(
            `${name} ${way.At} from ${who}: said ${isSaid}, got ${JSON.stringify(answer)}`,
          );
      };
      check('host', 'host', get(...dialled(way, 'host')));
      check('lan', 'lan', lan.get(...dialled(way, 'lan')));
      const asker = way.At.startsWith('[') ? 'far' : 'out';
      const far = way.Network === networkOf[asker] ? [] : [asker];
      asked.push(
        ...far.map(async (who) =>
          check('containers', who, await inside(who, dialled(way, 'containers'))),
        ),
      );
      const others = way.IsPublished ? [] : PEERS.filter((who) => who !== name);
      asked.push(
        ...others.map(async (who) => check('peers', who, await inside(who, dialled(way, 'peers')))),
      );
    }
  }
  await Promise.all(asked);
  assert.deepEqual(wrong, []);
  assert.ok(count > 40, String(count));
  assert.deepEqual((await networks.exposure('held')).Containers[0]?.Allowed, [
    ['192.0.2.2', '*.example.org'],
  ]);
  assert.deepEqual((await networks.exposure('none')).Containers[0]?.Ways, []);
});
