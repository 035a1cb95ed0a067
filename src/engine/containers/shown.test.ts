import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRig } from '../../../test/fakes/opened-engine.ts';
import { fakeImage } from '../../../test/fakes/images.ts';
import { CREATED } from './life.ts';
import { formatAge, formatStatus } from './status-text.ts';
import { columnsFor } from './top/columns.ts';
import { parseProcess, parseUserNames } from './top/process-table.ts';

test('ages as people say them', () => {
  const rows: readonly [number, string][] = [
    [-5, 'Less than a second'],
    [0.9, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [300, '5 minutes'],
    [3600, 'About an hour'],
    [7200, '2 hours'],
    [47 * 3600, '47 hours'],
    [72 * 3600, '3 days'],
    [20 * 86_400, '2 weeks'],
    [90 * 86_400, '3 months'],
    [1000 * 86_400, '2 years'],
  ];
  for (const [seconds, text] of rows) assert.equal(formatAge(seconds), text, String(seconds));
});

test('the status column', () => {
  const nowNs = 10_000_000_000n;
  const show = (change: Partial<typeof CREATED>, isRemoving = false): string =>
    formatStatus(
      { ...CREATED, startedAtNs: 5_000_000_000n, finishedAtNs: 8_000_000_000n, ...change },
      { nowNs, isRemoving },
    );
  assert.equal(show({ phase: 'created' }), 'Created');
  assert.equal(show({ phase: 'running' }), 'Up 5 seconds');
  assert.equal(show({ phase: 'running', health: 'starting' }), 'Up 5 seconds (health: starting)');
  assert.equal(show({ phase: 'running', health: 'unhealthy' }), 'Up 5 seconds (unhealthy)');
  assert.equal(show({ phase: 'paused' }), 'Up 5 seconds (Paused)');
  assert.equal(show({ phase: 'restarting', exitCode: 1 }), 'Restarting (1) 2 seconds ago');
  assert.equal(show({ phase: 'exited', exitCode: 137 }), 'Exited (137) 2 seconds ago');
  assert.equal(show({ phase: 'exited' }, true), 'Removal In Progress');
  assert.equal(show({ phase: 'dead' }), 'Dead');
});

test('ps lists running containers, with -a all, newest first, and filters', async () => {
  const images = [fakeImage('busybox'), fakeImage('nginx')];
  await using rig = await openRig({ images });
  const { containers } = rig.engine;
  const a = await rig.create({ Labels: { role: 'db', tier: '1' } }, {}, 'alpha');
  const b = await rig.create(
    { Image: 'nginx', Labels: { role: 'web' }, ExposedPorts: { '80/tcp': {} } },
    { Binds: ['data:/d'] },
    'beta',
  );
  await containers.start(b);
  const names = async (filters: Record<string, readonly string[]>, all = true): Promise<string> =>
    (await containers.list({ all, size: false, filters })).map((row) => row.Names[0]).join(' ');
  assert.equal(await names({}, false), '/beta');
  assert.equal(await names({}), '/beta /alpha');
  const rows: readonly [Record<string, readonly string[]>, string][] = [
    [{ label: ['role'] }, '/beta /alpha'],
    [{ label: ['role=db', 'tier'] }, '/alpha'],
    [{ name: ['^/alpha$'] }, '/alpha'],
    [{ name: ['^beta$'] }, '/beta'],
    [{ name: ['a'] }, '/beta /alpha'],
    [{ id: [a.slice(0, 6)] }, '/alpha'],
    [{ status: ['created'] }, '/alpha'],
    [{ status: ['created', 'running'] }, '/beta /alpha'],
    [{ ancestor: ['nginx'] }, '/beta'],
    [{ ancestor: ['unknown'] }, ''],
    [{ before: ['beta'] }, '/alpha'],
    [{ since: ['alpha'] }, '/beta'],
    [{ volume: ['data'] }, '/beta'],
    [{ volume: ['/d'] }, '/beta'],
    [{ expose: ['80'] }, '/beta'],
    [{ network: ['none'] }, '/beta /alpha'],
    [{ health: ['none'] }, '/beta /alpha'],
    [{ exited: ['0'] }, ''],
  ];
  for (const [filters, expected] of rows)
    assert.equal(await names(filters), expected, JSON.stringify(filters));
  for (const bad of [{ nope: ['x'] }, { status: ['odd'] }, { name: ['('] }, { exited: ['x'] }]) {
    await assert.rejects(names(bad), { kind: 'invalid' }, JSON.stringify(bad));
  }
  await assert.rejects(names({ before: ['none'] }), { kind: 'not-found' });
  assert.equal(
    (await containers.list({ all: false, limit: 1, size: true, filters: {} }))[0]?.SizeRw,
    42,
  );
});

test('the columns of top', () => {
  const titles = (args: string): string =>
    columnsFor(args)
      .map((column) => column.title)
      .join(' ');
  assert.equal(titles(''), 'UID PID PPID C STIME TTY TIME CMD');
  assert.equal(titles('aux'), 'USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND');
  assert.equal(titles('-eo pid,user=WHO,args'), 'PID WHO COMMAND');
  assert.equal(titles('-o pid -o comm'), 'PID COMMAND');
  for (const bad of ['--forest', '-o nope', 'kill', '-o', '; rm'])
    assert.throws(() => columnsFor(bad), { kind: 'invalid' }, bad);
});

test('a process whose name holds brackets and blanks is read right', () => {
  const stat = '42 (a) b) S 1 42 42 34816 42 0 0 0 0 0 150 50 0 0 20 0 3 0 1000 4096000 100 0';
  const process = parseProcess(
    { stat, cmdline: 'x\0y z\0', uid: 7 },
    parseUserNames('root:x:0:0\nseven:x:7:7'),
  );
  assert.ok(process !== undefined);
  assert.deepEqual(
    [
      process.pid,
      process.ppid,
      process.comm,
      process.args,
      process.user,
      process.threads,
      process.cpuTicks,
      process.startTicks,
      process.residentBytes,
    ],
    [42, 1, 'a) b', 'x y z', 'seven', 3, 200, 1000, 409600],
  );
  const context = { nowS: 1_000_020, bootS: 1_000_000, memoryBytes: 4_096_000 };
  const cells = columnsFor('-o tty,time,etime,pmem,pcpu,stat').map((column) =>
    column.cell(process, context),
  );
  assert.deepEqual(cells, ['pts/0', '00:00:02', '00:10', '10.0', '20.0', 'S']);
  assert.equal(parseProcess({ stat: 'odd', cmdline: '', uid: 0 }, new Map()), undefined);
});

test('a create that names another container which is not there says so, and not that the image is missing', async () => {
  await using rig = await openRig();
  for (const hostConfig of [{ PidMode: 'container:gone' }, { IpcMode: 'container:gone' }]) {
    // Docker's CLI takes every 404 of a create for the image and goes to pull it.
    await assert.rejects(rig.create({}, hostConfig), {
      kind: 'invalid',
      message: 'No such container: gone',
    });
  }
});

test('on a network of another, the host included, a container goes by the name known there', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const owner = await rig.create({ Hostname: 'web1' });
  await containers.start(owner);
  const rows: readonly (readonly [string, string])[] = [
    ['host', 'testhost'],
    [`container:${owner}`, 'web1'],
  ];
  for (const [NetworkMode, expected] of rows) {
    const id = await rig.create({}, { NetworkMode });
    await containers.start(id);
    assert.equal((await containers.inspect(id)).Config.Hostname, expected);
    assert.equal(rig.process(id).request.spec.hostname, expected);
  }
});

test('inspect has every yes and no of a configuration that a request left out', async () => {
  await using rig = await openRig();
  const { Config } = await rig.engine.containers.inspect(await rig.create());
  const { Tty, OpenStdin, StdinOnce, AttachStdin, AttachStdout, AttachStderr } = Config;
  assert.deepEqual(
    { Tty, OpenStdin, StdinOnce, AttachStdin, AttachStdout, AttachStderr },
    {
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
    },
  );
});
