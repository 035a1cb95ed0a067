/** Containers in the network namespace of another one keep it when that one ends: without its links, addresses and policy. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';
import { Lan, LAN_ADDRESS, onHost } from './lan.ts';

async function start(fixture: EngineFixture, name: string, more: HostConfig): Promise<string> {
  const id = await fixture.create({ Cmd: ['sleep', '1000'] }, more, name);
  await fixture.engine.containers.start(id);
  return id;
}

async function serving(fixture: EngineFixture, lan: Lan): Promise<void> {
  const root = `${fixture.directory}/lan`;
  mkdirSync(root);
  writeFileSync(`${root}/index.html`, 'lan\n');
  lan.serve(`busybox httpd -f -p 80 -h ${root}`, 'busybox netstat -tln | grep -q :80');
}

const ask = async (fixture: EngineFixture, id: string): Promise<string> =>
  fixture.inside(id, `timeout 2 wget -q -O - http://${LAN_ADDRESS}/ || true`);

/** The ends of containers' links in the host. */
const ports = (): string =>
  onHost("ls /sys/class/net /proc/sys/net/ipv4/conf | grep '^cv' || true");

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!holds()) {
    assert.ok(performance.now() < end, `never: ${what}`);
    await pause(20);
  }
}

const HELD: HostConfig = { NetworkMode: 'one', CarveEgress: { Mode: 'deny', Allow: [] } };

for (const isAway of [false, true])
  test(`who shares the network of a held container that ended is let out no more than before${isAway ? ', also when no engine lived then' : ''}`, async () => {
    await using fixture = await openFixture();
    await using lan = await Lan.open();
    await serving(fixture, lan);
    const { networks, containers } = fixture.engine;
    // There is one address besides the gateway's.
    const IPAM = { Config: [{ Subnet: '10.77.0.0/30' }] };
    await networks.create({ Name: 'one', EnableIPv6: false, IPAM });
    const held = await start(fixture, 'held', HELD);
    const sharer = await start(fixture, 'sharer', { NetworkMode: `container:${held}` });
    assert.equal(await ask(fixture, sharer), '');
    const { State } = await containers.inspect(held);
    if (isAway) await fixture.close();
    onHost(`kill -KILL ${State.Pid}`);
    if (isAway) await fixture.open();
    await fixture.engine.containers.wait(held, 'not-running').result;
    await until('its link is gone', () => ports() === '');
    assert.equal(await ask(fixture, sharer), '');
    // Its address is free, and nobody else has it.
    const next = await start(fixture, 'next', { NetworkMode: 'one' });
    assert.equal(await ask(fixture, next), 'lan\n');
    assert.doesNotMatch(await fixture.inside(sharer, 'ip addr'), /10\.77\./);
    // The other way round nothing is taken from anybody.
    const guest = await start(fixture, 'guest', { NetworkMode: `container:${next}` });
    await fixture.engine.containers.remove(guest, { force: true, volumes: false });
    assert.equal(await ask(fixture, next), 'lan\n');
  });
