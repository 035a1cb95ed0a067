import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { settle } from '../../../test/fakes/clock.ts';
import { openRig } from '../../../test/fakes/opened-engine.ts';

test('a running container is found again and its exit is told', async () => {
  await using rig = await openRig();
  const id = await rig.create({}, {}, 'web');
  await rig.engine.containers.start(id);
  const before = await rig.engine.containers.inspect(id);
  const { containers } = await rig.reopen();
  const after = await containers.inspect('web');
  assert.deepEqual(after.State, before.State);
  rig.process(id).exit(5);
  await settle();
  assert.equal((await containers.inspect(id)).State.ExitCode, 5);
  assert.deepEqual(rig.warnings, []);
});

test('an exit while no engine ran is the truth afterwards', async () => {
  await using rig = await openRig();
  const id = await rig.create();
  await rig.engine.containers.start(id);
  await rig.close();
  rig.process(id).exit(9, { isOomKilled: true, code: 137 });
  const { containers } = await rig.open();
  const { State } = await containers.inspect(id);
  assert.deepEqual([State.Status, State.ExitCode, State.OOMKilled], ['exited', 137, true]);
});

test('an exit nobody knows is code 255', async () => {
  await using rig = await openRig();
  const id = await rig.create();
  await rig.engine.containers.start(id);
  await rig.close();
  rig.world.processes.delete(id);
  const { containers } = await rig.open();
  assert.equal((await containers.inspect(id)).State.ExitCode, 255);
});

test('a start that was never acknowledged is completed', async () => {
  await using rig = await openRig();
  const id = await rig.create();
  await rig.engine.containers.start(id);
  await rig.close();
  forgetStart(rig.root);
  const { containers } = await rig.open();
  assert.equal((await containers.inspect(id)).State.Status, 'running');
  await rig.close();
  forgetStart(rig.root);
  rig.process(id).exit(4);
  const again = await rig.open();
  assert.deepEqual(
    [
      (await again.containers.inspect(id)).State.Status,
      (await again.containers.inspect(id)).State.ExitCode,
    ],
    ['exited', 4],
  );
});

/** As if the engine had died between the process and the record. */
function forgetStart(root: string): void {
  const database = new DatabaseSync(`${root}/state.db`);
  database.exec(
    `UPDATE container_states SET state = json_set(state, '$.phase', 'created', '$.startedAtNs', '0', '$.process', NULL)`,
  );
  database.close();
}

test('the freezer follows the record', async () => {
  await using rig = await openRig();
  const paused = await rig.create();
  const running = await rig.create();
  for (const id of [paused, running]) await rig.engine.containers.start(id);
  await rig.engine.containers.pause(paused);
  await rig.close();
  rig.process(paused).isFrozen = false;
  rig.process(running).isFrozen = true;
  const { containers } = await rig.open();
  assert.equal(rig.process(paused).isFrozen, true);
  assert.equal(rig.process(running).isFrozen, false);
  assert.equal((await containers.inspect(paused)).State.Status, 'paused');
});

test('directories, snapshots, run directories and processes without a row are removed', async () => {
  await using rig = await openRig();
  const kept = await rig.create();
  await rig.engine.containers.start(kept);
  const lost = await rig.create();
  await rig.engine.containers.start(lost);
  await rig.close();
  const database = new DatabaseSync(`${rig.root}/state.db`);
  database.exec(`DELETE FROM containers WHERE id = '${lost}'`);
  database.close();
  mkdirSync(`${rig.root}/containers/${'f'.repeat(64)}`);
  mkdirSync(`${rig.run}/c/${'f'.repeat(64)}`);
  await rig.open();
  await settle();
  assert.deepEqual(readdirSync(`${rig.root}/containers`), [kept]);
  assert.deepEqual(readdirSync(`${rig.run}/c`), [kept]);
  assert.equal(readdirSync(`${rig.root}/snapshots/snapshots`).length, 1);
  assert.equal(rig.process(lost).record?.code, 137);
  assert.equal(rig.process(kept).record, undefined);
});

test('a container that lost its files is dead, or rolled back when it never ran', async () => {
  await using rig = await openRig();
  const ran = await rig.create({}, {}, 'ran');
  const fresh = await rig.create({}, {}, 'fresh');
  await rig.engine.containers.start(ran);
  rig.process(ran).exit(0);
  await settle();
  await rig.close();
  rmSync(`${rig.root}/snapshots/snapshots`, { recursive: true });
  const { containers } = await rig.open();
  assert.equal((await containers.inspect('ran')).State.Status, 'dead');
  await assert.rejects(containers.start('ran'), { kind: 'conflict' });
  await assert.rejects(containers.inspect(fresh), { kind: 'not-found' });
  await containers.remove('ran');
});

test('a damaged record spoils no other and can be removed', async () => {
  await using rig = await openRig();
  await rig.create({}, {}, 'good');
  await rig.create({}, {}, 'bad');
  await rig.close();
  const database = new DatabaseSync(`${rig.root}/state.db`);
  database.exec(`UPDATE containers SET request = '{"mounts":' WHERE name = 'bad'`);
  database.close();
  const { containers } = await rig.open();
  assert.equal((await containers.inspect('good')).State.Status, 'created');
  const bad = await containers.inspect('bad');
  assert.equal(bad.State.Status, 'dead');
  assert.match(bad.State.Error, /damaged/);
  assert.equal((await containers.list({ all: true, size: false, filters: {} })).length, 2);
  await containers.remove('bad');
  await rig.reopen();
  await assert.rejects(rig.engine.containers.inspect('bad'), { kind: 'not-found' });
});

test('restart policies at the opening: always starts what a user stopped, unless-stopped does not', async () => {
  await using rig = await openRig();
  const ids = new Map<string, string>();
  for (const policy of ['always', 'unless-stopped', 'no'] as const) {
    const id = await rig.create({}, { RestartPolicy: { Name: policy } }, policy);
    ids.set(policy, id);
    await rig.engine.containers.start(id);
    await rig.engine.containers.stop(id);
  }
  await rig.create({}, { RestartPolicy: { Name: 'always' } }, 'never-started');
  const { containers } = await rig.reopen();
  await settle();
  const status = async (name: string): Promise<string> =>
    (await containers.inspect(name)).State.Status;
  assert.deepEqual(
    [
      await status('always'),
      await status('unless-stopped'),
      await status('no'),
      await status('never-started'),
    ],
    ['running', 'exited', 'exited', 'created'],
  );
});

test('a wait for a restart goes on after the opening', async () => {
  await using rig = await openRig();
  const id = await rig.create({}, { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } });
  await rig.engine.containers.start(id);
  rig.process(id).exit(1);
  await settle();
  const { containers } = await rig.reopen();
  assert.equal((await containers.inspect(id)).State.Status, 'restarting');
  await rig.clock.advance(100);
  const { State, RestartCount } = await containers.inspect(id);
  assert.deepEqual([State.Status, RestartCount], ['running', 1]);
});

test('an AutoRemove container that ended meanwhile is removed at the opening', async () => {
  await using rig = await openRig();
  const id = await rig.create({}, { AutoRemove: true });
  await rig.engine.containers.start(id);
  await rig.close();
  rig.process(id).exit(0);
  await rig.open();
  await settle();
  assert.deepEqual(readdirSync(`${rig.root}/containers`), []);
});

test('a second engine on one root is refused with a clear sentence', async () => {
  await using rig = await openRig();
  const { openDatabase } = await import('../state/database.ts');
  const { MIGRATIONS } = await import('../state/schema.ts');
  const { hostPath } = await import('../../base/host-path.ts');
  const options = {
    path: hostPath(`${rig.root}/state.db`),
    migrations: MIGRATIONS,
    describeOwner: () => 'process 42',
  };
  assert.throws(() => openDatabase(options), {
    kind: 'in-use',
    message: `Cannot use ${rig.root}/state.db: another carve engine (process 42) has it open`,
  });
});

test('hundred running containers are found again within a second', async () => {
  await using rig = await openRig();
  for (let count = 0; count < 100; count++) await rig.engine.containers.start(await rig.create());
  await rig.close();
  const begin = performance.now();
  await rig.open();
  const tookMs = performance.now() - begin;
  const running = await rig.engine.containers.list({ all: false, size: false, filters: {} });
  assert.equal(running.length, 100);
  assert.ok(tookMs < 1000, `took ${tookMs} ms`);
});

test('files of a half-written state directory do no harm', async () => {
  await using rig = await openRig();
  const id = await rig.create();
  await rig.close();
  writeFileSync(`${rig.root}/containers/${id}/exit.tmp`, 'torn');
  const { containers } = await rig.open();
  assert.equal(await containers.start(id), true);
});

test('endpoints that cannot be read are told, and their container runs on', async () => {
  await using rig = await openRig();
  await rig.engine.networks.create({ Name: 'front' });
  const id = await rig.create({}, { NetworkMode: 'front' });
  await rig.engine.containers.start(id);
  const file = `${rig.run}/c/${id}/endpoints`;
  const whole = readFileSync(file, 'utf8');
  writeFileSync(file, whole.slice(0, 40));
  const { containers } = await rig.reopen();
  const { State, NetworkSettings } = await containers.inspect(id);
  assert.deepEqual([State.Running, NetworkSettings.Networks['front']?.IPAddress], [true, '']);
  assert.match(rig.warnings.join('\n'), /endpoints of a running container cannot be read/);
  writeFileSync(file, whole);
  const again = await (await rig.reopen()).containers.inspect(id);
  assert.equal(again.NetworkSettings.Networks['front']?.IPAddress, '172.18.0.2');
});
