/** Rows N4 to N6, N11 and N12 of the weakness matrix: what is rewritten, in which order, and for whom. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';
import { get, HOST_ADDRESS, Lan, LAN_ADDRESS, onHost } from './lan.ts';

/** A web server that answers with its own name, and at /cgi-bin/who with who asks. */
const SERVER = String.raw`
  mkdir -p /www/cgi-bin; hostname > /www/index.html
  printf '#!/bin/sh\necho; echo $REMOTE_ADDR\n' > /www/cgi-bin/who; chmod 755 /www/cgi-bin/who
  exec httpd -f -h /www
`;

async function serve(fixture: EngineFixture, name: string, more: HostConfig): Promise<string> {
  const config = { Cmd: ['sh', '-c', SERVER], Hostname: name };
  const id = await fixture.create(config, { NetworkMode: 'bridge', ...more }, name);
  await fixture.engine.containers.start(id);
  await fixture.inside(id, 'until wget -q -O /dev/null http://127.0.0.1/; do sleep 0.02; done');
  return id;
}

const PUBLISHED: HostConfig = { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } };

/** What HTTP says to the container; asked again until somebody answers, five seconds at most. */
const fetch = async (fixture: EngineFixture, id: string, url: string): Promise<string> =>
  fixture.inside(id, `timeout 5 wget -q -O - http://${url} || true`);

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!holds()) {
    assert.ok(performance.now() < end, `never: ${what}`);
    await pause(20);
  }
}

test('N4: a port is rewritten for addresses of this host only; the same one of another host is reached there', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  const www = `${fixture.directory}/www`;
  mkdirSync(www);
  writeFileSync(`${www}/index.html`, 'lan\n');
  lan.serve(`busybox httpd -f -p 8080 -h ${www}`, 'busybox netstat -tln | grep -q :8080');
  const web = await serve(fixture, 'web', PUBLISHED);
  assert.equal(await fetch(fixture, web, `${LAN_ADDRESS}:8080`), 'lan\n');
  assert.equal(await fetch(fixture, web, `${HOST_ADDRESS}:8080`), 'web\n');
  await until('the host reaches the other', () => get(LAN_ADDRESS, 8080) === 'lan\n');
});

test('N5: without traffic between containers they do not reach each other, and ports are published as ever', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({
    Name: 'apart',
    Options: { 'com.docker.network.bridge.enable_icc': 'false' },
  });
  await using lan = await Lan.open();
  const web = await serve(fixture, 'web', { NetworkMode: 'apart', ...PUBLISHED });
  const other = await serve(fixture, 'other', { NetworkMode: 'apart' });
  const { NetworkSettings } = await fixture.engine.containers.inspect(web);
  const place = NetworkSettings.Networks['apart'];
  for (const address of [place?.IPAddress, `[${place?.GlobalIPv6Address}]`]) {
    const ask = `timeout 1 wget -q -O - http://${address}/ || true`;
    assert.equal(await fixture.inside(other, ask), '');
  }
  await until('it is published', () => lan.get(HOST_ADDRESS, 8080) === 'web\n');
});

test('N6: what an administrator’s own table drops is dropped, also of a published port', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  await serve(fixture, 'web', PUBLISHED);
  await until('it is published', () => lan.get(HOST_ADDRESS, 8080) === 'web\n');
  for (const priority of [-10, 10]) {
    onHost(`
      nft add table inet admin
      nft add chain inet admin own '{ type filter hook forward priority ${priority}; }'
      nft add rule inet admin own iifname carvelan0 tcp dport 80 drop
    `);
    assert.equal(lan.get(HOST_ADDRESS, 8080), '', `priority ${priority}`);
    onHost('nft delete table inet admin');
    await until('it is published', () => lan.get(HOST_ADDRESS, 8080) === 'web\n');
  }
});

test('N11: a service that trusts its own machine is asked from another address, whoever asks by a port', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  const web = await serve(fixture, 'web', PUBLISHED);
  const ask = (address: string): string =>
    `bash -c 'exec 3<>/dev/tcp/${address}/8080; printf "GET /cgi-bin/who HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3'`;
  const visitor = (answer: string): string => /\[::ffff:([\d.]+)\]/.exec(answer)?.[1] ?? answer;
  assert.equal(visitor(onHost(ask('127.0.0.1'))), '172.17.0.1');
  assert.match(visitor(onHost(ask(HOST_ADDRESS))), /^(172\.17\.0\.1|192\.0\.2\.1)$/);
  assert.equal(
    visitor(await fetch(fixture, web, `${HOST_ADDRESS}:8080/cgi-bin/who`)),
    '172.17.0.1',
  );
  assert.equal(visitor(lan.run(ask(HOST_ADDRESS))), LAN_ADDRESS);
});

for (const Driver of ['../../x', '/bin/sh', 'bridge/../x', ' ', 'Bridge'])
  test(`N12: a network driver is one that carve has, never a path: ${JSON.stringify(Driver)}`, async () => {
    await using fixture = await openFixture();
    const { networks } = fixture.engine;
    await assert.rejects(networks.create({ Name: 'any', Driver }), /driver|plugin/i);
  });
