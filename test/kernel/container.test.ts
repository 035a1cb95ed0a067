/**
 * Planned containers on the real kernel: what is inside, and what is not. Rows
 * of the security matrix are named in the tests that hold them.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ContainerMount } from '../../src/engine/containers/mount.ts';
import {
  freezeCgroup,
  killCgroup,
  listCgroupPids,
  thawCgroup,
} from '../../src/kernel/cgroup/control.ts';
import { directoriesOf } from '../../src/kernel/cgroup/place.ts';
import { readCgroupStats } from '../../src/kernel/cgroup/read-stats.ts';
import { parseMountInfo, parseStartTicks } from '../../src/kernel/procfs.ts';
import type { Spec } from '../../src/spec/oci/runtime.ts';
import type { TestContainer } from './container-fixture.ts';
import { ContainerFixture } from './container-fixture.ts';

const WEB = { uid: 1000, gid: 1000, additionalGids: [50, 1000], home: '/home/web' };
/** Bits of Docker's 14 capabilities. */
const DEFAULT_CAPS = '00000000a80425fb';

function bind(
  source: string,
  destination: string,
  changes: Partial<ContainerMount> = {},
): ContainerMount {
  return {
    type: 'bind',
    origin: 'binds',
    source,
    destination,
    readonly: false,
    readonlyDepth: 'best-effort',
    mode: '',
    propagation: 'rprivate',
    recursive: true,
    createSource: true,
    ...changes,
  };
}

/** `Key:\tvalue` lines of a status file. */
function status(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf(':');
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()]];
    }),
  );
}

test('a plain container has its own pid, name, network, root and devices', async () => {
  await using fixture = await ContainerFixture.create();
  const output = await fixture.output({
    command:
      'echo $$; hostname; pwd; ls /dev; ip link show up; echo "$HOME $PATH"; umask; ls -di /',
  });
  const lines = output.split('\n');
  assert.equal(lines[0], '1');
  assert.equal(lines[1], '0123456789ab');
  assert.equal(lines[2], '/');
  assert.deepEqual(lines.slice(3, 19), [
    'core',
    'fd',
    'full',
    'mqueue',
    'null',
    'ptmx',
    'pts',
    'random',
    'shm',
    'stderr',
    'stdin',
    'stdout',
    'tty',
    'urandom',
    'zero',
    lines[18],
  ]);
  assert.match(output, /lo: <LOOPBACK,UP,LOWER_UP>/);
  assert.doesNotMatch(output, /eth0/);
  assert.match(output, /\/root \/usr\/local\/sbin/);
  assert.match(output, /^0?022$/m);
});

test('R9 R10: capabilities are bounded, none is inherited, another user holds none', async () => {
  await using fixture = await ContainerFixture.create();
  const command = 'cat /proc/self/status; id -G';
  const root = status(await fixture.output({ command }));
  assert.deepEqual(
    [root['CapInh'], root['CapPrm'], root['CapEff'], root['CapBnd'], root['CapAmb']],
    ['0000000000000000', DEFAULT_CAPS, DEFAULT_CAPS, DEFAULT_CAPS, '0000000000000000'],
  );
  assert.deepEqual([root['Seccomp'], root['NoNewPrivs']], ['2', '0']);
  for (const hostConfig of [
    {},
    { Privileged: true },
    { SecurityOpt: ['no-new-privileges'] },
    { SecurityOpt: ['seccomp=unconfined'] },
  ]) {
    const output = await fixture.output({ command, hostConfig, input: { user: WEB } });
    const web = status(output);
    const none = '0000000000000000';
    assert.deepEqual(
      [web['CapInh'], web['CapPrm'], web['CapEff'], web['CapAmb']],
      [none, none, none, none],
      JSON.stringify(hostConfig),
    );
    assert.equal(web['Uid'], '1000\t1000\t1000\t1000');
    assert.equal(web['Groups'], '50 1000');
    assert.equal(
      web['NoNewPrivs'],
      hostConfig.SecurityOpt?.[0] === 'no-new-privileges' ? '1' : '0',
    );
  }
});

test('R2: only 0, 1 and 2 are open, and no directory outside can be entered', async () => {
  await using fixture = await ContainerFixture.create();
  const output = await fixture.output({ command: 'ls /proc/self/fd | sort -n' });
  // ls itself opened 3 to read the directory.
  assert.deepEqual(output.trim().split('\n'), ['0', '1', '2', '3']);
  for (const fd of [3, 4, 5, 7, 8, 10, 16]) {
    const failure = await fixture.failure({
      command: 'true',
      input: { config: { WorkingDir: `/proc/self/fd/${fd}` } },
    });
    assert.match(failure, /ENOTDIR|ENOENT|ELOOP|EEXIST|EACCES|EINVAL/, failure);
  }
});

test('R19: hidden paths are empty or null devices, read-only ones refuse writes', async () => {
  await using fixture = await ContainerFixture.create();
  const output = await fixture.output({
    command: `
      for f in /proc/interrupts /proc/keys /proc/timer_list /proc/kcore /proc/sched_debug; do
        [ -e $f ] && echo "$f $(head -c 10 $f | wc -c)"; done
      for d in /proc/acpi /proc/scsi /sys/firmware; do [ -d $d ] && echo "$d $(ls -A $d | wc -l)"; done
      for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/default_smp_affinity; do
        (echo x > $f) 2>&1 | grep -o 'Read-only' ; done
      (echo 1 > /sys/kernel/mm/ksm/run) 2>&1 | grep -o Read-only
      (mkdir /proc/acpi/x) 2>&1 | grep -o Read-only`,
  });
  for (const line of output.split('\n').filter((each) => each.startsWith('/')))
    assert.match(line, / 0$/);
  assert.ok(output.includes('/proc/interrupts 0'));
  assert.ok((output.match(/Read-only/g) ?? []).length >= 4, output);
});

test('R5: an image whose /proc or /sys is a link, and a mount inside them, is refused', async () => {
  await using fixture = await ContainerFixture.create();
  for (const name of ['proc', 'sys']) {
    await rm(join(fixture.root, name), { recursive: true });
    await mkdir(join(fixture.root, 'fake'), { recursive: true });
    await symlink('/fake', join(fixture.root, name));
    assert.match(await fixture.failure({ command: 'true' }), /ENOTDIR|ELOOP/);
    await rm(join(fixture.root, name));
    await mkdir(join(fixture.root, name));
  }
  assert.match(await fixture.output({ command: 'echo fine' }), /fine/);
});

test('R6 R7: links of the image lead nowhere outside', async () => {
  await using fixture = await ContainerFixture.create();
  const canary = await fixture.makeDir('canary');
  await rm(join(fixture.root, 'dev'), { recursive: true });
  await symlink(canary, join(fixture.root, 'dev'));
  await symlink(`/../../../../..${canary}`, join(fixture.root, 'data'));
  const source = await fixture.makeDir('source');
  await writeFile(join(source, 'file'), 'x');
  // The link's target is made below the container's root.
  const output = await fixture.output({
    command: `ls ${canary}/null; cat /data/file`,
    input: { mounts: [bind(source, '/data')] },
  });
  assert.match(output, /\/null/);
  assert.deepEqual(
    [existsSync(join(canary, 'null')), existsSync(join(canary, 'file'))],
    [false, false],
  );
});

test('R15: sysctls are set in the own namespaces, the host keeps its values', async () => {
  await using fixture = await ContainerFixture.create();
  const before = await readFile('/proc/sys/kernel/shmmax', 'utf8');
  const output = await fixture.output({
    command:
      'cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/self/oom_score_adj',
    hostConfig: { Sysctls: { 'kernel.shmmax': '65536' }, OomScoreAdj: 500 },
  });
  assert.deepEqual(output.trim().split(/\s+/), ['65536', '0', '2147483647', '0', '500']);
  assert.equal(await readFile('/proc/sys/kernel/shmmax', 'utf8'), before);
});

test('R16 R17: groups are below ours, limits are set, nothing in them can be written', async () => {
  await using fixture = await ContainerFixture.create();
  const container = await fixture.start({
    command: `
      cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max 2>/dev/null
      cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max 2>/dev/null
      find /sys/fs/cgroup -name 'release_agent' | wc -l
      find /sys/fs/cgroup -type f | while read f; do (echo 1 >> $f) 2>/dev/null && echo "wrote $f"; done
      echo end; sleep 1000`,
    hostConfig: { Memory: 64 * 2 ** 20, PidsLimit: 77 },
  });
  const { place } = container;
  assert.ok(place !== undefined);
  const groups = await readFile(`/proc/${container.started.process.pid}/cgroup`, 'utf8');
  for (const directory of directoriesOf(place)) {
    const path = directory.slice(directory.indexOf('/carve/'));
    assert.ok(groups.includes(`:${path}\n`), `${groups} has ${path}`);
  }
  assert.match(groups, new RegExp(`devices:/carve/${fixture.engine}\n|^0::`, 'm'));
  await container.written('end');
  await freezeCgroup(place);
  await thawCgroup(place);
  await killCgroup(place);
  const { signal } = await container.started.exited;
  assert.equal(signal, 9);
  const output = await container.output;
  assert.match(output, /^67108864\n77\n0\n/);
  assert.doesNotMatch(output, /wrote/);
  for (const directory of directoriesOf(place)) assert.ok(!existsSync(directory), directory);
});

test('R18: devices outside the list can be made but not opened', async () => {
  await using fixture = await ContainerFixture.create();
  const command = `
    mknod /tmp/mem c 1 1; mknod /tmp/disk b 254 0; mknod /tmp/null c 1 3; mknod /tmp/fuse c 10 229
    for d in mem disk null fuse; do (: < /tmp/$d) 2>/dev/null && echo "open $d" || echo "denied $d"; done`;
  assert.deepEqual((await fixture.output({ command })).trim().split('\n'), [
    'denied mem',
    'denied disk',
    'open null',
    'denied fuse',
  ]);
  const own = await fixture.output({
    command: `${command}; ls -l /dev/fuse`,
    hostConfig: {
      Devices: [{ PathOnHost: '/dev/fuse', CgroupPermissions: 'rw' }],
      CapAdd: ['SYS_RAWIO'],
    },
    input: {
      devices: new Map([
        [
          '/dev/fuse',
          [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229, mode: 0o666, uid: 0, gid: 0 }],
        ],
      ]),
    },
  });
  assert.match(own, /denied mem\ndenied disk\nopen null\n(open|denied) fuse/);
  assert.match(own, /^crw-rw-rw-\s.*10, 229/m);
});

test('pause stops every process, and counters are read', async () => {
  await using fixture = await ContainerFixture.create();
  const container = await fixture.start({ command: 'while :; do :; done & sleep 1000' });
  const { place } = container;
  assert.ok(place !== undefined);
  const cpu = async (): Promise<bigint> => (await readCgroupStats(place)).cpu.usageNs;
  const start = await cpu();
  while ((await cpu()) < start + 20_000_000n) await new Promise((done) => setTimeout(done, 5));
  await freezeCgroup(place);
  const frozen = await cpu();
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(await cpu(), frozen);
  assert.ok((await listCgroupPids(place)).length >= 2);
  const stats = await readCgroupStats(place);
  assert.ok((stats.memory?.usageBytes ?? 0n) > 0n);
  assert.equal(stats.pids?.limit, 4096n);
  await thawCgroup(place);
  while ((await cpu()) === frozen) await new Promise((done) => setTimeout(done, 5));
});

test('L4: a fork bomb ends at the limit', async () => {
  await using fixture = await ContainerFixture.create();
  const { output } = await fixture.run({
    command: 'i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done; echo all',
    hostConfig: { PidsLimit: 20 },
  });
  assert.match(output, /fork/);
  assert.doesNotMatch(output, /all/);
});

test('L5: memory above the limit ends the container, which is told', async () => {
  await using fixture = await ContainerFixture.create();
  const { code, isOomKilled } = await fixture.run({
    command:
      'dd if=/dev/zero of=/dev/null bs=200M count=1; dd if=/dev/zero of=/dev/shm/x bs=1M count=200',
    hostConfig: { Memory: 16 * 2 ** 20, MemorySwap: 16 * 2 ** 20, ShmSize: 512 * 2 ** 20 },
  });
  assert.ok(isOomKilled, `code ${code}`);
});

test('a read-only root takes no writes, its tmpfs does', async () => {
  await using fixture = await ContainerFixture.create();
  const output = await fixture.output({
    command:
      '(touch /x) 2>&1; touch /run/y && echo wrote; mount | grep " / "; mount | grep " /run "',
    hostConfig: { ReadonlyRootfs: true },
    input: {
      mounts: [
        {
          ...bind('', '/run'),
          type: 'tmpfs',
          origin: 'tmpfs',
          tmpfs: { options: ['noexec', 'nosuid', 'nodev', 'size=1m'] },
        },
      ],
    },
  });
  assert.match(output, /Read-only file system/);
  assert.match(output, /wrote/);
  assert.match(output, / on \/ type overlay \(ro,/);
  assert.match(output, /size=1024k/);
});

test('binds of directories and files, read-only deep and at the top only', async () => {
  await using fixture = await ContainerFixture.create();
  const source = await fixture.makeDir('source');
  await writeFile(join(source, 'file'), 'content');
  const output = await fixture.output({
    command: `
      cat /data/file /one-file; touch /data/new && echo 'rw works'
      (touch /ro/x) 2>&1 | grep -o Read-only; (echo x > /dev/bound/x) 2>/dev/null && echo 'below dev'`,
    input: {
      mounts: [
        bind(source, '/data'),
        bind(join(source, 'file'), '/one-file'),
        bind(source, '/ro', { readonly: true }),
        bind(source, '/dev/bound'),
      ],
    },
  });
  assert.equal(output, 'contentcontentrw works\nRead-only\nbelow dev\n');
  assert.ok(existsSync(join(source, 'new')) && existsSync(join(source, 'x')));
});

test('thirty binds fit, though there are fewer slots', async () => {
  await using fixture = await ContainerFixture.create();
  const source = await fixture.makeDir('source');
  const mounts = Array.from({ length: 30 }, (_, index) => bind(source, `/volume${index}`));
  const output = await fixture.output({
    command: 'mount | grep -c volume; ls /proc/self/fd | wc -l',
    input: { mounts },
  });
  assert.deepEqual(output.trim().split('\n'), ['30', '4']);
});

/** True when the mount that holds this path is in a peer group. */
async function isOnSharedMount(path: string): Promise<boolean> {
  const mounts = parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
  const holding = mounts
    .filter(({ mountPoint }) => mountPoint === '/' || path.startsWith(`${mountPoint}/`))
    .toSorted((a, b) => a.mountPoint.length - b.mountPoint.length)
    .at(-1);
  return holding?.optional.some((each) => each.startsWith('shared:')) ?? false;
}

test('a shared bind brings mounts to the host, a private one does not', async () => {
  await using fixture = await ContainerFixture.create();
  const source = await fixture.makeDir('source');
  await mkdir(join(source, 'sub'));
  const command = 'mount -t tmpfs x /shared/sub && touch /shared/sub/inside; echo done; sleep 1000';
  const hostConfig = { CapAdd: ['SYS_ADMIN'], SecurityOpt: ['seccomp=unconfined'] };
  const isHostShared = await isOnSharedMount(source);
  for (const propagation of ['rprivate', 'rshared']) {
    const container = await fixture.start({
      command,
      hostConfig,
      input: { mounts: [bind(source, '/shared', { propagation })] },
    });
    const inside = `/proc/${container.started.process.pid}/root/shared/sub/inside`;
    while (!existsSync(inside)) await new Promise((done) => setTimeout(done, 5));
    const isSeen = existsSync(join(source, 'sub/inside'));
    assert.equal(isSeen, propagation === 'rshared' && isHostShared, propagation);
    process.kill(container.started.process.pid, 'SIGKILL');
    await container.started.exited;
    if (isSeen) execFileSync('umount', [join(source, 'sub')]);
  }
  const left = parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
  assert.ok(
    !left.some(({ mountPoint }) => mountPoint.startsWith(fixture.dir)),
    'a mount leaked to the host',
  );
});

test('a working directory is made, entered, and proven', async () => {
  await using fixture = await ContainerFixture.create();
  const make = await fixture.output({
    command: 'pwd; stat -c "%a %u" .',
    input: { config: { WorkingDir: '/srv/app/x' } },
  });
  assert.equal(make, '/srv/app/x\n755 0\n');
  // A directory that the user may not search, as WORKDIR /root with USER web.
  const root = await fixture.output({
    command: 'pwd; id -u',
    input: { user: WEB, config: { WorkingDir: '/root' } },
  });
  assert.match(root, /^\/root\n1000\n$/);
});

test('a program that is not there, or cannot run, is told apart', async () => {
  await using fixture = await ContainerFixture.create();
  await writeFile(join(fixture.root, 'bin/plain'), 'text');
  await chmod(join(fixture.root, 'bin/plain'), 0o644);
  assert.match(await fixture.failure({ command: ['nothing'] }), /^ENOENT execve/);
  assert.match(await fixture.failure({ command: ['/bin/plain'] }), /^EACCES execve/);
  assert.match(await fixture.failure({ command: ['/etc'] }), /^EACCES execve/);
});

test("a terminal is the container's own", async () => {
  await using fixture = await ContainerFixture.create();
  const { code, output } = await fixture.run({
    command:
      'tty; stty size; ls -l /dev/console | head -c 10; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; echo $TERM; ps -o pid,tty | head -3',
    input: {
      config: { Tty: true },
      hostConfig: { NetworkMode: 'none', ConsoleSize: [33, 77] },
      user: WEB,
    },
  });
  assert.equal(code, 0);
  assert.match(output, /\/dev\/(pts\/0|console)\r\n33 77\r\ncrw/);
  assert.match(output, /all\r\nxterm/);
});

test('privileged can do what the default cannot', async () => {
  await using fixture = await ContainerFixture.create();
  const command =
    'mount -t tmpfs x /tmp && echo mounted; (mount -o remount,rw /sys) && echo sys; grep Seccomp: /proc/self/status; ls -d /proc/kallsyms; (echo 1 > /proc/sys/vm/drop_caches) 2>&1';
  const { output } = await fixture.run({ command });
  assert.doesNotMatch(output, /mounted/);
  const { output: privileged } = await fixture.run({ command, hostConfig: { Privileged: true } });
  assert.match(privileged, /mounted/);
  assert.match(privileged, /Seccomp:\t0/);
});

test('limits of processes are set', async () => {
  await using fixture = await ContainerFixture.create();
  const output = await fixture.output({
    command: 'ulimit -n; ulimit -Hn; ulimit -c',
    hostConfig: {
      Ulimits: [
        { Name: 'nofile', Soft: 100, Hard: 200 },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
    },
  });
  assert.equal(output, '100\n200\n0\n');
});

test('another container is joined by process, and a reused number is refused', async () => {
  await using fixture = await ContainerFixture.create();
  const first = await fixture.start({ command: 'echo shared > /dev/shm/note; sleep 1000' });
  const { pid, startTicks } = first.started.process;
  while (!existsSync(`/proc/${pid}/root/dev/shm/note`))
    await new Promise((done) => setTimeout(done, 5));
  const mode = 'container:x';
  const joinedWith = (ticks: bigint) =>
    (['network', 'ipc', 'pid'] as const).map((type) => ({
      type,
      path: `/proc/${pid}/ns/${type}`,
      process: { pid, startTicks: String(ticks) },
    }));
  const wish = {
    command:
      'cat /dev/shm/note; ps | grep -c sleep; readlink /proc/self/ns/net /proc/1/ns/net | sort | wc -l; for n in net ipc; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ] && echo same; done',
    hostConfig: { NetworkMode: mode, IpcMode: mode, PidMode: mode },
  };
  const output = await fixture.output({
    ...wish,
    input: { joined: joinedWith(startTicks), hostname: '' },
  });
  assert.match(output, /^shared\n/);
  assert.equal((output.match(/same/g) ?? []).length, 2, output);
  assert.match(
    await fixture.failure({
      ...wish,
      input: { joined: joinedWith(startTicks + 1n), hostname: '' },
    }),
    /ESRCH/,
  );
});

test("the host's namespaces are used where asked", async () => {
  await using fixture = await ContainerFixture.create();
  const output = await fixture.output({
    command: 'for n in net pid ipc uts; do readlink /proc/self/ns/$n; done',
    hostConfig: { NetworkMode: 'host', PidMode: 'host', IpcMode: 'host', UTSMode: 'host' },
    input: { hostname: '' },
  });
  const own = ['net', 'pid', 'ipc', 'uts'].map((name) => readlinkSync(`/proc/self/ns/${name}`));
  assert.deepEqual(output.trim().split('\n'), own);
});

test('a user namespace maps its root to nobody of the host', async () => {
  await using fixture = await ContainerFixture.create();
  const mapping = [{ containerID: 0, hostID: 100000, size: 65536 }];
  const withUser = (spec: Spec): Spec => ({
    ...spec,
    // A process in a user namespace cannot raise a limit.
    ...(spec.process === undefined ? {} : { process: { ...spec.process, rlimits: [] } }),
    mounts: (spec.mounts ?? []).map((mount) =>
      mount.destination === '/dev/pts'
        ? { ...mount, options: (mount.options ?? []).filter((each) => !each.startsWith('gid=')) }
        : mount,
    ),
    linux: {
      ...spec.linux,
      // The default names groups that the map does not have.
      sysctl: {},
      namespaces: [...(spec.linux?.namespaces ?? []), { type: 'user' }],
      uidMappings: mapping,
      gidMappings: mapping,
    },
  });
  await chmod(fixture.dir, 0o755);
  const container = await fixture.start({
    command:
      'id -u; cat /proc/self/uid_map; : > /dev/null && echo null; ls /dev; echo end; sleep 1000',
    spec: withUser,
  });
  const { pid } = container.started.process;
  await container.written('end');
  const host = status(await readFile(`/proc/${pid}/status`, 'utf8'));
  assert.equal(host['Uid'], '100000\t100000\t100000\t100000');
  process.kill(pid, 'SIGKILL');
  await container.started.exited;
  const output = await container.output;
  assert.match(output, /^0\n\s+0\s+100000\s+65536\nnull\n/);
});

test('R27: an exec is held to the policy of the container', async () => {
  await using fixture = await ContainerFixture.create();
  const container = await fixture.start({
    command: 'sleep 1000',
    hostConfig: { OomScoreAdj: 300 },
  });
  const command =
    'cat /proc/self/status; cat /proc/self/oom_score_adj; ls /proc/self/fd | wc -l; cat /proc/self/cgroup; ulimit -n';
  const own = await fixture.output({ command, hostConfig: { OomScoreAdj: 300 } });
  const inside = await fixture.exec(container, { args: ['sh', '-c', command] });
  assert.equal(inside.code, 0, inside.output);
  const keys = [
    'CapInh',
    'CapPrm',
    'CapEff',
    'CapBnd',
    'CapAmb',
    'NoNewPrivs',
    'Seccomp',
    'Seccomp_filters',
    'Uid',
    'Gid',
    'Groups',
  ];
  const [a, b] = [status(own), status(inside.output)];
  for (const key of keys) assert.equal(b[key], a[key], key);
  const tail = (text: string): string => text.slice(text.indexOf('\n300\n'));
  assert.equal(tail(inside.output), tail(own));
  const web = await fixture.exec(container, {
    args: ['id'],
    user: { uid: 1000, gid: 1000, additionalGids: [1000] },
    cwd: '/tmp',
  });
  assert.match(web.output, /uid=1000\(web\) gid=1000\(web\)/);
  const failed = await fixture.exec(container, { args: ['sh', '-c', 'exit 7'] });
  assert.equal(failed.code, 7);
  const { code, output } = await fixture.exec(container, {
    args: ['sh', '-c', 'tty; ls -l /proc/self/fd/0'],
    terminal: true,
  });
  assert.equal(code, 0);
  assert.match(output, /\/dev\/pts\/0/);
});

test('an exec into a process that is gone fails', async () => {
  await using fixture = await ContainerFixture.create();
  const container = await fixture.start({ command: 'sleep 1000' });
  const stale: TestContainer = {
    ...container,
    started: { ...container.started, process: { ...container.started.process, startTicks: 1n } },
  };
  await assert.rejects(fixture.exec(stale, { args: ['true'] }), /ESRCH/);
});

test('the tiny init reaps and passes the exit code', async () => {
  await using fixture = await ContainerFixture.create();
  const { code, output } = await fixture.run({ command: 'echo $$; exit 9', plan: { init: true } });
  assert.deepEqual([code, output], [9, '2\n']);
});

test('a failed start leaves no group and no mount', async () => {
  await using fixture = await ContainerFixture.create();
  const container = fixture.specOf({ command: 'true' }, 1);
  await fixture.failure({ command: ['nothing'] });
  const path = container.linux?.cgroupsPath ?? '';
  for (const tree of ['memory', 'pids', 'cpu', 'unified']) {
    assert.ok(!existsSync(`/sys/fs/cgroup/${tree}${path}`), tree);
  }
  const ticks = parseStartTicks(await readFile('/proc/self/stat', 'utf8'));
  assert.ok(ticks !== undefined && ticks > 0n);
});
