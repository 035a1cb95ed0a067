/** Rows N4 to N7, N11 and N12 of the weakness matrix: what is rewritten, in which order, and for whom. */

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

/** Says to everybody on the network that it is the router of 2001:db8:bad::/64, and of everything else. */
const ADVERTISE = String.raw`
  use Socket qw(:all);
  my ($index) = qx(ip -o link show dev eth0) =~ /^(\d+):/ or die;
  socket(my $s, AF_INET6, SOCK_RAW, 58) or die $!;
  setsockopt($s, 41, 18, pack('i', 255)) or die $!;
  my $advertisement = pack('CCnCCnNN', 134, 0, 0, 64, 0, 1800, 0, 0);
  my $prefix = pack('CCCCNNN', 3, 4, 64, 0xc0, 86400, 14400, 0) . inet_pton(AF_INET6, '2001:db8:bad::');
  send($s, $advertisement . $prefix, 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, 'ff02::1'), $index)) or die $!;
`;

test('N7: who advertises itself as a router is heard by neither the host nor its neighbours', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({ Name: 'dual' });
  const ids = [];
  for (const name of ['liar', 'peer'])
    ids.push(await serve(fixture, name, { NetworkMode: 'dual' }));
  const all = await Promise.all(ids.map(async (id) => fixture.engine.containers.inspect(id)));
  const [liar = 0, peer = 0] = all.map(({ State }) => State.Pid);
  const inPeer = (script: string): string => onHost(`nsenter -t ${peer} -n sh -ec '${script}'`);
  const known = 'ip -6 route; ip -6 addr show scope global';
  const before = [onHost(known), inPeer(known)];
  const heard = `awk '$1 == "Icmp6InRouterAdvertisements" { print $2 }'`;
  const there = () =>
    [onHost(`${heard} /proc/net/snmp6`), onHost(`${heard} /proc/${peer}/net/snmp6`)].map(Number);
  assert.deepEqual(there(), [0, 0]);
  writeFileSync(`${fixture.directory}/advertise.pl`, ADVERTISE);
  onHost(`nsenter -t ${liar} -n perl ${fixture.directory}/advertise.pl`);
  await until('it came to both', () => there().every((count) => count > 0));
  assert.deepEqual([onHost(known), inPeer(known)], before);
  // Nor does the host take another way because a container says so.
  const bridges = onHost('ls /proc/sys/net/ipv4/conf | grep ^br-').trim().split('\n');
  for (const bridge of bridges)
    assert.equal(onHost(`cat /proc/sys/net/ipv4/conf/${bridge}/accept_redirects`), '0\n');
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
