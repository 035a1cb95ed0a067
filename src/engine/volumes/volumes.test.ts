import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { openRig, type Rig } from '../../../test/fakes/opened-engine.ts';
import { deferred } from '../../base/deferred.ts';
import { NameLocks } from './locks.ts';

const volumeEvents = (rig: Rig): readonly string[] =>
  rig.events
    .filter(({ Type }) => Type === 'volume')
    .map(({ Action, Actor }) => `${Action} ${Actor.ID}`);

const names = async (rig: Rig, filters = {}): Promise<readonly string[]> =>
  (await rig.engine.volumes.list(filters)).map(({ Name }) => Name);

test('locks by name: one at a time, several in order, nothing is kept', async () => {
  const locks = new NameLocks();
  const seen: string[] = [];
  const gate = deferred<void>();
  const first = locks.run(['b', 'a', 'a'], async () => {
    seen.push('first');
    await gate.promise;
  });
  const second = locks.run(['a', 'c'], () => void seen.push('second'));
  await locks.run(['c'], () => void seen.push('third'));
  await locks.run([], () => void seen.push('nobody'));
  gate.resolve();
  await Promise.all([first, second]);
  assert.deepEqual(seen, ['first', 'third', 'nobody', 'second']);
  await assert.rejects(
    locks.run(['a'], () => Promise.reject(new Error('x'))),
    /x/,
  );
  assert.equal(await locks.run(['a'], () => 'free'), 'free');
});

test('a volume is made once, listed, told of, and described as docker does', async () => {
  await using rig = await openRig();
  const { volumes } = rig.engine;
  const made = await volumes.create({ Name: 'data', Labels: { a: 'b' } });
  assert.deepEqual(await volumes.create({ Name: 'data', Driver: 'local' }), made);
  assert.deepEqual(made, {
    CreatedAt: made.CreatedAt,
    Driver: 'local',
    Labels: { a: 'b' },
    Mountpoint: `${rig.root}/volumes/data/_data`,
    Name: 'data',
    Options: null,
    Scope: 'local',
  });
  assert.match(made.CreatedAt ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const { Name, Labels } = await volumes.create({});
  assert.match(Name, /^[0-9a-f]{64}$/);
  assert.deepEqual(Labels, { 'com.docker.volume.anonymous': '' });
  assert.deepEqual(volumeEvents(rig), ['create data', `create ${Name}`]);
  await assert.rejects(volumes.inspect('nope'), /^EngineError: get nope: no such volume$/);
});

test('filters: dangling, driver, label, name; unknown ones and bad values are refused', async () => {
  await using rig = await openRig();
  await rig.engine.volumes.create({ Name: 'labelled', Labels: { a: 'b' } });
  await rig.create({}, { Binds: ['used:/u'] });
  assert.deepEqual(await names(rig, { dangling: ['1'] }), ['labelled']);
  assert.deepEqual(await names(rig, { dangling: ['0'] }), ['used']);
  assert.deepEqual(await names(rig, { label: ['a'] }), ['labelled']);
  assert.deepEqual(await names(rig, { label: ['a=c'] }), []);
  assert.deepEqual(await names(rig, { 'label!': ['a'] }), ['used']);
  assert.deepEqual(await names(rig, { name: ['^us', 'nothing'] }), ['used']);
  assert.deepEqual(await names(rig, { name: ['('] }), []);
  assert.deepEqual(await names(rig, { driver: ['other'] }), []);
  await assert.rejects(names(rig, { size: ['1'] }), /invalid filter 'size'/);
  await assert.rejects(names(rig, { dangling: ['maybe'] }), /invalid filter 'dangling=\[maybe\]'/);
});

test('in use, a volume is neither removed nor renamed nor pruned; who has it is said', async () => {
  await using rig = await openRig();
  const { volumes, containers } = rig.engine;
  const id = await rig.create({ Volumes: { '/anon': {} } }, { Binds: ['data:/d'] }, 'web');
  await assert.rejects(
    volumes.remove('data', { force: true }),
    new RegExp(`remove data: volume is in use - \\[${id}\\] \\(container web\\)`),
  );
  await assert.rejects(volumes.rename('data', 'other'), /rename data: volume is in use/);
  assert.deepEqual(await volumes.prune({ all: ['true'] }), { deleted: [], spaceReclaimedBytes: 0 });
  await containers.remove(id, { force: false, volumes: false });
  assert.equal((await volumes.prune({})).deleted.length, 1);
  assert.deepEqual(await names(rig), ['data']);
  await volumes.rename('data', 'other');
  await volumes.remove('other', { force: false });
  await volumes.remove('other', { force: true });
  await assert.rejects(volumes.remove('other', { force: false }), /no such volume/);
  for (const all of ['maybe', '2'])
    await assert.rejects(volumes.prune({ all: [all] }), /invalid filter 'all=/);
  await assert.rejects(volumes.prune({ until: ['1h'] }), /invalid filter 'until'/);
});

test('one prune at a time; labels; what names files elsewhere stays', async () => {
  await using rig = await openRig();
  const { volumes } = rig.engine;
  const o = { type: 'tmpfs', device: 'tmpfs' };
  await volumes.create({ Name: 'elsewhere', DriverOpts: o });
  await volumes.create({ Name: 'keep', Labels: { keep: '' } });
  await volumes.create({ Name: 'gone' });
  const both = await Promise.allSettled([
    volumes.prune({ all: ['1'], 'label!': ['keep'] }),
    volumes.prune({ all: ['1'] }),
  ]);
  assert.deepEqual(
    both.map((each) => (each.status === 'rejected' ? String(each.reason) : each.value.deleted)),
    [['gone'], 'EngineError: a prune operation is already running'],
  );
  assert.deepEqual(await names(rig), ['elsewhere', 'keep']);
});

test('a quota is set before anything is in the volume; without quotas nothing is left', async () => {
  await using rig = await openRig();
  const { volumes } = rig.engine;
  rig.copies.source = `${rig.directory}/files`;
  mkdirSync(rig.copies.source);
  await volumes.create({ Name: 'bounded', DriverOpts: { size: '1m' } });
  await volumes.clone('bounded', { Name: 'copy' });
  assert.deepEqual(
    rig.copies.limits.map(({ sizeBytes }) => sizeBytes),
    [2 ** 20, 2 ** 20],
  );
  rig.copies.hasQuotas = false;
  await assert.rejects(
    volumes.create({ Name: 'more', DriverOpts: { size: '1m' } }),
    /create more: .*no quota support/,
  );
  assert.deepEqual(await names(rig), ['bounded', 'copy']);
  await rig.close();
  assert.deepEqual(readdirSync(`${rig.root}/volumes`).toSorted(), ['bounded', 'copy']);
});

test('copies: named by time, labelled by their source, cancelled and failed ones are not there', async () => {
  await using rig = await openRig();
  const { volumes } = rig.engine;
  rig.copies.source = `${rig.directory}/files`;
  mkdirSync(rig.copies.source);
  writeFileSync(`${rig.copies.source}/a`, '');
  await volumes.create({ Name: 'data', Labels: { a: 'b' } });
  const snapshot = await volumes.snapshot('data', { Labels: { c: 'd' } });
  assert.match(snapshot.Name, /^data-\d{8}-\d{6}$/);
  assert.deepEqual(snapshot.Labels, { a: 'b', c: 'd', 'io.carve.volume.source': 'data' });
  assert.deepEqual(readdirSync(snapshot.Mountpoint), ['a']);
  assert.notEqual((await volumes.clone('data', {})).Name, snapshot.Name);
  rig.copies.beforeCopy = async () => volumes.remove('data', { force: false });
  await assert.rejects(volumes.clone('data', { Name: 'late' }), /was removed while it was copied/);
  rig.copies.source = undefined;
  rig.copies.beforeCopy = async () => undefined;
  await assert.rejects(volumes.clone(snapshot.Name, { Name: 'late' }), /its directory is gone/);
  assert.equal((await names(rig)).includes('late'), false);
  const id = await rig.create({}, { Binds: [`${snapshot.Name}:/s:rw`] });
  const [mount] = (await rig.engine.containers.inspect(id)).Mounts;
  assert.equal(mount?.RW, false);
});

test('sixty-four containers at once share one new volume, filled once', async () => {
  await using rig = await openRig();
  rig.copies.source = `${rig.directory}/files`;
  mkdirSync(rig.copies.source);
  writeFileSync(`${rig.copies.source}/a`, '');
  // The only place where the made-up image has anything.
  const ids = await Promise.all(
    Array.from({ length: 64 }, async () => rig.create({}, { Binds: ['data:/.dockerenv'] })),
  );
  assert.equal(new Set(ids).size, 64);
  assert.equal(rig.copies.requests.length, 1);
  assert.deepEqual(volumeEvents(rig), ['create data']);
});

test('what a crash left of renaming and staging is finished or gone', async () => {
  await using rig = await openRig();
  const { volumes } = rig.engine;
  await volumes.create({ Name: 'old' });
  await volumes.rename('old', 'new');
  await rig.close();
  // As if the daemon had died between the row and the directory.
  const { renameSync } = await import('node:fs');
  renameSync(`${rig.root}/volumes/new`, `${rig.root}/volumes/old`);
  mkdirSync(`${rig.root}/volumes/.new-1-2-3`);
  mkdirSync(`${rig.root}/volumes/new-leftover`);
  await rig.open();
  assert.deepEqual(await names(rig), ['new']);
  assert.equal(existsSync(`${rig.root}/volumes/new/_data`), true);
  await rig.close();
  assert.deepEqual(readdirSync(`${rig.root}/volumes`), ['new']);
});

test('a plan of a run shows where its volumes are and would be, and makes none', async () => {
  await using rig = await openRig();
  await rig.engine.volumes.create({ Name: 'there' });
  await rig.engine.containers.planRun({
    config: { Image: 'busybox', Volumes: { '/anonymous': {} } },
    hostConfig: { NetworkMode: 'none', Binds: ['there:/a', 'later:/b'] },
    endpoints: {},
  });
  const sources = rig.runtime.planned
    .flatMap(({ spec }) => spec.mounts ?? [])
    .filter(({ destination }) => ['/a', '/b', '/anonymous'].includes(destination))
    .map(({ source }) => source?.slice(rig.root.length));
  const wanted = ['later', 'new', 'there'].map((name) => `/volumes/${name}/_data`);
  assert.deepEqual(new Set(sources), new Set(wanted));
  assert.deepEqual(await names(rig), ['there']);
});
