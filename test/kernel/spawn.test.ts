/** Processes on the real kernel: namespaces, root, identity, console, search for the program, init. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectMonitor } from '../../src/kernel/monitor.ts';
import { CLONE, MS } from '../../src/kernel/plan/flags.ts';
import type { Plan, PlanOp } from '../../src/kernel/plan/op.ts';
import { isAlive, readUntil } from './monitor-fixture.ts';
import {
  ALL,
  cloneOp,
  containerRoot,
  execOp,
  NEW_CALLS,
  openDir,
  PlanFixture,
  STDIO,
  tmpfsMount,
} from './plan-fixture.ts';

const PIVOT: Plan = [
  { op: 'pivot', slot: 0 },
  { op: 'chdir', path: '/' },
];
const sh = (script: string, init: 0 | 1 = 0): PlanOp => execOp(['sh', '-c', script], init);

/** Directories of one overlay. */
async function dirsOf(
  fixture: PlanFixture,
  name: string,
): Promise<{ upper: string; work: string; stage: string }> {
  return {
    upper: await fixture.makeDir(name, 'upper'),
    work: await fixture.makeDir(name, 'work'),
    stage: await fixture.makeDir(name, 'stage'),
  };
}

/** A container of the busybox root: namespaces, overlay, pivot; `middle` runs in it before exec. */
async function container(fixture: PlanFixture, exec: PlanOp, middle: Plan = []): Promise<Plan> {
  const root = await fixture.makeRoot('root');
  const dirs = await dirsOf(fixture, 'one');
  return [
    cloneOp(ALL),
    ...containerRoot(root, dirs),
    ...PIVOT,
    STDIO,
    ...middle,
    { op: 'close-fds' },
    exec,
  ];
}

/** A program outside any new namespace. */
const plain = (exec: PlanOp, middle: Plan = []): Plan => [cloneOp(0n), STDIO, ...middle, exec];

for (const [kernel, denied] of [
  ['this kernel', []],
  ['a kernel without the new calls', Object.values(NEW_CALLS)],
] as const) {
  test(`a process in its own namespaces sees its root, its processes and its name only (${kernel})`, async () => {
    await using fixture = await PlanFixture.create(denied);
    const script =
      'hostname; echo $$; ls /; ls /proc/self/fd | wc -l; readlink /proc/1/exe; cat /proc/self/mountinfo | wc -l; pwd; echo out > /written; umask';
    const plan = await container(
      fixture,
      sh(script.replaceAll('wc -l', 'busybox wc -l').replaceAll('readlink', 'busybox readlink')),
      [{ op: 'sethostname', name: 'inside' }, { op: 'umask', mask: 0o27 }, { op: 'setsid' }],
    );
    const ended = await fixture.run(plan);
    assert.equal(ended.code, 0, ended.output);
    // ls itself has the fourth descriptor.
    assert.deepEqual(ended.output.split('\n'), [
      'inside',
      '1',
      'bin',
      'dev',
      'etc',
      'proc',
      'tmp',
      '4',
      '/bin/busybox',
      '3',
      '/',
      '0027',
      '',
    ]);
    assert.equal(await readFile(fixture.path('one/upper/written'), 'utf8'), 'out\n');
  });
}

test('identity, capabilities and no_new_privs are what the plan says, in the process itself', async () => {
  await using fixture = await PlanFixture.create();
  const show = sh(
    'id -u; id -g; id -G; busybox grep -E "^(Cap|NoNewPrivs|Groups|Seccomp:)" /proc/self/status',
  );
  const groups = Buffer.from(Uint32Array.of(44, 10).buffer);
  const cases: readonly (readonly [Plan, readonly string[]])[] = [
    [
      [
        { op: 'bounding', keep: 0x23n },
        { op: 'identity', uid: 1000, gid: 100, groups },
        { op: 'capset', effective: 0n, permitted: 0n, inheritable: 0n, ambient: 0n },
        { op: 'no-new-privs' },
      ],
      [
        '1000',
        '100',
        '100 10 44',
        'Groups:\t10 44 ',
        'CapInh:\t0000000000000000',
        'CapPrm:\t0000000000000000',
        'CapEff:\t0000000000000000',
        'CapBnd:\t0000000000000023',
        'CapAmb:\t0000000000000000',
        'NoNewPrivs:\t1',
        'Seccomp:\t0',
      ],
    ],
    [
      [
        { op: 'identity', uid: 1000, gid: 1000, groups: Buffer.of() },
        {
          op: 'capset',
          effective: 0x400n,
          permitted: 0x400n,
          inheritable: 0x400n,
          ambient: 0x400n,
        },
      ],
      [
        '1000',
        '1000',
        '1000',
        'Groups:\t ',
        'CapInh:\t0000000000000400',
        'CapPrm:\t0000000000000400',
        'CapEff:\t0000000000000400',
      ],
    ],
    [
      [
        { op: 'bounding', keep: 0x3n },
        { op: 'identity', uid: 0, gid: 0, groups: Buffer.of() },
        { op: 'capset', effective: 0x3n, permitted: 0x3n, inheritable: 0n, ambient: 0n },
      ],
      [
        '0',
        '0',
        '0',
        'Groups:\t ',
        'CapInh:\t0000000000000000',
        'CapPrm:\t0000000000000003',
        'CapEff:\t0000000000000003',
        'CapBnd:\t0000000000000003',
      ],
    ],
  ];
  const plan = await container(fixture, show);
  for (const [middle, expected] of cases) {
    const at = plan.length - 2;
    const { output } = await fixture.run([...plan.slice(0, at), ...middle, ...plan.slice(at)]);
    assert.deepEqual(output.split('\n').slice(0, expected.length), expected);
  }
});

/** A filter that answers `errno` to the system call `nr` and allows all others. */
function filterAgainst(nr: number, errno: number): Buffer {
  const instruction = (code: number, k: number, [jt, jf] = [0, 0]): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(code, 0);
    bytes.set([jt, jf], 2);
    bytes.writeUInt32LE(k, 4);
    return bytes;
  };
  return Buffer.concat([
    instruction(0x20, 0),
    instruction(0x15, nr, [0, 1]),
    instruction(0x06, 0x50000 + errno),
    instruction(0x06, 0x7fff0000),
  ]);
}

const SYS_WRITE = process.arch === 'arm64' ? 64 : 1;
const SYS_MKDIRAT = process.arch === 'arm64' ? 34 : 258;
const SYS_MKDIR = process.arch === 'arm64' ? 34 : 83;
const SYS_EXECVE = process.arch === 'arm64' ? 221 : 59;

test('a seccomp filter is loaded before the capabilities go, or after with no_new_privs', async () => {
  await using fixture = await PlanFixture.create();
  const filters: Plan = [
    { op: 'seccomp', flags: 0, filter: filterAgainst(SYS_MKDIR, 99) },
    { op: 'seccomp', flags: 0, filter: filterAgainst(SYS_MKDIRAT, 99) },
  ];
  const drop: Plan = [
    { op: 'identity', uid: 1000, gid: 1000, groups: Buffer.of() },
    { op: 'capset', effective: 0n, permitted: 0n, inheritable: 0n, ambient: 0n },
  ];
  const script = sh(
    'busybox mkdir /tmp/carve-never-made 2>&1; busybox grep Seccomp: /proc/self/status',
  );
  for (const middle of [
    [...filters, ...drop],
    [...drop, { op: 'no-new-privs' } as PlanOp, ...filters],
  ]) {
    const { output } = await fixture.run(plain(script, middle));
    assert.match(
      output,
      /mkdir: can't create directory '\/tmp\/carve-never-made': Cannot assign requested address\nSeccomp:\t2\n/,
    );
  }
  assert.match(
    await fixture.startFailure(plain(script, [...drop, ...filters])),
    /^5 EACCES seccomp/,
  );
});

test('a filter that forbids write or execve still gives the truth', async () => {
  await using fixture = await PlanFixture.create();
  const { code } = await fixture.run(
    plain(execOp(['/bin/true']), [
      { op: 'seccomp', flags: 0, filter: filterAgainst(SYS_WRITE, 1) },
    ]),
  );
  assert.equal(code, 0);
  const denied = plain(execOp(['/bin/true']), [
    { op: 'seccomp', flags: 0, filter: filterAgainst(SYS_EXECVE, 1) },
  ]);
  assert.equal(await fixture.startFailure(denied), '4 EPERM execve("/bin/true")');
});

test('the program is searched as execvp does, and a failure says which kind it is', async () => {
  await using fixture = await PlanFixture.create();
  const [one, two] = [await fixture.makeDir('one'), await fixture.makeDir('two')];
  const script = async (path: string, text: string, mode = 0o755): Promise<void> => {
    await writeFile(path, text);
    await chmod(path, mode);
  };
  await script(join(one, 'plain'), 'no program', 0o644);
  await script(join(two, 'plain'), '#!/bin/sh\necho second');
  await script(join(one, 'locked'), '#!/bin/sh\n', 0o644);
  await script(join(one, 'orphan'), '#!/no/interpreter\n');
  await script(join(one, 'binary'), 'neither ELF nor script');
  await mkdir(join(one, 'dir'));
  const exec = (argv0: string, search = [one, join(one, 'none'), '', two]): PlanOp => ({
    op: 'exec',
    argv: [argv0],
    env: [],
    search,
    init: 0,
  });
  assert.equal((await fixture.run(plain(exec('plain')))).output, 'second\n');
  const rows: readonly (readonly [PlanOp, string])[] = [
    [exec('nothing'), 'ENOENT execve("nothing")'],
    [exec('nothing', []), 'ENOENT execve("nothing")'],
    [exec(''), 'ENOENT execve("")'],
    [exec('locked'), 'EACCES execve("locked")'],
    [exec('dir'), 'EACCES execve("dir")'],
    [exec('orphan'), 'ENOENT interpreter("orphan")'],
    [exec('binary'), 'ENOEXEC execve("binary")'],
    [exec(join(one, 'orphan')), `ENOENT interpreter(${JSON.stringify(join(one, 'orphan'))})`],
    [exec(join(one, 'none')), `ENOENT execve(${JSON.stringify(join(one, 'none'))})`],
    [exec(join(one, 'plain/x')), `ENOTDIR execve(${JSON.stringify(join(one, 'plain/x'))})`],
    [exec(join(one, 'locked')), `EACCES execve(${JSON.stringify(join(one, 'locked'))})`],
    [{ ...exec('x'), argv: [] } as PlanOp, 'EINVAL execve()'],
  ];
  for (const [op, answer] of rows)
    assert.equal(await fixture.startFailure(plain(op)), `3 ${answer}`);
});

test('the new program has default signals, nothing blocked, and its environment only', async () => {
  await using fixture = await PlanFixture.create();
  const exec: PlanOp = {
    op: 'exec',
    argv: ['/bin/busybox', 'env'],
    env: ['A=1', 'B=two words'],
    search: [],
    init: 0,
  };
  assert.equal((await fixture.run(plain(exec))).output, 'A=1\nB=two words\n');
  const { output } = await fixture.run(
    plain(execOp(['/bin/busybox', 'grep', '-E', '^Sig(Blk|Ign)', '/proc/self/status'])),
  );
  assert.equal(output, 'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n');
});

test('pipes belong to the user of the process, who can open /dev/stdout again', async () => {
  await using fixture = await PlanFixture.create();
  const drop: Plan = [
    { op: 'identity', uid: 1000, gid: 1000, groups: Buffer.of() },
    { op: 'capset', effective: 0n, permitted: 0n, inheritable: 0n, ambient: 0n },
  ];
  const exec = execOp(['/bin/busybox', 'sh', '-c', 'echo again > /proc/self/fd/1']);
  const owned = await fixture.run([
    cloneOp(0n),
    { op: 'stdio', uid: 1000, gid: 1000 },
    ...drop,
    exec,
  ]);
  assert.deepEqual([owned.code, owned.output], [0, 'again\n']);
});

test('a console is a terminal of its own devpts, controlled, sized and owned', async () => {
  await using fixture = await PlanFixture.create();
  const root = await fixture.makeRoot('root');
  const devpts: Plan = [
    {
      op: 'fsmount',
      slot: 3,
      fsType: 'devpts',
      source: 'devpts',
      options: ['newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
      attrs: 0n,
    },
    { op: 'mknod', dir: 2, name: 'pts', mode: 0o40755, major: 0, minor: 0, uid: 0, gid: 0 },
    { op: 'attach', slot: 3, root: 2, path: 'pts', create: 0 },
    { op: 'console', slot: 4, devpts: 3, rows: 33, columns: 77, uid: 1000 },
    { op: 'open-tree', slot: 5, dir: 4, path: '', recursive: 0 },
    { op: 'attach', slot: 5, root: 2, path: 'console', create: 2 },
  ];
  const script =
    'tty; stty size; stat -c %u:%g:%a /dev/pts/0; stat -c %t:%T /dev/console; echo controlled > /dev/tty; cat /proc/self/stat';
  const ended = await fixture.run(
    [
      cloneOp(ALL),
      ...containerRoot(root, await dirsOf(fixture, 'one')),
      { op: 'mknod', dir: 2, name: 'tty', mode: 0o20666, major: 5, minor: 0, uid: 0, gid: 0 },
      ...devpts,
      ...PIVOT,
      { op: 'close-fds' },
      sh(script),
    ],
    { tty: true },
  );
  const lines = ended.output.split('\r\n');
  assert.deepEqual(lines.slice(0, 5), ['/dev/pts/0', '33 77', '1000:5:620', '88:0', 'controlled']);
  // pid, name, state, parent, group, session, terminal: session 1 with the terminal 136:0.
  assert.deepEqual(lines[5]?.split(' ').slice(5, 7), ['1', '34816']);
  const noDevpts: Plan = [
    openDir(0, '/tmp'),
    cloneOp(0n),
    { op: 'console', slot: 1, devpts: 0, rows: 0, columns: 0, uid: 0 },
    sh(''),
  ];
  assert.match(await fixture.startFailure(noDevpts), /^3 ENODEV ioctl/);
  const fake: Plan = [
    cloneOp(CLONE.CLONE_NEWNS),
    tmpfsMount(0),
    { op: 'console', slot: 1, devpts: 0, rows: 0, columns: 0, uid: 0 },
    sh(''),
  ];
  assert.match(await fixture.startFailure(fake), /^3 ENODEV ioctl/);
});

test('init reaps orphans, passes signals on and ends with the program’s code', async () => {
  await using fixture = await PlanFixture.create();
  const reap =
    '(sleep 0.01 & sleep 0.01 &) ; busybox usleep 100000; ps -o pid,comm,stat | busybox grep -c " Z"; busybox tr "\\0" " " < /proc/1/comm; echo; echo $$ $PPID; exit 7';
  const plan = await container(fixture, sh(reap, 1));
  const ended = await fixture.run(plan);
  assert.deepEqual(
    ended.output
      .split('\n')
      .slice(0, 4)
      .map((line) => line.trim()),
    ['0', 'init', '', '2 1'],
  );
  assert.equal(ended.code, 7);
  const withExec = (exec: PlanOp): Plan => [...plan.slice(0, -1), exec];
  assert.equal((await fixture.run(withExec(sh('kill -SEGV $$', 1)))).code, 139);
  assert.match(
    await fixture.startFailure(withExec(execOp(['none'], 1))),
    /ENOENT execve\("none"\)$/,
  );

  const trapping = await fixture.start(
    withExec(sh('trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 0.01; done', 1)),
  );
  await readUntil(trapping.stream, 'ready');
  const control = await connectMonitor(trapping.runDir);
  await control.signal(15);
  await readUntil(trapping.stream, 'caught');
  assert.equal((await trapping.exited()).code, 3);
  control.close();
  trapping.stream.destroy();
});

test('init hands its terminal to the program', async () => {
  await using fixture = await PlanFixture.create();
  const plan: Plan = [
    openDir(0, '/dev/pts'),
    cloneOp(CLONE.CLONE_NEWPID),
    { op: 'console', slot: 1, devpts: 0, rows: 24, columns: 80, uid: 0 },
  ];
  const script =
    'tty > /dev/null && set -- $(cat /proc/self/stat) && test "$5" = "$8" || test -n "$8"; busybox ps -o pid,tty > /dev/null; stty size; busybox sh -m -c "sleep 0.01" && echo jobs';
  const ended = await fixture.run([...plan, sh(script, 1)], { tty: true });
  assert.match(ended.output, /24 80\r\n/);
  assert.match(ended.output, /jobs\r\n/);
  assert.equal(ended.code, 0);
});

test('a user namespace is mapped by the caller, and its process writes its own files', async () => {
  await using fixture = await PlanFixture.create();
  const root = await fixture.makeRoot('root');
  const dirs = await dirsOf(fixture, 'one');
  await chown(dirs.upper, 100000, 100000);
  for (const path of [fixture.dir, fixture.path('one')]) await chmod(path, 0o755);
  const script =
    'id -u; cat /proc/self/uid_map; cat /proc/self/oom_score_adj; echo x > /mine && stat -c %u /mine';
  const plan: Plan = [
    cloneOp(ALL | CLONE.CLONE_NEWUSER, { uidMap: '0 100000 65536\n', gidMap: '0 100000 65536\n' }),
    { op: 'propagation', path: '/', flags: MS.MS_REC | MS.MS_PRIVATE },
    { op: 'identity', uid: 0, gid: 0, groups: Buffer.of() },
    {
      op: 'capset',
      effective: 0x1ffffffffffn,
      permitted: 0x1ffffffffffn,
      inheritable: 0n,
      ambient: 0n,
    },
    { op: 'open-tree', slot: 0, path: root, recursive: 1 },
    { op: 'attach', slot: 0, path: dirs.stage, create: 0 },
    { op: 'fsmount', slot: 1, fsType: 'proc', source: 'proc', options: [], attrs: 0xen },
    { op: 'attach', slot: 1, root: 0, path: 'proc', create: 0 },
    { op: 'write-self', proc: 1, path: 'oom_score_adj', data: Buffer.from('456'), skipMissing: 0 },
    tmpfsMount(2),
    { op: 'attach', slot: 2, root: 0, path: 'tmp', create: 0 },
    ...PIVOT,
    STDIO,
    { op: 'close-fds' },
    sh(script.replaceAll('/mine', '/tmp/mine')),
  ];
  const ended = await fixture.run(plan);
  assert.deepEqual(
    ended.output.split('\n').map((line) => line.trim().replaceAll(/\s+/g, ' ')),
    ['0', '0 100000 65536', '456', '0', ''],
  );
  const bad = [cloneOp(CLONE.CLONE_NEWUSER, { uidMap: 'x' }), STDIO, sh('true')];
  assert.match(await fixture.startFailure(bad), /^1 EINVAL uid_map/);
});

test('R8: in a user namespace of one id no group can be dropped, and its maps are what was asked', async () => {
  await using fixture = await PlanFixture.create();
  const one = { uidMap: '0 100000 1\n', gidMap: '0 100000 1\n' };
  const show = sh('cat /proc/self/setgroups /proc/self/uid_map /proc/self/gid_map');
  const ended = await fixture.run([
    cloneOp(CLONE.CLONE_NEWUSER, { ...one, denySetgroups: 1 }),
    STDIO,
    show,
  ]);
  assert.deepEqual(
    ended.output.split('\n').map((line) => line.trim().replaceAll(/\s+/g, ' ')),
    ['deny', '0 100000 1', '0 100000 1', ''],
  );
  const drop = { op: 'identity', uid: 0, gid: 0, groups: Buffer.alloc(4) } as const;
  const denied = [cloneOp(CLONE.CLONE_NEWUSER, { ...one, denySetgroups: 1 }), drop, STDIO, show];
  assert.match(await fixture.startFailure(denied), /EPERM setgroups/);
  const allowed = await fixture.run([cloneOp(CLONE.CLONE_NEWUSER, one), drop, STDIO, show]);
  assert.match(allowed.output, /^allow\n/);
});

/** Where the cgroup hierarchy is mounted that this line of mountinfo describes; fails when there is none. */
async function hierarchy(wanted: RegExp): Promise<string> {
  const line = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .find((entry) => wanted.test(entry));
  assert.ok(line !== undefined, `no cgroup hierarchy ${wanted}`);
  return join(line.split(' ')[4] ?? '', 'carve');
}

test('a process enters the cgroup v2 directory at its birth', async () => {
  await using fixture = await PlanFixture.create();
  const carve = await hierarchy(/ - cgroup2 /);
  const base = join(carve, `test-spawn-${process.pid}`);
  const open = openDir(0, base);
  for (const denied of [[], [NEW_CALLS['clone3'] ?? 0]]) {
    await using inner = await PlanFixture.create(denied);
    await inner.apply([
      { op: 'mkdir', path: carve, mode: 0o755 },
      { op: 'mkdir', path: base, mode: 0o755 },
    ]);
    try {
      const show = execOp(['/bin/busybox', 'grep', '0::', '/proc/self/cgroup']);
      const ended = await inner.run([open, cloneOp(0n, { cgroup: 0 }), STDIO, show]);
      assert.match(ended.output, /\/carve\/test-spawn-\d+\n$/);
    } finally {
      await inner.apply([{ op: 'rmdir', path: base, busyMs: 2000 }]);
    }
  }
  const wrong: Plan = [openDir(0, '/tmp'), cloneOp(0n, { cgroup: 0 }), STDIO, sh('')];
  assert.match(await fixture.startFailure(wrong), /^2 EBADF clone3/);
});

/** Hosts with cgroup v2 alone have nothing of the kind. */
const hasVersion1 = / - cgroup \S+ \S*pids/.test(readFileSync('/proc/self/mountinfo', 'utf8'));

async function entersVersion1(): Promise<void> {
  await using fixture = await PlanFixture.create();
  const carve = await hierarchy(/ - cgroup \S+ \S*pids/);
  const base = join(carve, `test-spawn-${process.pid}`);
  await fixture.apply([
    { op: 'mkdir', path: carve, mode: 0o755 },
    { op: 'mkdir', path: base, mode: 0o755 },
  ]);
  try {
    const enter: PlanOp = {
      op: 'write',
      path: join(base, 'tasks'),
      data: Buffer.from('0'),
      skipMissing: 0,
    };
    const show = execOp(['/bin/busybox', 'grep', ':pids:', '/proc/self/cgroup']);
    const outside = await fixture.run([cloneOp(0n), enter, STDIO, show]);
    assert.match(outside.output, /:pids:\/carve\/test-spawn-\d+\n$/);
    const inside = await fixture.run([
      cloneOp(0n),
      enter,
      { op: 'unshare', flags: CLONE.CLONE_NEWCGROUP },
      STDIO,
      show,
    ]);
    assert.match(inside.output, /:pids:\/\n$/);
  } finally {
    await fixture.apply([{ op: 'rmdir', path: base, busyMs: 2000 }]);
  }
}

if (hasVersion1) {
  test(
    'a process moves itself into a cgroup v1 directory, where its cgroup namespace starts',
    entersVersion1,
  );
}

/** The first child of a process, as soon as it has one. */
async function childOf(pid: number): Promise<number> {
  for (;;) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    if (children !== '') return Number(children.split(' ')[0]);
  }
}

/** What a child that is set up has open, once it has shed what its caller had. */
async function setUpDescriptors(pid: number): Promise<readonly string[]> {
  for (;;) {
    const descriptors = await readdir(`/proc/${pid}/fd`);
    const targets = await Promise.all(
      descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => 'gone')),
    );
    if (!targets.includes('anon_inode:[pidfd]') && targets.length <= 4) return targets;
  }
}

test('a child that dies while it is set up is reported, and every failed start leaves no process', async () => {
  await using fixture = await PlanFixture.create();
  // A directory in use keeps rmdir trying for the time it is given.
  const stuck = fixture.startFailure(
    plain(sh(''), [{ op: 'rmdir', path: '/proc', busyMs: 10_000 }]),
  );
  const monitor = await childOf(fixture.chisel.hostPid ?? 0);
  const child = await childOf(monitor);
  const opened = await setUpDescriptors(child);
  assert.deepEqual(
    opened.map((target) => target.replace(/:.*/, '')),
    ['/dev/null', 'pipe', 'pipe', 'socket'],
    'what the monitor has open is none of the child’s business',
  );
  process.kill(child, 'SIGKILL');
  assert.equal(await stuck, '1 ECHILD waitpid()');
  const root = await fixture.makeRoot('root');
  const full = [
    cloneOp(ALL),
    ...containerRoot(root, await dirsOf(fixture, 'one')),
    ...PIVOT,
    STDIO,
  ];
  const failing: PlanOp = { op: 'open', slot: 31, path: '/no/such', flags: 0 };
  for (let at = 1; at <= full.length; at++) {
    assert.equal(
      await fixture.startFailure([...full.slice(0, at), failing, sh('')]),
      `${at + 1} ENOENT open("/no/such")`,
    );
  }
  const hostPid = fixture.chisel.hostPid ?? 0;
  assert.ok(isAlive(hostPid));
  const mounts = await readFile(`/proc/${hostPid}/mountinfo`, 'utf8');
  assert.doesNotMatch(mounts, /carve-plan/);
  assert.doesNotMatch(await readFile('/proc/self/mountinfo', 'utf8'), /carve-plan/);
});
