/**
 * A daemon killed at any moment of connecting and disconnecting: what the
 * container has is what the next engine says, and nothing is left of the rest.
 * `CARVE_KILLS=1000` for a long run.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { EngineFixture } from '../kernel/engine-fixture.ts';

const KILLS = Number(process.env['CARVE_KILLS'] ?? '12');
/** Milliseconds for all of them; a kill with its recovery takes some 350. */
const TIMEOUT_MS = 120_000 + 1_000 * KILLS;
/** Milliseconds after the victim is ready; a connect takes some ten. */
const LATEST_MS = 80;

/** Kill a victim `delayMs` after it began. */
async function killOne(fixture: EngineFixture, container: string, delayMs: number): Promise<void> {
  const program = join(import.meta.dirname, 'join-victim.ts');
  const words = [program, fixture.directory, fixture.engineId, container];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  await once(child.stdout, 'data');
  await pause(delayMs);
  child.kill('SIGKILL');
  await closed;
}

/** Interfaces of the container, and the networks the engine says it is on, agree. */
async function checkTruth(fixture: EngineFixture, id: string): Promise<void> {
  const { State, NetworkSettings } = await fixture.engine.containers.inspect(id);
  const words = ['-t', String(State.Pid), '-n', 'cat', '/proc/net/dev'];
  const interfaces = execFileSync('nsenter', words, { encoding: 'utf8' }).match(/eth\d+/g) ?? [];
  const live = Object.values(NetworkSettings.Networks).filter(
    ({ EndpointID }) => EndpointID !== '',
  );
  assert.equal(interfaces.length, live.length, JSON.stringify(NetworkSettings.Networks));
  for (const name of ['red', 'blue']) {
    const { Containers } = await fixture.engine.networks.inspect(name);
    const isOn = Object.hasOwn(NetworkSettings.Networks, name);
    assert.deepEqual(Object.keys(Containers), isOn ? [id] : []);
  }
}

/** Links of the host for containers, by name. */
function hostLinks(): readonly string[] {
  return (
    execFileSync('cat', ['/proc/net/dev'], { encoding: 'utf8' }).match(/cv[0-9a-f]{12}/g) ?? []
  );
}

test(`row 49: ${KILLS} kills in the middle of connecting and disconnecting leave nothing`, {
  timeout: TIMEOUT_MS,
}, async () => {
  await using fixture = new EngineFixture();
  const { networks, containers } = await fixture.open();
  // A /29 has five addresses for containers: one that leaks is soon missed.
  for (const [index, Name] of ['red', 'blue'].entries()) {
    const Config = [{ Subnet: `10.98.${index}.0/29` }];
    await networks.create({ Name, EnableIPv6: false, IPAM: { Config } });
  }
  const id = await fixture.create({ Cmd: ['sleep', '1000'] }, { NetworkMode: 'bridge' });
  await containers.start(id);
  await fixture.close();
  for (let kill = 0; kill < KILLS; kill += 1) {
    await killOne(fixture, id, (kill * 37) % LATEST_MS);
    await fixture.open();
    await checkTruth(fixture, id);
    await fixture.close();
  }
  const engine = await fixture.open();
  for (const name of ['red', 'blue']) {
    await engine.networks.disconnect(name, { container: id, force: true }).catch(() => undefined);
    for (let round = 0; round < 6; round += 1) {
      await engine.networks.connect(name, { container: id, settings: {} });
      await engine.networks.disconnect(name, { container: id, force: false });
    }
  }
  assert.equal(hostLinks().length, 1, 'the one of the default bridge');
  await engine.containers.remove(id, { force: true });
  for (const name of ['red', 'blue']) await engine.networks.remove(name);
});
