/** Host plans on the real kernel: what each operation does, and what a failed one leaves. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CLONE, MOUNT_ATTR, MS, O } from '../../src/kernel/plan/flags.ts';
import type { Plan, PlanOp } from '../../src/kernel/plan/op.ts';
import {
  NEW_CALLS,
  openDir,
  OWN_MOUNTS,
  PlanFixture,
  procMount,
  tmpfsMount,
} from './plan-fixture.ts';

const read = (root: number, path: string, maxBytes = 65536): PlanOp => ({
  op: 'read',
  root,
  path,
  maxBytes,
});
const text = (results: readonly { readonly bytes: Buffer }[]): readonly string[] =>
  results.map(({ bytes }) => bytes.toString());

/** With the calls of the new mount API, and without: then mount(2) must do the same. */
const KERNELS = [
  ['the new mount API', [], 'ENOSYS'],
  ['mount(2) alone', Object.values(NEW_CALLS), 'ENOSYS'],
  ['new calls denied by a filter', Object.values(NEW_CALLS), 'EPERM'],
  ['mount_setattr missing, as on Linux 5.11', [NEW_CALLS['mount_setattr'] ?? 0], 'ENOSYS'],
  ['fsconfig denied', [NEW_CALLS['fsconfig'] ?? 0], 'ENOSYS'],
] as const;

for (const [kernel, denied, denial] of KERNELS) {
  test(`an overlay shows its layers, top first, and takes writes (${kernel})`, async () => {
    await using fixture = await PlanFixture.create(denied, denial);
    const [one, two] = [await fixture.makeDir('one:1'), await fixture.makeDir('two,2')];
    const [upper, work] = [await fixture.makeDir('upper'), await fixture.makeDir('work')];
    const merged = await fixture.makeDir('merged');
    await writeFile(join(one, 'a'), 'a of one');
    await writeFile(join(two, 'a'), 'a of two');
    await writeFile(join(two, 'b'), 'b of two');
    const results = await fixture.apply([
      ...OWN_MOUNTS,
      { op: 'overlay', slot: 0, lower: [one, two], upper, work, options: ['index=off'], attrs: 0n },
      { op: 'attach', slot: 0, path: merged, create: 0 },
      { op: 'create-file', root: 0, path: '/new', mode: 0o640, data: Buffer.from('fresh') },
      openDir(1, merged),
      read(0, 'a'),
      read(1, '/b'),
      read(1, 'new'),
    ]);
    assert.deepEqual(text(results), ['a of one', 'b of two', 'fresh']);
    assert.equal(await readFile(join(upper, 'new'), 'utf8'), 'fresh');
    assert.equal((await stat(join(upper, 'new'))).mode & 0o7777, 0o640);
    assert.deepEqual(await readdir(merged), [], 'the mount was seen outside its namespace');
  });

  test(`masked and read-only paths are hidden and cannot be written (${kernel})`, async () => {
    await using fixture = await PlanFixture.create(denied, denial);
    const root = await fixture.makeDir('root');
    await mkdir(join(root, 'secret/deep'), { recursive: true });
    await mkdir(join(root, 'more'));
    await mkdir(join(root, 'sys'));
    await writeFile(join(root, 'secret/deep/key'), 'key');
    await writeFile(join(root, 'more/x'), 'x');
    await writeFile(join(root, 'file'), 'content');
    await writeFile(join(root, 'sys/knob'), '1');
    const plan: Plan = [
      ...OWN_MOUNTS,
      { op: 'open', slot: 4, path: '/dev/null', flags: Number(O.O_PATH) },
      { op: 'verify-device', slot: 4, major: 1, minor: 3 },
      { op: 'open-tree', slot: 0, path: root, recursive: 1 },
      { op: 'attach', slot: 0, path: root, create: 0 },
      { op: 'mask', root: 0, path: '/secret', null: 4 },
      { op: 'mask', root: 0, path: '/more', null: 4 },
      { op: 'mask', root: 0, path: '/file', null: 4 },
      { op: 'mask', root: 0, path: '/not/there', null: 4 },
      { op: 'readonly-path', root: 0, path: '/sys' },
      { op: 'readonly-path', root: 0, path: '/sys/not-there' },
      read(0, '/secret/deep/key'),
      read(0, '/more/x'),
      read(0, '/file'),
      read(0, '/sys/knob'),
    ];
    const results = await fixture.apply(plan);
    assert.deepEqual(
      results.map(({ errno }) => errno),
      [2, 2, 22, 0],
      'ENOENT, ENOENT, EINVAL (a device), 0',
    );
    assert.equal(results[3]?.bytes.toString(), '1');
    const denials: readonly (readonly [PlanOp, string])[] = [
      [
        { op: 'create-file', root: 0, path: '/sys/new', mode: 0o644, data: Buffer.of() },
        'EROFS open("/sys/new")',
      ],
      [
        { op: 'create-file', root: 0, path: '/secret/new', mode: 0o644, data: Buffer.of() },
        'EROFS open("/secret/new")',
      ],
    ];
    for (const [op, answer] of denials)
      assert.equal(await fixture.failure([...plan, op]), `${plan.length} ${answer}`);
    assert.equal(await readFile(join(root, 'secret/deep/key'), 'utf8'), 'key');
  });

  test(`mount attributes and propagation are set on a bind (${kernel})`, async () => {
    await using fixture = await PlanFixture.create(denied, denial);
    const root = await fixture.makeDir('root');
    await writeFile(join(root, 'target'), '');
    const set =
      MOUNT_ATTR.MOUNT_ATTR_RDONLY | MOUNT_ATTR.MOUNT_ATTR_NOEXEC | MOUNT_ATTR.MOUNT_ATTR_NOATIME;
    const results = await fixture.apply([
      ...OWN_MOUNTS,
      { op: 'open-tree', slot: 0, path: root, recursive: 0 },
      {
        op: 'mount-attr',
        slot: 0,
        set,
        clear: MOUNT_ATTR.MOUNT_ATTR__ATIME,
        propagation: MS.MS_SHARED,
        recursive: 0,
      },
      { op: 'attach', slot: 0, path: root, create: 0 },
      { op: 'open-tree', slot: 1, path: '/etc/hostname', recursive: 0 },
      { op: 'attach', slot: 1, root: 0, path: 'target', create: 0 },
      openDir(2, '/proc/self'),
      read(2, 'mountinfo', 1 << 20),
    ]);
    const lines = results[0]?.bytes.toString().split('\n') ?? [];
    const bind = lines.find((line) => line.includes(` ${root} `)) ?? '';
    assert.match(bind, / ro,noexec,noatime shared:\d+ - /);
    assert.ok(
      lines.some((line) => line.includes(` ${root}/target `)),
      'a file is mounted on a file',
    );
  });

  test(`a sysctl is written through a private procfs (${kernel})`, async () => {
    await using fixture = await PlanFixture.create(denied, denial);
    const host = await readFile('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8');
    const results = await fixture.apply([
      ...OWN_MOUNTS,
      { op: 'unshare', flags: CLONE.CLONE_NEWNET },
      procMount(0),
      {
        op: 'write',
        dir: 0,
        path: 'sys/net/ipv4/ip_unprivileged_port_start',
        data: Buffer.from('77'),
        skipMissing: 0,
      },
      {
        op: 'write',
        dir: 0,
        path: 'sys/net/ipv4/no_such_knob',
        data: Buffer.from('1'),
        skipMissing: 1,
      },
      {
        op: 'write-self',
        proc: 0,
        path: 'oom_score_adj',
        data: Buffer.from('321'),
        skipMissing: 0,
      },
      read(0, 'sys/net/ipv4/ip_unprivileged_port_start'),
    ]);
    assert.deepEqual(text(results), ['77\n']);
    assert.equal(await readFile('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'), host);
  });
}

test('more layers than names fit into one page are mounted without the new mount API', async () => {
  await using fixture = await PlanFixture.create([NEW_CALLS['fsopen'] ?? 0]);
  const lower: string[] = [];
  for (let layer = 0; layer < 60; layer++) {
    const path = await fixture.makeDir(`${'l'.repeat(80)}${layer}`);
    await writeFile(join(path, `file${layer}`), `${layer}`);
    lower.push(path);
  }
  const overlay: PlanOp = {
    op: 'overlay',
    slot: 0,
    lower,
    upper: '',
    work: '',
    options: [],
    attrs: 0n,
  };
  const results = await fixture.apply([
    ...OWN_MOUNTS,
    overlay,
    read(0, 'file0'),
    read(0, 'file59'),
  ]);
  assert.deepEqual(text(results), ['0', '59']);
});

test('a layer whose name is longer than a mount parameter is mounted', async () => {
  await using fixture = await PlanFixture.create();
  const lower = await fixture.makeDir('x'.repeat(200), 'y'.repeat(200));
  const upper = await fixture.makeDir('u'.repeat(200), 'v'.repeat(200));
  const work = await fixture.makeDir('u'.repeat(200), 'w'.repeat(200));
  await writeFile(join(lower, 'file'), 'here');
  const overlay: PlanOp = {
    op: 'overlay',
    slot: 0,
    lower: [lower],
    upper,
    work,
    options: [],
    attrs: 0n,
  };
  assert.deepEqual(text(await fixture.apply([...OWN_MOUNTS, overlay, read(0, 'file')])), ['here']);
});

test('mkdirs follows links inside the root and never leaves it', async () => {
  await using fixture = await PlanFixture.create();
  const root = await fixture.makeDir('root');
  const canary = await fixture.makeDir('canary');
  await mkdir(join(root, 'real'));
  await symlink('/real', join(root, 'absolute'));
  await symlink('../../../../..', join(root, 'escape'));
  await symlink('/gone/far', join(root, 'dangling'));
  await symlink('dangling/further', join(root, 'chain'));
  await symlink('loop', join(root, 'loop'));
  await symlink(canary, join(root, 'outside'));
  await writeFile(join(root, 'file'), '');
  const mkdirs = (path: string): PlanOp => ({
    op: 'mkdirs',
    root: 0,
    path,
    mode: 0o2750,
    uid: 5,
    gid: 6,
  });
  await fixture.apply([
    openDir(0, root),
    mkdirs('/absolute/a/b'),
    mkdirs('escape/e'),
    mkdirs('dangling/d'),
    mkdirs('chain'),
    mkdirs('/../../up//./u/'),
    mkdirs('outside/o'),
    mkdirs(''),
    mkdirs('/'),
  ]);
  for (const path of [
    'real/a/b',
    'e',
    'gone/far/d',
    'gone/far/further',
    'up/u',
    join(canary, 'o').slice(1),
  ]) {
    const made = await lstat(join(root, path));
    assert.ok(made.isDirectory(), path);
    assert.deepEqual([made.uid, made.gid], [5, 6], path);
  }
  assert.deepEqual(await readdir(canary), []);
  assert.equal((await lstat(join(root, 'real'))).uid, 0, 'what was there keeps its owner');
  assert.equal(
    await fixture.failure([openDir(0, root), mkdirs('loop/x')]),
    '1 ELOOP openat2("loop/x")',
  );
  assert.equal(
    await fixture.failure([openDir(0, root), mkdirs('file/x')]),
    '1 ENOTDIR openat2("file/x")',
  );
  assert.equal(
    await fixture.failure([openDir(0, root), mkdirs('file')]),
    '1 ENOTDIR openat2("file")',
  );
  assert.match(await fixture.failure([openDir(0, root), mkdirs('missing/../../x')]), /^1 ENOENT /);
  assert.match(
    await fixture.failure([openDir(0, root), mkdirs('n'.repeat(256))]),
    /^1 ENAMETOOLONG /,
  );
  assert.deepEqual(
    (await readdir(root)).filter((name) => name === 'x'),
    [],
  );
});

test('attach makes its target, through a dangling link too, inside the root', async () => {
  await using fixture = await PlanFixture.create();
  const root = await fixture.makeDir('root');
  await mkdir(join(root, 'etc'));
  await symlink('../run/systemd/stub.conf', join(root, 'etc/resolv.conf'));
  await writeFile(fixture.path('source'), 'nameserver');
  const results = await fixture.apply([
    ...OWN_MOUNTS,
    openDir(0, root),
    { op: 'open-tree', slot: 1, path: fixture.path('source'), recursive: 0 },
    { op: 'attach', slot: 1, root: 0, path: '/etc/resolv.conf', create: 2 },
    tmpfsMount(2, ['size=64k']),
    { op: 'attach', slot: 2, root: 0, path: '/var/lib/data', create: 1 },
    {
      op: 'create-file',
      root: 0,
      path: '/var/lib/data/in-tmpfs',
      mode: 0o600,
      data: Buffer.from('t'),
    },
    read(0, 'run/systemd/stub.conf'),
  ]);
  assert.deepEqual(text(results), ['nameserver']);
  assert.equal(await readFile(join(root, 'run/systemd/stub.conf'), 'utf8'), '');
  assert.deepEqual(await readdir(join(root, 'var/lib/data')), []);
  const onFile: Plan = [
    ...OWN_MOUNTS,
    openDir(0, root),
    tmpfsMount(2),
    { op: 'attach', slot: 2, root: 0, path: 'etc/resolv.conf', create: 0 },
  ];
  assert.equal(await fixture.failure(onFile), '4 ENOTDIR move_mount("etc/resolv.conf")');
});

test('create-file and read act on regular files only', async () => {
  await using fixture = await PlanFixture.create();
  const root = await fixture.makeDir('root');
  const canary = fixture.path('canary');
  await writeFile(canary, 'canary');
  await writeFile(join(root, 'old'), 'longer than before');
  await symlink(canary, join(root, 'link'));
  execFileSync('mkfifo', [join(root, 'fifo')]);
  const create = (path: string): PlanOp => ({
    op: 'create-file',
    root: 0,
    path,
    mode: 0o600,
    data: Buffer.from('new'),
  });
  await fixture.apply([openDir(0, root), create('old'), create('/sub/../fresh')].slice(0, 2));
  assert.equal(await readFile(join(root, 'old'), 'utf8'), 'new');
  for (const [path, answer] of [
    ['link', 'ELOOP open("link")'],
    ['fifo', 'EEXIST open("fifo")'],
    ['no/parent', 'ENOENT openat2("no/parent")'],
    ['..', 'EISDIR openat2("..")'],
  ] as const) {
    assert.equal(await fixture.failure([openDir(0, root), create(path)]), `1 ${answer}`);
  }
  assert.equal(await readFile(canary, 'utf8'), 'canary');
  const results = await fixture.apply([
    openDir(0, root),
    read(0, 'fifo'),
    read(0, '.'),
    read(0, 'none'),
    read(0, 'old', 2),
    read(0, 'old', 3),
    read(0, 'link'),
  ]);
  assert.deepEqual(
    results.map(({ errno }) => errno),
    [22, 21, 2, 27, 0, 2],
    'EINVAL EISDIR ENOENT EFBIG 0 ENOENT',
  );
});

test('read gives megabytes whole, in order, beside other reads', async () => {
  await using fixture = await PlanFixture.create();
  const content = Buffer.alloc(5_000_001, 'abcdefghijklmnopqrstuvwxyz0123456789\n');
  await writeFile(fixture.path('large'), content);
  await writeFile(fixture.path('small'), 'small');
  const plan: Plan = [
    openDir(0, fixture.dir),
    read(0, 'small'),
    read(0, 'large', 16777216),
    read(0, 'small'),
  ];
  const all = await Promise.all(Array.from({ length: 4 }, () => fixture.apply(plan)));
  for (const results of all) {
    assert.deepEqual(
      results.map(({ bytes }) => bytes.length),
      [5, 5_000_001, 5],
    );
    assert.ok(results[1]?.bytes.equals(content) === true);
  }
});

test('devices, links and modes are made on a file system of the plan’s own', async () => {
  await using fixture = await PlanFixture.create();
  const node = (name: string, mode: number, [major, minor] = [0, 0]): PlanOp => ({
    op: 'mknod',
    dir: 0,
    name,
    mode,
    major,
    minor,
    uid: 7,
    gid: 8,
  });
  const dir = await fixture.makeDir('dev');
  const plan: Plan = [
    openDir(0, dir),
    node('null', 0o20666, [1, 3]),
    node('shm', 0o41777),
    node('set', 0o42775),
    { op: 'symlink', dir: 0, name: 'fd', target: '/proc/self/fd' },
    { op: 'symlink', dir: 0, name: 'fd', target: '/proc/self/fd' },
    { op: 'open', slot: 1, dir: 0, path: 'null', flags: Number(O.O_PATH) },
    { op: 'verify-device', slot: 1, major: 1, minor: 3 },
  ];
  await fixture.apply(plan);
  const rows = await Promise.all(['null', 'shm', 'set'].map((name) => stat(join(dir, name))));
  assert.deepEqual(
    rows.map(({ mode, uid, gid }) => [mode.toString(8), uid, gid]),
    [
      ['20666', 7, 8],
      ['41777', 7, 8],
      ['42775', 7, 8],
    ],
  );
  assert.equal(await readlink(join(dir, 'fd')), '/proc/self/fd');
  const again = (op: PlanOp): Plan => [openDir(0, dir), op];
  assert.equal(
    await fixture.failure(again({ op: 'symlink', dir: 0, name: 'fd', target: '/other' })),
    '1 EEXIST symlink("fd")',
  );
  assert.equal(
    await fixture.failure(again(node('../null', 0o20666, [1, 3]))),
    '1 EINVAL mknod("../null")',
  );
  assert.match(
    await fixture.failure([openDir(0, dir), { op: 'verify-device', slot: 0, major: 1, minor: 3 }]),
    /^1 ENODEV fstat/,
  );
});

test('mkdir, rmdir, umount and write keep their promises about what is missing', async () => {
  await using fixture = await PlanFixture.create();
  const dir = fixture.path('dir');
  const missing: PlanOp = {
    op: 'write',
    path: fixture.path('none'),
    data: Buffer.from('x'),
    skipMissing: 1,
  };
  await fixture.apply([
    { op: 'mkdir', path: dir, mode: 0o711 },
    { op: 'mkdir', path: dir, mode: 0o700 },
    missing,
    { op: 'umount', path: dir, flags: 0 },
    { op: 'umount', path: fixture.path('none'), flags: 0 },
  ]);
  assert.equal((await stat(dir)).mode & 0o777, 0o711);
  await fixture.apply([
    { op: 'rmdir', path: dir, busyMs: 0 },
    { op: 'rmdir', path: dir, busyMs: 0 },
  ]);
  assert.equal(
    await fixture.failure([{ ...missing, skipMissing: 0 }]),
    `0 ENOENT open(${JSON.stringify(fixture.path('none'))})`,
  );
  await symlink('/etc/hostname', fixture.path('link'));
  assert.match(
    await fixture.failure([{ ...missing, path: fixture.path('link') }]),
    /^0 ELOOP open/,
  );
});

test('write below a slot crosses no link and no mount; the file in a slot itself is written', async () => {
  await using fixture = await PlanFixture.create();
  const dir = await fixture.makeDir('dir');
  await fixture.makeDir('dir', 'mounted');
  await writeFile(join(dir, 'file'), 'old');
  await symlink('file', join(dir, 'link'));
  const write = (path: string): PlanOp => ({
    op: 'write',
    dir: 0,
    path,
    data: Buffer.from('new'),
    skipMissing: 0,
  });
  assert.equal(await fixture.failure([openDir(0, dir), write('link')]), '1 ELOOP openat2("link")');
  assert.equal(
    await fixture.failure([openDir(0, dir), write('../dir/file')]),
    '1 EXDEV openat2("../dir/file")',
  );
  const mounted: Plan = [
    ...OWN_MOUNTS,
    tmpfsMount(1),
    { op: 'create-file', root: 1, path: 'f', mode: 0o600, data: Buffer.of() },
    { op: 'attach', slot: 1, path: join(dir, 'mounted'), create: 0 },
  ];
  assert.equal(
    await fixture.failure([...mounted, openDir(0, dir), write('mounted/f')]),
    '6 EXDEV openat2("mounted/f")',
  );
  await fixture.apply([
    openDir(0, dir),
    write('file'),
    { op: 'close', slot: 0 },
    { op: 'open', slot: 0, path: join(dir, 'file'), flags: 1 },
    { ...write(''), data: Buffer.from('N') } as PlanOp,
  ]);
  assert.equal(await readFile(join(dir, 'file'), 'utf8'), 'New');
});

test('write-self refuses what is no procfs', async () => {
  await using fixture = await PlanFixture.create();
  await symlink('1', fixture.path('self'));
  await fixture.makeDir('1');
  await writeFile(fixture.path('1/oom_score_adj'), '');
  const op: PlanOp = {
    op: 'write-self',
    proc: 0,
    path: 'oom_score_adj',
    data: Buffer.from('1'),
    skipMissing: 0,
  };
  assert.match(await fixture.failure([openDir(0, fixture.dir), op]), /^1 ENODEV statfs/);
});

test('pidfd takes a process only while its start time is the same', async () => {
  await using fixture = await PlanFixture.create();
  const stats = await readFile('/proc/self/stat', 'utf8');
  const startTicks = BigInt(stats.slice(stats.lastIndexOf(')') + 2).split(' ')[19] ?? '0');
  await fixture.apply([{ op: 'pidfd', slot: 0, pid: process.pid, startTicks }]);
  await fixture.apply([
    { op: 'pidfd', slot: 0, pid: process.pid, startTicks: 0n },
    { op: 'setns', slot: 0, flags: CLONE.CLONE_NEWUTS },
  ]);
  assert.match(
    await fixture.failure([
      { op: 'pidfd', slot: 0, pid: process.pid, startTicks: startTicks + 1n },
    ]),
    /^0 ESRCH pidfd_open/,
  );
  assert.match(
    await fixture.failure([{ op: 'pidfd', slot: 0, pid: 4194304, startTicks: 0n }]),
    /^0 (ESRCH|EINVAL) pidfd_open/,
  );
});

test('a user namespace of the plan makes an id-mapped mount', async () => {
  await using fixture = await PlanFixture.create();
  const dir = await fixture.makeDir('data');
  const mounted = await fixture.makeDir('mounted');
  await chmod(dir, 0o777);
  await fixture.apply([
    ...OWN_MOUNTS,
    { op: 'userns', slot: 0, uidMap: '0 100000 65536\n', gidMap: '0 200000 65536\n' },
    { op: 'open-tree', slot: 1, path: dir, recursive: 0 },
    {
      op: 'mount-attr',
      slot: 1,
      set: MOUNT_ATTR.MOUNT_ATTR_IDMAP,
      clear: 0n,
      propagation: 0n,
      userns: 0,
      recursive: 0,
    },
    { op: 'attach', slot: 1, path: mounted, create: 0 },
    { op: 'identity', uid: 100007, gid: 200008, groups: Buffer.of() },
    { op: 'mkdirs', root: 1, path: 'made', mode: 0o755, uid: 100007, gid: 200008 },
  ]);
  const made = await stat(join(dir, 'made'));
  assert.deepEqual([made.uid, made.gid], [7, 8]);
  assert.match(
    await fixture.failure([{ op: 'userns', slot: 0, uidMap: 'not a map', gidMap: '' }]),
    /^0 EINVAL uid_map/,
  );
});

/* ---- failures ---------------------------------------------------------------------------- */

test('a failed operation is reported with its index, errno and call', async () => {
  await using fixture = await PlanFixture.create();
  const dir = await fixture.makeDir('dir');
  const rows: readonly (readonly [Plan, string])[] = [
    [[{ op: 'open', slot: 0, path: '/no/such', flags: 0 }], '0 ENOENT open("/no/such")'],
    [
      [openDir(0, dir), { op: 'open', slot: 1, dir: 0, path: 'x', flags: 0 }],
      '1 ENOENT openat2("x")',
    ],
    [[{ op: 'mkdir', path: '/no/such', mode: 0 }], '0 ENOENT mkdir("/no/such")'],
    [[{ op: 'rmdir', path: '/proc', busyMs: 5 }], '0 EBUSY rmdir("/proc")'],
    [
      [{ op: 'fsmount', slot: 0, fsType: 'nosuchfs', source: '', options: [], attrs: 0n }],
      '0 ENODEV fsopen("nosuchfs")',
    ],
    [[...OWN_MOUNTS, tmpfsMount(0, ['nosuchoption=1'])], '2 EINVAL fsconfig("tmpfs")'],
    [[{ op: 'unshare', flags: 1n << 40n }], '0 EINVAL unshare()'],
    [
      [
        { op: 'open', slot: 0, path: dir, flags: 0 },
        { op: 'setns', slot: 0, flags: 0n },
      ],
      '1 EINVAL setns()',
    ],
    [[...OWN_MOUNTS, openDir(0, '/'), { op: 'pivot', slot: 0 }], '3 EBUSY pivot_root()'],
    [
      [
        ...OWN_MOUNTS,
        tmpfsMount(0),
        { op: 'attach', slot: 0, path: dir, create: 0 },
        { op: 'umount', path: dir, flags: 0 },
      ],
      `4 EBUSY umount2(${JSON.stringify(dir)})`,
    ],
    [[{ op: 'chdir', path: '/no/such' }], '0 ENOENT chdir("/no/such")'],
    [[{ op: 'seccomp', flags: 0, filter: new Uint8Array(7) }], '0 EINVAL seccomp()'],
    [[{ op: 'rlimit', resource: 7, soft: 5n, hard: 4n }], '0 EINVAL prlimit()'],
    [
      [{ op: 'identity', uid: 0xffffffff, gid: 0, groups: new Uint8Array(3) }],
      '0 EINVAL setgroups()',
    ],
  ];
  for (const [plan, answer] of rows) assert.equal(await fixture.failure(plan), answer);
  const lower = ['/no/such', dir];
  const overlay: PlanOp = {
    op: 'overlay',
    slot: 0,
    lower,
    upper: '',
    work: '',
    options: [],
    attrs: 0n,
  };
  assert.match(
    await fixture.failure([...OWN_MOUNTS, overlay]),
    /^2 ENOENT (?:fsconfig|mount)\("\/no\/such"\)$/,
  );
});

test('a plan that fails after any operation leaves no mount, no file and no process', async () => {
  await using fixture = await PlanFixture.create();
  await fixture.apply([]);
  const [lower, merged] = [await fixture.makeDir('lower'), await fixture.makeDir('merged')];
  const plan: Plan = [
    ...OWN_MOUNTS,
    { op: 'unshare', flags: CLONE.CLONE_NEWNET | CLONE.CLONE_NEWUTS },
    { op: 'overlay', slot: 0, lower: [lower, merged], upper: '', work: '', options: [], attrs: 0n },
    { op: 'attach', slot: 0, path: merged, create: 0 },
    procMount(1),
    tmpfsMount(2),
    { op: 'attach', slot: 2, path: lower, create: 0 },
    { op: 'mask', root: 0, path: '/', null: 0 },
    { op: 'sethostname', name: 'carve-test' },
    { op: 'userns', slot: 3, uidMap: '0 0 1\n', gidMap: '0 0 1\n' },
    { op: 'netlink-open', slot: 4, protocol: 0 },
  ];
  const failing: PlanOp = { op: 'open', slot: 31, path: '/no/such', flags: 0 };
  const hostPid = fixture.chisel.hostPid ?? 0;
  const mountsOf = async (): Promise<string> =>
    await readFile(`/proc/${hostPid}/mountinfo`, 'utf8');
  const childrenOf = async (): Promise<string> =>
    await readFile(`/proc/${hostPid}/task/${hostPid}/children`, 'utf8');
  const before = {
    mounts: await mountsOf(),
    own: await readFile('/proc/self/mountinfo', 'utf8'),
    name: execFileSync('hostname').toString(),
  };
  for (let at = 0; at <= plan.length; at++) {
    const got = await fixture.failure([...plan.slice(0, at), failing]);
    assert.equal(got, `${at} ENOENT open("/no/such")`);
  }
  assert.equal(await mountsOf(), before.mounts);
  assert.equal(await readFile('/proc/self/mountinfo', 'utf8'), before.own);
  assert.equal(execFileSync('hostname').toString(), before.name);
  assert.deepEqual([await readdir(lower), await readdir(merged)], [[], []]);
  // The answer comes before the process that gave it is reaped.
  for (let tries = 0; tries < 100 && (await childrenOf()) !== ''; tries++) await fixture.apply([]);
  assert.match(await childrenOf(), /^(\d+ )?$/);
});

test('a stage for mount(2) is gone from the host’s namespace after a plan', async () => {
  await using fixture = await PlanFixture.create(Object.values(NEW_CALLS));
  await fixture.apply([]);
  const mountsOf = async (): Promise<string> =>
    await readFile(`/proc/${fixture.chisel.hostPid ?? 0}/mountinfo`, 'utf8');
  const before = await mountsOf();
  await fixture.apply([tmpfsMount(0), procMount(1), read(1, 'version')]);
  assert.match(await fixture.failure([tmpfsMount(0), openDir(1, '/no/such')]), /^1 ENOENT/);
  assert.equal(await mountsOf(), before);
});
