/**
 * Weaknesses that container engines had, and that this one must not: each test
 * begins with the row of the security matrix that it holds. Rows that need a
 * plan of their own are in container.test.ts, container-races.test.ts,
 * path-race.test.ts, seccomp.test.ts, decode.test.ts and host.test.ts.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { openSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ContainerConfig, HostConfig } from '../../src/spec/docker/container.ts';
import { CHISEL_PATH, openFixture, type EngineFixture } from './engine-fixture.ts';
import { askEntries, execIn } from './entries.ts';

const sha256 = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex');

/** The monitor of a container: the parent of its process. */
async function monitorOf(fixture: EngineFixture, id: string): Promise<number> {
  const { Pid } = (await fixture.engine.containers.inspect(id)).State;
  const status = readFileSync(`/proc/${Pid}/status`, 'utf8');
  return Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
}

async function started(
  fixture: EngineFixture,
  config: ContainerConfig = {},
  hostConfig: HostConfig = {},
): Promise<string> {
  const id = await fixture.create({ Cmd: ['sleep', '1000'], ...config }, hostConfig);
  await fixture.engine.containers.start(id);
  return id;
}

test('R1: nothing that runs a container can be written through /proc, from inside or outside', async () => {
  await using fixture = await openFixture();
  const before = sha256(CHISEL_PATH);
  // The program that the kernel names when the container's own is asked for.
  const self = await fixture.run({ Cmd: ['/proc/self/exe', 'unpack'] });
  assert.notEqual(self.code, 0);
  const script = await fixture.run({
    Cmd: [
      'sh',
      '-c',
      `printf '#!/proc/self/exe\\n' > /s; chmod 755 /s; i=0
       while [ $i -lt 50 ]; do /s 2>/dev/null; i=$((i+1)); done
       for p in /proc/[0-9]*; do (echo x > $p/exe) 2>/dev/null && echo "wrote $p"; done; echo end`,
    ],
  });
  assert.equal(script.stdout, 'end\n');
  const id = await started(fixture, {
    // Tries to write to whatever becomes visible while execs come in.
    Cmd: [
      'sh',
      '-c',
      // A redirection that fails would end the shell in its own process.
      `while :; do for p in /proc/[0-9]*; do
         case $(stat -c %N $p/exe 2>/dev/null) in *memfd*) (echo x >> $p/exe) 2>/dev/null && echo "wrote $p";; esac
       done; done`,
    ],
  });
  for (let count = 0; count < 50; count++)
    assert.equal((await execIn(fixture, id, { Cmd: ['true'] })).code, 0);
  const { chunks } = await fixture.engine.containers.logs(id, {
    follow: false,
    stdout: true,
    stderr: true,
    timestamps: false,
    details: false,
  });
  for await (const chunk of chunks) assert.doesNotMatch(Buffer.from(chunk).toString(), /wrote/);
  const monitor = await monitorOf(fixture, id);
  assert.match(readlinkSync(`/proc/${monitor}/exe`), /^\/memfd:chisel/);
  assert.throws(() => openSync(`/proc/${monitor}/exe`, 'r+'), { code: /ETXTBSY|EPERM/ });
  assert.equal(sha256(CHISEL_PATH), before);
});

test('R2: only the streams are open by every entry, and no descriptor is a working directory', async () => {
  await using fixture = await openFixture();
  const answers = await askEntries(fixture, 'ls /proc/self/fd');
  // ls itself has 3 open.
  for (const [entry, text] of Object.entries(answers))
    assert.equal(text.trim().split(/\s+/).join(' '), '0 1 2 3', entry);
  const id = await started(fixture);
  for (const fd of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 31, 64]) {
    const WorkingDir = `/proc/self/fd/${fd}`;
    const run = await fixture.create({ Cmd: ['true'], WorkingDir });
    await assert.rejects(fixture.engine.containers.start(run), WorkingDir);
    await assert.rejects(execIn(fixture, id, { Cmd: ['pwd'], WorkingDir }), WorkingDir);
  }
});

test('R4: a console is of the container its own devpts, whatever the image has at /dev', async () => {
  await using fixture = await openFixture();
  for (const prepare of [
    'true',
    'rm -rf /dev/pts; ln -s /tmp /dev/pts',
    'rm -f /dev/ptmx /dev/console; ln -s /etc/passwd /dev/console; ln -s /etc/passwd /dev/ptmx',
  ]) {
    // The file system under the mounted /dev is the image's: it is changed as a bind sees it.
    const { code, stdout } = await fixture.run(
      {
        Tty: true,
        Cmd: [
          'sh',
          '-c',
          `tty; stat -c '%t %F' /dev/console /dev/pts/0; (${prepare}) 2>/dev/null; true`,
        ],
      },
      {},
    );
    assert.equal(code, 0, stdout);
    assert.equal(
      stdout.replaceAll('\r', ''),
      '/dev/pts/0\n88 character special file\n88 character special file\n',
    );
  }
});

const USERS: readonly (readonly [string, string, string])[] = [
  // As asked, `id -u:id -g`, `id -G`.
  ['', '0:0', '0'],
  ['root', '0:0', '0'],
  ['app', '1000:1000', '1000 50 60'],
  ['1000', '1000:1000', '1000 50 60'],
  ['app:60', '1000:60', '60'],
  ['app:disk', '1000:60', '60'],
  ['1000:7', '1000:7', '7'],
  ['4242', '4242:0', '0'],
  ['4242:4343', '4242:4343', '4343'],
];

test('R11: groups are those of the user by name and number, in a run and in an exec', async () => {
  await using fixture = await openFixture();
  const id = await started(fixture);
  const edit = 'echo "tape:x:50:app" >> /etc/group; echo "disk:x:60:app,other" >> /etc/group';
  assert.equal((await execIn(fixture, id, { Cmd: ['sh', '-c', edit] })).code, 0);
  const script = 'echo $(id -u):$(id -g); id -G';
  for (const [User, ids, groups] of USERS) {
    const { output } = await execIn(fixture, id, { Cmd: ['sh', '-c', script], User });
    const [own = '', list = ''] = output.split('\n');
    const sorted = (text: string): string => text.split(' ').toSorted().join(' ');
    assert.deepEqual([own, sorted(list)], [ids, sorted(groups)], `exec -u '${User}'`);
  }
  // The same files at the start of a container: it is started again after it changed them.
  for (const [User, ids, groups] of USERS.filter(([name]) => name !== '' && name !== 'app:disk')) {
    const again = await fixture.create({
      User,
      Cmd: ['sh', '-c', `grep -q tape /etc/group && { ${script}; } > /tmp/answer; sleep 1000`],
    });
    await fixture.engine.containers.start(again);
    await execIn(fixture, again, { Cmd: ['sh', '-c', edit], User: 'root' });
    await fixture.engine.containers.restart(again, { timeoutSeconds: 0 });
    const wait = 'until [ "$(wc -l < /tmp/answer 2>/dev/null)" = 2 ]; do :; done; cat /tmp/answer';
    const { output } = await execIn(fixture, again, { Cmd: ['sh', '-c', wait], User: 'root' });
    const [own = '', list = ''] = output.split('\n');
    const sorted = (text: string): string => text.split(' ').toSorted().join(' ');
    assert.deepEqual([own, sorted(list)], [ids, sorted(groups)], `run -u '${User}'`);
    await fixture.engine.containers.remove(again, { force: true });
  }
  const { stdout } = await fixture.run(
    { Cmd: ['id', '-G'], User: 'app' },
    { GroupAdd: ['50', '50', 'app'] },
  );
  assert.equal(stdout, '1000 50\n');
});

test('R12: a number is a user id, never a name, and nothing that only looks like one is', async () => {
  await using fixture = await openFixture();
  const id = await started(fixture);
  const lines = ['1', '2147483648', '4294967296', '0x0', '+0', '-1', '00']
    .map((name) => `echo "${name}:x:0:0::/:/bin/sh" >> /etc/passwd`)
    .join(';');
  assert.equal((await execIn(fixture, id, { Cmd: ['sh', '-c', lines] })).code, 0);
  assert.equal((await execIn(fixture, id, { Cmd: ['id', '-u'], User: '1' })).output, '1\n');
  assert.equal((await execIn(fixture, id, { Cmd: ['id', '-u'], User: '1:1' })).output, '1\n');
  for (const User of [
    '2147483648',
    '4294967296',
    '18446744073709551616',
    '-1',
    '+0',
    '0x0',
    ' 0',
    '1 ',
  ])
    await assert.rejects(execIn(fixture, id, { Cmd: ['id', '-u'], User }), /user|uid/, User);
  for (const User of ['app:4294967296', 'app:-1', 'app:0x10'])
    await assert.rejects(execIn(fixture, id, { Cmd: ['id', '-u'], User }), /group|gid/, User);
});

test('R13: user files that are no files, endless or absurd are refused at once', async () => {
  await using fixture = await openFixture();
  const rows: readonly (readonly [string, string])[] = [
    ['a pipe', 'rm -f /etc/passwd; mkfifo /etc/passwd'],
    ['an endless device', 'rm -f /etc/passwd; mknod /etc/passwd c 1 5'],
    ['a directory', 'rm -f /etc/passwd; mkdir /etc/passwd'],
    ['a gigabyte', 'rm -rf /etc/passwd; truncate -s 1G /etc/passwd'],
    [
      'a line of five megabytes',
      'rm -f /etc/passwd; head -c 5000000 /dev/zero | tr "\\0" a > /etc/passwd',
    ],
    ['a link out', 'rm -f /etc/passwd; ln -s /../../../../etc/shadow /etc/passwd'],
    ['a loop', 'rm -f /etc/passwd; ln -s passwd /etc/passwd'],
  ];
  const busybox = (script: string): string =>
    script.replaceAll(/(^|; |\| )(\w+)/g, '$1/bin/busybox $2');
  for (const [what, script] of rows) {
    const id = await started(fixture);
    const made = await execIn(fixture, id, { Cmd: ['sh', '-c', busybox(script)] });
    assert.equal(made.code, 0, `${what}: ${made.output}`);
    const before = process.memoryUsage.rss();
    await assert.rejects(
      execIn(fixture, id, { Cmd: ['true'], User: 'somebody' }),
      /user somebody|passwd/,
      what,
    );
    assert.ok(process.memoryUsage.rss() - before < 64 * 2 ** 20, `memory after ${what}`);
    await fixture.engine.containers.remove(id, { force: true });
  }
});

test('R14: a line break in a field that becomes part of a file is refused', async () => {
  await using fixture = await openFixture();
  for (const bad of ['\n', '\r', '\0', 'a\nroot::0:0::/:/bin/sh']) {
    const fields: readonly (readonly [ContainerConfig, HostConfig])[] = [
      [{ Hostname: `a${bad}` }, {}],
      [{ Domainname: `a${bad}` }, {}],
      [{ User: `a${bad}` }, {}],
      [{ WorkingDir: `/a${bad}` }, {}],
      [{}, { ExtraHosts: [`h${bad}:1.2.3.4`] }],
      [{}, { Dns: [`1.1.1.1${bad}`] }],
      [{}, { DnsSearch: [`a${bad}`] }],
      [{}, { DnsOptions: [`ndots:1${bad}`] }],
      [{}, { Tmpfs: { '/t': `size=1m${bad}` } }],
      [{}, { Sysctls: { 'kernel.msgmax': `1${bad}` } }],
      [{}, { Sysctls: { [`kernel.msgmax${bad}`]: '1' } }],
      [{}, { CgroupParent: `/a${bad}` }],
    ];
    for (const [config, hostConfig] of fields) {
      await assert.rejects(
        async () => {
          const id = await fixture.create({ Cmd: ['true'], ...config }, hostConfig);
          await fixture.engine.containers.start(id);
        },
        (error: Error & { kind?: string }) => error.kind === 'invalid',
        JSON.stringify([config, hostConfig]),
      );
    }
  }
});

test('R18: what is no device is refused, links and directories of links included', async () => {
  await using fixture = await openFixture();
  const place = join(fixture.directory, 'devices');
  execFileSync('mkdir', [place]);
  execFileSync('ln', ['-s', '/etc/passwd', join(place, 'link')]);
  execFileSync('mkfifo', [join(place, 'pipe')]);
  for (const path of [
    '/etc/passwd',
    '/etc',
    '/dev/../etc/passwd',
    '/dev/nothing',
    '/proc/self/mem',
    '/dev/stdin/../../etc/passwd',
    join(place, 'link'),
    join(place, 'pipe'),
    'dev/null',
    '',
  ]) {
    await assert.rejects(
      fixture.create(
        { Cmd: ['true'] },
        { Devices: [{ PathOnHost: path, PathInContainer: '/dev/x', CgroupPermissions: 'rwm' }] },
      ),
      (error: Error & { kind?: string }) => error.kind === 'invalid',
      path,
    );
  }
});

test('R21: a seccomp profile that is none is refused, and the default is on by every entry', async () => {
  await using fixture = await openFixture();
  for (const value of [
    '',
    'default',
    '{',
    '[]',
    '{}',
    '{"defaultAction":"SCMP_ACT_WHAT"}',
    'null',
  ]) {
    await assert.rejects(
      async () => {
        const id = await fixture.create({ Cmd: ['true'] }, { SecurityOpt: [`seccomp=${value}`] });
        await fixture.engine.containers.start(id);
      },
      (error: Error & { kind?: string }) => error.kind === 'invalid',
      `seccomp=${value}`,
    );
  }
  const answers = await askEntries(fixture, "grep -E '^Seccomp' /proc/self/status");
  for (const [entry, text] of Object.entries(answers)) assert.match(text, /^Seccomp:\t2$/m, entry);
});

test('R22: a container on the host its network meets no socket of the engine', async () => {
  await using fixture = await openFixture();
  const id = await started(fixture, {}, { NetworkMode: 'host' });
  const { output } = await execIn(fixture, id, { Cmd: ['cat', '/proc/net/unix'] });
  const abstract = output.split('\n').filter((line) => /@.*(carve|chisel|monitor)/i.test(line));
  assert.deepEqual(abstract, []);
  // Bound by a name alone, in a directory that is the engine's only.
  assert.match(output, / monitor\.sock$/m);
  const place = `${fixture.directory}/run/c/${id}`;
  assert.equal(statSync(place).mode & 0o077, 0);
  assert.ok(statSync(`${place}/monitor.sock`).isSocket());
  assert.notEqual((await execIn(fixture, id, { Cmd: ['stat', place] })).code, 0);
});

test('R23: another user of the host finds nothing open below the engine its directories', async () => {
  await using fixture = await openFixture();
  const copies = 'for at in /own /data/own; do cp /bin/busybox $at; chmod 4755 $at; done';
  const id = await started(
    fixture,
    { Cmd: ['sh', '-c', `${copies}; sleep 1000`] },
    { Binds: ['data:/data'] },
  );
  await execIn(fixture, id, { Cmd: ['sh', '-c', 'until [ -u /data/own ]; do :; done'] });
  const walk = `find ${fixture.directory}/root ${fixture.directory}/run -mindepth 1 2>/dev/null`;
  execFileSync('chmod', ['755', fixture.directory]);
  const { stdout } = spawnSync('sh', ['-c', walk], {
    uid: 65_534,
    gid: 65_534,
    encoding: 'utf8',
    cwd: '/',
  });
  assert.equal(stdout, '', 'what nobody can list');
  // By their names, which nobody could know.
  const all = execFileSync('find', [`${fixture.directory}/root`, `${fixture.directory}/run`], {
    encoding: 'utf8',
  });
  const paths = all.trim().split('\n');
  assert.ok(paths.some((path) => path.endsWith('/own') && !path.includes('/volumes/')));
  assert.ok(paths.some((path) => path.endsWith('/volumes/data/_data/own')));
  const look = 'while read p; do [ -d "$p" ] || { [ -r "$p" ] || [ -x "$p" ]; } && echo "$p"; done';
  const opened = spawnSync('sh', ['-c', look], {
    uid: 65_534,
    gid: 65_534,
    encoding: 'utf8',
    cwd: '/',
    input: all,
  });
  const isTop = (path: string): boolean => statSync(path).isDirectory();
  assert.deepEqual(
    opened.stdout
      .trim()
      .split('\n')
      .filter((path) => path !== '' && !isTop(path)),
    [],
  );
});

test('R24: nothing of the container is run or loaded to look into it', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const trojan = ['ps', 'getent', 'id', 'tar', 'gzip', 'unpigz', 'xz', 'zstd', 'git', 'sh2']
    .map(
      (name) =>
        `printf '#!/bin/busybox sh\\n/bin/busybox touch /ran\\n' > /bin/new; /bin/busybox chmod 755 /bin/new; /bin/busybox mv /bin/new /bin/${name}`,
    )
    .join(';');
  const id = await started(fixture, {
    Cmd: ['/bin/busybox', 'sh', '-c', `${trojan}; echo x > /file; exec /bin/busybox sleep 1000`],
  });
  await execIn(fixture, id, { Cmd: ['sh', '-c', 'until [ -e /file ]; do :; done'] });
  assert.ok((await containers.top(id, '')).Processes.length > 0);
  assert.ok((await containers.top(id, 'aux')).Processes.length > 0);
  assert.equal((await execIn(fixture, id, { Cmd: ['true'], User: 'app' })).code, 0);
  for await (const usage of containers.stats(id, { stream: false, oneShot: true }))
    assert.ok((usage.pids_stats.current ?? 0n) > 0n);
  const ran = await execIn(fixture, id, { Cmd: ['test', '-e', '/ran'] });
  assert.equal(ran.code, 1, 'a program of the container ran');
});

test('R26: the environment of an image reaches its container only', async () => {
  await using fixture = await openFixture();
  const Env = [
    'LD_PRELOAD=/evil.so',
    'NODE_OPTIONS=--require=/evil.js',
    'BUN_OPTIONS=--x',
    'PATH=/evil:/bin',
  ];
  const id = await started(fixture, { Env });
  const { Pid } = (await fixture.engine.containers.inspect(id)).State;
  assert.match(readFileSync(`/proc/${Pid}/environ`, 'utf8'), /LD_PRELOAD=\/evil\.so/);
  const monitor = await monitorOf(fixture, id);
  const host = Number(
    /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${monitor}/status`, 'utf8'))?.[1],
  );
  for (const pid of [monitor, host]) {
    assert.equal(readFileSync(`/proc/${pid}/environ`, 'utf8'), '', `environment of ${pid}`);
    assert.ok(!readFileSync(`/proc/${pid}/maps`, 'utf8').includes('.so'), 'nothing is loaded');
  }
});

test('R17: no release agent and no writable group file, by every entry', async () => {
  await using fixture = await openFixture();
  const answers = await askEntries(
    fixture,
    `/bin/busybox find /sys/fs/cgroup -name 'release_agent' -o -name 'notify_on_release' | grep -c agent
     for f in $(/bin/busybox find /sys/fs/cgroup -type f); do (: >> $f) 2>/dev/null && echo "open $f"; done
     mkdir /sys/fs/cgroup/new 2>/dev/null && echo made; echo end`,
  );
  for (const [entry, text] of Object.entries(answers)) assert.equal(text, '0\nend\n', entry);
});

test('R5: a mount at or below /proc or /sys is refused, and /proc is the kernel its own', async () => {
  await using fixture = await openFixture();
  for (const target of [
    '/proc',
    '/proc/self/attr',
    '/proc/sys',
    '/sys',
    '/sys/kernel',
    '/proc/../proc/x',
  ])
    for (const hostConfig of [
      // The whole of /sys is bound where a container is to see the host's.
      ...(target === '/sys' ? [] : [{ Binds: [`/tmp:${target}`] }]),
      { Tmpfs: { [target]: '' } },
    ])
      await assert.rejects(
        fixture.create({ Cmd: ['true'] }, hostConfig),
        /inside \/proc or \/sys/,
        target,
      );
  const id = await started(fixture, {}, { OomScoreAdj: 321, Sysctls: { 'kernel.msgmax': '4321' } });
  const { Pid } = (await fixture.engine.containers.inspect(id)).State;
  assert.equal(readFileSync(`/proc/${Pid}/oom_score_adj`, 'utf8'), '321\n');
  const { output } = await execIn(fixture, id, { Cmd: ['cat', '/proc/sys/kernel/msgmax'] });
  assert.equal(output, '4321\n');
  assert.notEqual(readFileSync('/proc/sys/kernel/msgmax', 'utf8'), '4321\n');
});

test('R15: sysctls of the host are refused however they are written', async () => {
  await using fixture = await openFixture();
  const rows: readonly (readonly [Readonly<Record<string, string>>, HostConfig])[] = [
    [{ 'kernel.core_pattern': 'x' }, {}],
    [{ 'kernel/core_pattern': 'x' }, {}],
    [{ 'net/../kernel/core_pattern': 'x' }, {}],
    [{ 'net.ipv4.ip_forward+kernel.core_pattern': '1' }, {}],
    [{ 'vm.overcommit_memory': '1' }, {}],
    [{ 'fs.file-max': '1' }, {}],
    [{ 'kernel.hostname': 'x' }, {}],
    [{ 'net.ipv4.ip_forward': '1' }, { NetworkMode: 'host' }],
    [{ 'kernel.shmmax': '1' }, { IpcMode: 'host' }],
    [{ 'fs.mqueue.msg_max': '1' }, { IpcMode: 'host' }],
    [{ 'kernel.domainname': 'x' }, { UTSMode: 'host' }],
  ];
  const before = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
  for (const [Sysctls, hostConfig] of rows) {
    await assert.rejects(
      async () => {
        const id = await fixture.create({ Cmd: ['true'] }, { ...hostConfig, Sysctls });
        await fixture.engine.containers.start(id);
      },
      (error: Error & { kind?: string }) => error.kind === 'invalid',
      JSON.stringify([Sysctls, hostConfig]),
    );
  }
  assert.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), before);
});
