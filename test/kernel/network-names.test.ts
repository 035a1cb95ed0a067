/** Names on networks, by the engine: who finds whom, resolv.conf, and a restart of the engine. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type EngineFixture, openFixture } from './engine-fixture.ts';

/** An idle container on a network. */
async function idle(fixture: EngineFixture, name: string, network: string): Promise<string> {
  const id = await fixture.create({ Cmd: ['sleep', '300'] }, { NetworkMode: network }, name);
  await fixture.engine.containers.start(id);
  return id;
}

/** Addresses that a program in the container is told of a name; empty: none. */
async function lookUp(fixture: EngineFixture, id: string, name: string): Promise<string> {
  const output = await fixture.inside(id, `nslookup -type=a ${name} 2>&1 || true`);
  const [, answer = ''] = output.split(/^Non-authoritative answer:$|^$/m).slice(0);
  return [...answer.matchAll(/^Address: (.+)$/gm)].map(([, address]) => address).join(' ');
}

async function addressOf(fixture: EngineFixture, id: string, network: string): Promise<string> {
  const { NetworkSettings } = await fixture.engine.containers.inspect(id);
  return NetworkSettings.Networks[network]?.IPAddress ?? '';
}

test('containers on a network of the user find each other by name, short id and alias; on the default bridge they do not', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({ Name: 'front', Internal: true });
  const web = await idle(fixture, 'web', 'front');
  const db = await idle(fixture, 'db', 'front');
  const plain = await idle(fixture, 'plain', 'bridge');
  const address = await addressOf(fixture, web, 'front');
  assert.match(address, /^\d+\.\d+\.\d+\.\d+$/);
  for (const name of ['web', 'WEB.front', web.slice(0, 12)])
    assert.equal(await lookUp(fixture, db, name), address, name);
  assert.match(
    await fixture.inside(db, `nslookup ${address}`),
    /name = web\.front/,
    'its address is told to be its',
  );
  assert.match(await fixture.inside(db, 'cat /etc/resolv.conf'), /^nameserver 127\.0\.0\.11$/m);
  assert.doesNotMatch(await fixture.inside(plain, 'cat /etc/resolv.conf'), /127\.0\.0\.11/);
  assert.equal(await lookUp(fixture, plain, 'web 127.0.0.11'), '');
});

test('N9: on an internal network names of the world are not asked for', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({ Name: 'inner', Internal: true });
  const id = await idle(fixture, 'job', 'inner');
  assert.match(await fixture.inside(id, 'nslookup secret.example. || true'), /SERVFAIL/);
});

test('connecting, renaming, disconnecting and stopping are known at once, also by resolv.conf', async () => {
  await using fixture = await openFixture();
  const { containers, networks } = fixture.engine;
  await networks.create({ Name: 'front', Internal: true });
  const web = await idle(fixture, 'web', 'front');
  const other = await idle(fixture, 'other', 'bridge');
  await networks.connect('front', { container: other, settings: { Aliases: ['twin'] } });
  assert.match(await fixture.inside(other, 'cat /etc/resolv.conf'), /^nameserver 127\.0\.0\.11$/m);
  const address = await addressOf(fixture, web, 'front');
  assert.equal(await lookUp(fixture, other, 'web'), address);
  assert.equal(await lookUp(fixture, web, 'twin'), await addressOf(fixture, other, 'front'));
  await containers.rename(web, 'www');
  assert.equal(await lookUp(fixture, other, 'www'), address);
  assert.equal(await lookUp(fixture, other, 'web.front'), '');
  await networks.disconnect('front', { container: other, force: false });
  assert.equal(await lookUp(fixture, web, 'twin.front'), '');
  assert.doesNotMatch(await fixture.inside(other, 'cat /etc/resolv.conf'), /127\.0\.0\.11/);
  await networks.connect('front', { container: other, settings: {} });
  await containers.stop(web, { timeoutSeconds: 0 });
  assert.equal(await lookUp(fixture, other, 'www.front'), '');
});

test('resolv.conf that a container edited is left alone', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({ Name: 'front', Internal: true });
  const id = await idle(fixture, 'other', 'bridge');
  await fixture.inside(id, 'echo nameserver 192.0.2.1 > /etc/resolv.conf');
  await fixture.engine.networks.connect('front', { container: id, settings: {} });
  assert.equal(await fixture.inside(id, 'cat /etc/resolv.conf'), 'nameserver 192.0.2.1\n');
  await fixture.engine.containers.restart(id, { timeoutSeconds: 0 });
  assert.equal(await fixture.inside(id, 'cat /etc/resolv.conf'), 'nameserver 192.0.2.1\n');
});

test('links: on the default bridge variables, and lines of hosts as long as the other runs; on a network of the user a name of its own', async () => {
  await using fixture = await openFixture();
  const { containers, networks } = fixture.engine;
  const db = await fixture.create(
    { Cmd: ['sleep', '300'], Env: ['PASSWORD=word'], ExposedPorts: { '5432/tcp': {} } },
    { NetworkMode: 'bridge' },
    'db',
  );
  const web = await fixture.create(
    { Cmd: ['sleep', '300'] },
    {
      NetworkMode: 'bridge',
      Links: ['db:database'],
      ExtraHosts: ['host.docker.internal:host-gateway'],
    },
    'web',
  );
  const missing = /^Cannot link to a non running container: \/db AS \/web\/database$/;
  await assert.rejects(containers.start(web), { message: missing });
  await containers.start(db);
  await containers.start(web);
  const address = await addressOf(fixture, db, 'bridge');
  const env = await fixture.inside(web, 'env');
  assert.match(env, new RegExp(`^DATABASE_PORT_5432_TCP=tcp://${address}:5432$`, 'm'));
  assert.match(env, /^DATABASE_ENV_PASSWORD=word$/m);
  const { Config, HostConfig } = await containers.inspect(web);
  assert.deepEqual(HostConfig.Links, ['/db:/web/database']);
  assert.doesNotMatch(JSON.stringify(Config), /word/, 'inspect does not tell the secret');
  const hosts = async (): Promise<string> => fixture.inside(web, 'cat /etc/hosts');
  const line = new RegExp(`^${address}\\tdatabase ${db.slice(0, 12)} db$`, 'm');
  assert.match(await hosts(), line);
  assert.match(await hosts(), /^172\.17\.0\.1\thost\.docker\.internal$/m);
  await containers.stop(db, { timeoutSeconds: 0 });
  assert.doesNotMatch(await hosts(), /database/);
  await containers.start(db);
  assert.match(await hosts(), /\tdatabase /);
  await networks.create({ Name: 'front', Internal: true });
  await networks.connect('front', { container: db, settings: {} });
  await networks.connect('front', { container: web, settings: { Links: ['db:storage'] } });
  assert.equal(await lookUp(fixture, web, 'storage'), await addressOf(fixture, db, 'front'));
  assert.equal(await lookUp(fixture, db, 'storage.front'), '');
});

test('names go on with the next engine', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({ Name: 'front', Internal: true });
  const web = await idle(fixture, 'web', 'front');
  const db = await idle(fixture, 'db', 'front');
  const address = await addressOf(fixture, web, 'front');
  assert.equal(await lookUp(fixture, db, 'web'), address);
  await fixture.close();
  await fixture.open();
  assert.equal(await lookUp(fixture, db, 'web'), address);
  assert.match(readFileSync('/proc/net/unix', 'utf8'), /names\.sock/);
});
