/** The daemon killed again and again while containers send where they may not: nothing arrives, and what ended meanwhile is let go. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { probeFeatures } from '../../src/kernel/features.ts';
import { countAt, flood } from '../kernel/flood.ts';
import { Lan, LAN_ADDRESS, onHost } from '../kernel/lan.ts';
import { DaemonFixture, isGone, until } from './daemon-fixture.ts';

const { kernel } = probeFeatures();
const isOwned = kernel.major > 6 || (kernel.major === 6 && kernel.minor >= 9);

const guard = (engine: DaemonFixture): string => `carve-${engine.engineId.slice(0, 12)}-guard`;

/** Addresses that the kernel holds to a policy. */
function heldAddresses(engine: DaemonFixture): readonly string[] {
  const set = onHost(`nft list set inet ${guard(engine)} egress-guarded4`);
  return (/elements = \{([^}]*)\}/.exec(set)?.[1] ?? '').match(/[\d.]+/g) ?? [];
}

async function addressOf(engine: DaemonFixture, id: string, network: string): Promise<string> {
  const { json } = await engine.api('GET', `/containers/${id}/json`);
  const { NetworkSettings } = json as {
    NetworkSettings: { Networks: Record<string, { IPAddress: string } | undefined> };
  };
  return NetworkSettings.Networks[network]?.IPAddress ?? '';
}

test('a killed daemon leaves its tables: nobody reaches more, with a daemon or without', async () => {
  const leaks = await DaemonFixture.using(async (engine) => {
    await using lan = await Lan.open('172.16.0.0/12');
    for (const Name of ['red', 'blue'])
      assert.equal((await engine.api('POST', '/networks/create', { Name })).status, 201);
    const start = async (name: string, HostConfig: object): Promise<string> => {
      const id = await engine.create(name, ['sleep', '1000'], { HostConfig });
      await engine.startContainer(id);
      return id;
    };
    const deny = { CarveEgress: { Mode: 'deny', Allow: ['198.51.100.0/24'] } };
    const held = await start('held', { NetworkMode: 'red', ...deny });
    const brief = await start('brief', { NetworkMode: 'red', ...deny });
    const blue = await start('blue', { NetworkMode: 'blue' });
    const pidOf = async (id: string): Promise<number> => (await engine.state(id)).Pid;
    const pids = { held: await pidOf(held), brief: await pidOf(brief), blue: await pidOf(blue) };
    const enter = (pid: number): readonly string[] => ['nsenter', '-t', String(pid), '-n'];
    const blueAddress = await addressOf(engine, blue, 'blue');
    const addresses = [await addressOf(engine, held, 'red'), await addressOf(engine, brief, 'red')];
    const counted = [countAt(enter(pids.blue)), countAt(lan.entering())];
    await using _out = await flood(enter(pids.held), blueAddress, LAN_ADDRESS);
    await using _in = await flood(lan.entering(), blueAddress);
    for (let times = 0; times < 3; times += 1) {
      await engine.end('SIGKILL');
      if (isOwned) onHost('nft flush ruleset');
      assert.deepEqual(heldAddresses(engine).toSorted(), addresses.toSorted());
      if (times === 2) {
        process.kill(pids.brief, 'SIGKILL');
        await until('it is gone', () => isGone(pids.brief));
      }
      await engine.start();
      if (isOwned) {
        onHost('nft flush ruleset');
        assert.throws(() => onHost(`nft delete table inet ${guard(engine)} 2>&1`), {
          stdout: /Operation not permitted/,
        });
      }
    }
    assert.deepEqual(
      counted.map((count) => count()),
      [0, 0],
    );
    assert.deepEqual(heldAddresses(engine), [addresses[0]], 'who ended meanwhile is let go');
    // Who has its address next is free.
    const next = await start('next', { NetworkMode: 'red' });
    assert.equal(await addressOf(engine, next, 'red'), addresses[1]);
    onHost(`${enter(await pidOf(next)).join(' ')} busybox ping -c1 -W5 ${LAN_ADDRESS}`);
  });
  assert.deepEqual(leaks, []);
});
