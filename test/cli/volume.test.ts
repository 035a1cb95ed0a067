/** `carve volume …`: what is asked of the engine, and what is printed. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCli } from '../../src/cli/main.ts';
import { parseMount } from '../../src/cli/create/mounts.ts';
import { type FakeRoutes, startFakeEngine } from './fake-engine.ts';
import { testIo, type TestIoOptions } from './test-io.ts';

async function run(routes: FakeRoutes, argv: readonly string[], options: TestIoOptions = {}) {
  await using engine = await startFakeEngine(routes);
  const io = testIo(options);
  const code = await runCli(['-H', engine.host, 'volume', ...argv], io);
  const requests = engine.requests.filter(({ path }) => path !== '/_ping');
  return {
    code,
    out: io.out(),
    err: io.err(),
    calls: engine.calls(),
    queries: requests.map(({ query }) => query),
    bodies: requests.map(({ json, body }) => json ?? body.toString()),
  };
}

const volume = (Name: string, Labels: object | null = null) => ({
  Name,
  Driver: 'local',
  Mountpoint: `/v/${Name}/_data`,
  CreatedAt: '2026-11-29T00:00:00Z',
  Labels,
  Options: null,
  Scope: 'local',
});

test('create: name, driver, options and labels; two names are refused', async () => {
  const routes: FakeRoutes = {
    'POST /volumes/create': () => ({ status: 201, json: volume('data') }),
  };
  const argv = [
    'create',
    '-d',
    'local',
    '-o',
    'type=nfs',
    '-o',
    'o=addr=1.2.3.4,ro',
    '--label',
    'a',
    'data',
  ];
  const { code, out, bodies } = await run(routes, argv);
  assert.deepEqual([code, out], [0, 'data\n']);
  assert.deepEqual(bodies, [
    {
      Name: 'data',
      Driver: 'local',
      DriverOpts: { type: 'nfs', o: 'addr=1.2.3.4,ro' },
      Labels: { a: '' },
    },
  ]);
  const both = await run(routes, ['create', '--name', 'a', 'b']);
  assert.equal(both.code, 125);
  assert.match(both.err, /conflicting options/);
});

test('ls: a table by name, names alone, templates, filters', async () => {
  const routes: FakeRoutes = {
    'GET /volumes': () => ({
      json: { Volumes: [volume('two'), volume('one', { a: 'b' })], Warnings: null },
    }),
  };
  assert.equal(
    (await run(routes, ['ls'])).out,
    'DRIVER    VOLUME NAME\nlocal     one\nlocal     two\n',
  );
  assert.equal((await run(routes, ['list', '-q'])).out, 'one\ntwo\n');
  const format = '{{.Name}} {{.Label "a"}} {{.Labels}} {{.Mountpoint}} {{.Size}} {{.Links}}';
  assert.equal(
    (await run(routes, ['ls', '--format', format])).out,
    'one b a=b /v/one/_data N/A N/A\ntwo   /v/two/_data N/A N/A\n',
  );
  const filtered = await run(routes, ['ls', '-f', 'dangling=true', '-f', 'label=a']);
  assert.deepEqual(filtered.queries, [{ filters: '{"dangling":["true"],"label":["a"]}' }]);
  assert.equal(
    (await run({ 'GET /volumes': () => ({ json: { Volumes: null } }) }, ['ls', '-q'])).out,
    '',
  );
});

test('rm, inspect, prune', async () => {
  const missing = { status: 404, json: { message: 'get b: no such volume' } };
  const removed = await run(
    { 'DELETE /volumes/a': () => ({ status: 204 }), 'DELETE /volumes/b': () => missing },
    ['rm', '-f', 'a', 'b'],
  );
  assert.deepEqual([removed.code, removed.out], [1, 'a\n']);
  assert.match(removed.err, /get b: no such volume/);
  assert.deepEqual(removed.queries[0], { force: '1' });
  const inspected = await run({ 'GET /volumes/a': () => ({ json: volume('a') }) }, [
    'inspect',
    '-f',
    '{{.Name}}',
    'a',
  ]);
  assert.equal(inspected.out, 'a\n');
  const routes: FakeRoutes = {
    'POST /volumes/prune': () => ({ json: { VolumesDeleted: ['x'], SpaceReclaimed: 1500 } }),
  };
  const pruned = await run(routes, ['prune', '-a', '-f', '--filter', 'label=k']);
  assert.equal(pruned.out, 'Deleted Volumes:\nx\n\nTotal reclaimed space: 1.5kB\n');
  assert.deepEqual(pruned.queries, [{ filters: '{"label":["k"],"all":["true"]}' }]);
  assert.deepEqual((await run(routes, ['prune'], { stdin: 'n\n' })).calls, []);
});

test('clone, snapshot, rename', async () => {
  const made = () => ({ status: 201, json: volume('new') });
  const cloned = await run({ 'POST /carve/volumes/a/clone': made }, [
    'clone',
    '--pause',
    'a',
    'new',
  ]);
  assert.deepEqual(
    [cloned.out, cloned.bodies],
    ['new\n', [{ Name: 'new', Labels: {}, Pause: true }]],
  );
  const routes = { 'POST /carve/volumes/a/snapshot': made };
  assert.deepEqual((await run(routes, ['snapshot', '--label', 'k=v', 'a'])).bodies, [
    { Name: '', Labels: { k: 'v' }, Pause: true },
  ]);
  assert.deepEqual((await run(routes, ['snapshot', '--pause=false', 'a'])).bodies, [
    { Name: '', Labels: {}, Pause: false },
  ]);
  const renamed = await run({ 'POST /carve/volumes/a/rename': made }, ['rename', 'a', 'new']);
  assert.deepEqual([renamed.code, renamed.out, renamed.bodies], [0, '', [{ Name: 'new' }]]);
  assert.equal((await run({}, ['rename', 'a'])).code, 1);
});

test('export and import: files, streams, never a terminal', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'carve-volume-'));
  try {
    const routes: FakeRoutes = {
      'GET /carve/volumes/a/export': () => ({ text: 'tar' }),
      'POST /carve/volumes/import': () => ({ status: 201, json: volume('b') }),
    };
    assert.equal((await run(routes, ['export', 'a'])).out, 'tar');
    const file = join(directory, 'a.tar');
    assert.equal((await run(routes, ['export', '-o', file, 'a'])).code, 0);
    assert.equal(readFileSync(file, 'utf8'), 'tar');
    writeFileSync(file, 'content');
    const imported = await run(routes, ['import', '--label', 'k=v', 'b', file]);
    assert.deepEqual([imported.out, imported.bodies], ['b\n', ['content']]);
    assert.deepEqual(imported.queries, [{ name: 'b', label: 'k=v' }]);
    assert.deepEqual((await run(routes, ['import', 'b'], { stdin: 'piped' })).bodies, ['piped']);
    assert.equal((await run(routes, ['import', 'b', join(directory, 'none')])).code, 1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('--mount: idmap is a word of binds', () => {
  const idmap = (text: string): unknown => parseMount(text, '/').BindOptions?.IDMap;
  assert.equal(idmap('type=bind,src=/a,dst=/b,idmap'), 'owner');
  assert.equal(idmap('type=bind,src=/a,dst=/b,idmap=1000-100'), '1000-100');
  assert.throws(() => idmap('type=volume,src=a,dst=/b,idmap'), /cannot mix 'bind-\*' options/);
});
