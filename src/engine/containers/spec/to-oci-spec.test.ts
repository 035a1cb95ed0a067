import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../../base/error.ts';
import { DEFAULT_DEVICE_RULES } from '../../../kernel/cgroup/devices.ts';
import type { HostConfig } from '../../../spec/docker/container.ts';
import type { ContainerMount } from '../mount.ts';
import { DEFAULT_CAPABILITIES } from './capabilities.ts';
import type { HostDevice, SpecInput } from './input.ts';
import { TEST_HOST, testInput } from '../../../../test/fakes/spec-input.ts';
import type { ContainerSpec } from './to-oci-spec.ts';
import { toOciSpec } from './to-oci-spec.ts';

function specOf(hostConfig: HostConfig, changes: Partial<SpecInput> = {}): ContainerSpec {
  return toOciSpec(testInput({ ...changes, hostConfig: { NetworkMode: 'none', ...hostConfig } }));
}

function destinations(spec: ContainerSpec): readonly string[] {
  return spec.mounts.map(({ destination }) => destination);
}

function optionsOf(spec: ContainerSpec, destination: string): readonly string[] {
  return spec.mounts.find((mount) => mount.destination === destination)?.options ?? [];
}

function tmpfs(destination: string): ContainerMount {
  return {
    type: 'tmpfs',
    origin: 'tmpfs',
    source: '',
    destination,
    readonly: false,
    readonlyDepth: 'best-effort',
    mode: '',
    propagation: '',
    recursive: true,
    createSource: false,
    tmpfs: { options: ['noexec', 'nosuid', 'nodev', 'size=64m'] },
  };
}

function bind(destination: string, changes: Partial<ContainerMount> = {}): ContainerMount {
  return {
    type: 'bind',
    origin: 'binds',
    source: '/srv/data',
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

test('a plain container has the defaults', () => {
  const spec = specOf({});
  const { process, linux } = spec;
  const sets = process.capabilities ?? {};
  assert.deepEqual(sets.bounding?.toSorted(), DEFAULT_CAPABILITIES.toSorted());
  assert.deepEqual([sets.effective, sets.permitted], [sets.bounding, sets.bounding]);
  assert.deepEqual([sets.inheritable, sets.ambient], [[], []]);
  assert.equal(process.noNewPrivileges, false);
  assert.deepEqual(process.rlimits, [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 524288 }]);
  assert.equal(process.cwd, '/');
  assert.deepEqual(process.env, [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOSTNAME=0123456789ab',
    'HOME=/root',
  ]);
  assert.deepEqual(linux.namespaces, [
    { type: 'mount' },
    { type: 'network' },
    { type: 'uts' },
    { type: 'pid' },
    { type: 'ipc' },
    { type: 'cgroup' },
  ]);
  assert.deepEqual(linux.resources, { devices: DEFAULT_DEVICE_RULES, pids: { limit: 4096 } });
  assert.equal(linux.cgroupsPath, `/carve/e0/${'0123456789abcdef'.repeat(4)}`);
  assert.equal(linux.seccomp?.defaultAction, 'SCMP_ACT_ERRNO');
  assert.deepEqual(linux.sysctl, {
    'net.ipv4.ping_group_range': '0 2147483647',
    'net.ipv4.ip_unprivileged_port_start': '0',
  });
  assert.equal(linux.maskedPaths?.length, 13);
  assert.deepEqual(linux.readonlyPaths, [
    '/proc/bus',
    '/proc/fs',
    '/proc/irq',
    '/proc/sys',
    '/proc/sysrq-trigger',
  ]);
  assert.deepEqual(destinations(spec), [
    '/proc',
    '/dev',
    '/dev/pts',
    '/sys',
    '/sys/fs/cgroup',
    '/dev/mqueue',
    '/dev/shm',
    '/etc/hosts',
    '/etc/hostname',
    '/etc/resolv.conf',
  ]);
  assert.deepEqual(optionsOf(spec, '/dev/shm'), [
    'nosuid',
    'noexec',
    'nodev',
    'mode=1777',
    'size=67108864',
  ]);
});

test('the same request gives the same configuration', () => {
  assert.deepEqual(specOf({ Privileged: true }), specOf({ Privileged: true }));
});

test('another user than root keeps no capability but the bound', () => {
  const user = { uid: 1000, gid: 1000, additionalGids: [1000], home: '/home/web' };
  for (const hostConfig of [{}, { Privileged: true }, { CapAdd: ['NET_ADMIN'] }]) {
    const sets = specOf(hostConfig, { user }).process.capabilities;
    assert.ok((sets?.bounding?.length ?? 0) > 0);
    assert.deepEqual(
      [sets?.effective, sets?.permitted, sets?.inheritable, sets?.ambient],
      [[], [], [], []],
    );
  }
});

const CAPABILITY_ROWS: readonly (readonly [HostConfig, readonly string[], readonly string[]])[] = [
  [{ CapAdd: ['net_admin'] }, ['CAP_NET_ADMIN', 'CAP_CHOWN'], ['CAP_SYS_ADMIN']],
  [{ CapAdd: ['CAP_SYS_ADMIN'], CapDrop: ['all'] }, ['CAP_SYS_ADMIN'], ['CAP_CHOWN']],
  [{ CapAdd: ['ALL'] }, ['CAP_SYS_ADMIN', 'CAP_BPF'], []],
  [{ CapAdd: ['ALL'], CapDrop: ['SYS_ADMIN'] }, ['CAP_BPF'], ['CAP_SYS_ADMIN']],
  [{ CapDrop: ['CHOWN', 'Mknod'] }, ['CAP_KILL'], ['CAP_CHOWN', 'CAP_MKNOD']],
  [{ Privileged: true, CapDrop: ['CHOWN'] }, ['CAP_CHOWN', 'CAP_SYS_MODULE'], []],
];

for (const [hostConfig, present, absent] of CAPABILITY_ROWS) {
  test(`capabilities of ${JSON.stringify(hostConfig)}`, () => {
    const bounding = specOf(hostConfig).process.capabilities?.bounding ?? [];
    for (const name of present) assert.ok(bounding.includes(name), name);
    for (const name of absent) assert.ok(!bounding.includes(name), name);
  });
}

test('privileged has all capabilities and devices of carve itself, and nothing hidden', () => {
  const capabilities = TEST_HOST.capabilities.filter((name) => name !== 'CAP_SYS_RESOURCE');
  const spec = specOf({ Privileged: true }, { host: { ...TEST_HOST, capabilities } });
  assert.deepEqual(spec.process.capabilities?.bounding, capabilities);
  assert.deepEqual(spec.linux.maskedPaths, []);
  assert.deepEqual(spec.linux.readonlyPaths, []);
  assert.equal(spec.linux.seccomp, undefined);
  assert.deepEqual(spec.linux.resources?.devices, [{ allow: true, access: 'rwm' }]);
  assert.deepEqual(
    spec.linux.devices?.map(({ path }) => path),
    ['/dev/null', '/dev/fuse', '/dev/vda'],
  );
  assert.ok(!optionsOf(spec, '/sys').includes('ro'));
  assert.ok(!optionsOf(spec, '/sys/fs/cgroup').includes('ro'));
});

test('seccomp: unconfined, builtin, a profile; an empty value is an error', () => {
  assert.equal(specOf({ SecurityOpt: ['seccomp=unconfined'] }).linux.seccomp, undefined);
  const builtin = specOf({ Privileged: true, SecurityOpt: ['seccomp=builtin'] });
  assert.ok(builtin.linux.seccomp !== undefined);
  const own = specOf({ SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'] });
  assert.equal(own.linux.seccomp?.defaultAction, 'SCMP_ACT_ALLOW');
  for (const text of ['seccomp=', 'seccomp= ', 'seccomp', 'seccomp=/etc/passwd']) {
    assert.throws(() => specOf({ SecurityOpt: [text] }), isEngineError, text);
  }
});

test('security options change what they name', () => {
  const spec = specOf({
    SecurityOpt: [
      'no-new-privileges',
      'systempaths=unconfined',
      'label=type:x',
      'writable-cgroups=true',
    ],
  });
  assert.equal(spec.process.noNewPrivileges, true);
  assert.deepEqual(spec.linux.maskedPaths, []);
  assert.ok(!optionsOf(spec, '/sys/fs/cgroup').includes('ro'));
  assert.ok(optionsOf(spec, '/sys').includes('ro'));
  assert.equal(specOf({ SecurityOpt: ['no-new-privileges:false'] }).process.noNewPrivileges, false);
  for (const text of [
    '',
    'x',
    'no-new-privileges=maybe',
    'systempaths=x',
    'apparmor=',
    'apparmor=a\nb',
    'label=',
    '__proto__',
  ]) {
    assert.throws(() => specOf({ SecurityOpt: [text] }), isEngineError, text);
  }
});

test('AppArmor: a profile where it is on, none where it is off', () => {
  const host = { ...TEST_HOST, hasAppArmor: true };
  const profile = (options: readonly string[], changes: HostConfig = {}): string | undefined =>
    specOf({ SecurityOpt: options, ...changes }, { host }).process.apparmorProfile;
  assert.equal(profile([]), 'carve-default');
  assert.equal(profile(['apparmor=unconfined']), undefined);
  assert.equal(profile(['apparmor:mine']), 'mine');
  assert.equal(profile([], { Privileged: true }), undefined);
  assert.equal(specOf({}).process.apparmorProfile, undefined);
  assert.throws(() => specOf({ SecurityOpt: ['apparmor=mine'] }), /AppArmor is off/);
});

test('lists of hidden paths can be replaced and emptied', () => {
  const spec = specOf({ MaskedPaths: [], ReadonlyPaths: ['/proc/x'] });
  assert.deepEqual(spec.linux.maskedPaths, []);
  assert.deepEqual(spec.linux.readonlyPaths, ['/proc/x']);
  const host = {
    ...TEST_HOST,
    thermalThrottlePaths: ['/sys/devices/system/cpu/cpu0/thermal_throttle'],
  };
  assert.equal(specOf({}, { host }).linux.maskedPaths?.at(-1), host.thermalThrottlePaths[0]);
});

const NAMESPACE_ROWS: readonly (readonly [HostConfig, readonly string[]])[] = [
  [{ NetworkMode: 'host' }, ['mount', 'uts', 'pid', 'ipc', 'cgroup']],
  [{ NetworkMode: 'web' }, ['mount', 'network', 'uts', 'pid', 'ipc', 'cgroup']],
  [{ PidMode: 'host', IpcMode: 'host', UTSMode: 'host' }, ['mount', 'network', 'cgroup']],
  [{ CgroupnsMode: 'host' }, ['mount', 'network', 'uts', 'pid', 'ipc']],
  [{ IpcMode: 'shareable' }, ['mount', 'network', 'uts', 'pid', 'ipc', 'cgroup']],
];

for (const [hostConfig, types] of NAMESPACE_ROWS) {
  test(`namespaces of ${JSON.stringify(hostConfig)}`, () => {
    assert.deepEqual(
      specOf(hostConfig).linux.namespaces?.map(({ type }) => type),
      types,
    );
  });
}

test("another container's namespaces are joined, its shared memory too", () => {
  const process = { pid: 42, startTicks: '777' };
  const joined = (['network', 'ipc', 'pid'] as const).map((type) => ({
    type,
    path: `/proc/42/ns/${type}`,
    process,
  }));
  const mode = 'container:abc';
  const spec = specOf(
    { NetworkMode: mode, IpcMode: mode, PidMode: mode },
    { joined, hostname: '' },
  );
  assert.deepEqual(
    spec.linux.namespaces?.filter(({ path }) => path !== undefined).map(({ type }) => type),
    ['network', 'pid', 'ipc'],
  );
  assert.equal(spec.linux.sysctl, undefined);
  assert.equal(spec.hostname, undefined);
  const shm = spec.mounts.find(({ destination }) => destination === '/dev/shm');
  assert.deepEqual([shm?.type, shm?.process], ['bind', process]);
  assert.throws(() => specOf({ NetworkMode: mode }), /was not looked up/);
});

test('shared memory follows the IPC mode', () => {
  assert.ok(!destinations(specOf({ IpcMode: 'none' })).includes('/dev/shm'));
  const shm = specOf({ IpcMode: 'host' }).mounts.find((each) => each.destination === '/dev/shm');
  assert.equal(shm?.type, 'bind');
  assert.ok(optionsOf(specOf({ ShmSize: 1048576 }), '/dev/shm').includes('size=1048576'));
});

test("a user's mount takes the place of the default at or below it, top directories first", () => {
  const mounts = [bind('/a/b/c'), tmpfs('/dev/shm'), bind('/a'), bind('/etc')];
  const spec = specOf({}, { mounts });
  assert.deepEqual(destinations(spec), [
    '/proc',
    '/dev',
    '/dev/pts',
    '/sys',
    '/sys/fs/cgroup',
    '/dev/mqueue',
    '/a',
    '/etc',
    '/etc/hosts',
    '/etc/hostname',
    '/etc/resolv.conf',
    '/dev/shm',
    '/a/b/c',
  ]);
  assert.deepEqual(optionsOf(spec, '/dev/shm'), ['noexec', 'nosuid', 'nodev', 'size=64m']);
  const device = specOf({}, { mounts: [bind('/dev')] });
  assert.deepEqual(
    destinations(device).filter((path) => path.startsWith('/dev')),
    ['/dev'],
  );
});

test('binds carry propagation, recursion and read-only depth', () => {
  const options = (
    changes: Partial<ContainerMount>,
    host = TEST_HOST,
  ): readonly string[] | undefined =>
    optionsOf(specOf({}, { mounts: [bind('/m', changes)], host }), '/m');
  assert.deepEqual(options({}), ['rbind', 'rprivate']);
  assert.deepEqual(options({ propagation: 'rslave', recursive: false }), ['bind', 'rslave']);
  assert.deepEqual(options({ readonly: true }), ['rbind', 'rprivate', 'rro']);
  assert.deepEqual(options({ readonly: true, readonlyDepth: 'top-only' }), [
    'rbind',
    'rprivate',
    'ro',
  ]);
  assert.deepEqual(options({ type: 'volume', propagation: '' }), ['rbind', 'rprivate']);
  const old = { ...TEST_HOST, kernel: { major: 5, minor: 11 } };
  assert.deepEqual(options({ readonly: true }, old), ['rbind', 'rprivate', 'ro']);
  assert.throws(() => options({ readonly: true, readonlyDepth: 'all' }, old), /needs Linux 5\.12/);
});

test('mounts inside /proc and /sys are refused but for a fixed list', () => {
  const refused = [
    '/proc',
    '/proc/sys',
    '/proc/self/attr',
    '/proc/1',
    '/sys/fs/selinux',
    '/sys/kernel',
    '/sys/kernel/security',
    '/sys/fs',
  ];
  for (const path of refused) {
    assert.throws(() => specOf({}, { mounts: [bind(path)] }), /inside \/proc or \/sys/, path);
  }
  assert.throws(() => specOf({}, { mounts: [tmpfs('/sys')] }), /inside \/proc or \/sys/);
  for (const path of [
    '/proc/cpuinfo',
    '/proc/net/dev',
    '/sys',
    '/sys/fs/cgroup',
    '/sys/devices/x',
    '/processes',
    '/sysroot',
  ]) {
    assert.ok(destinations(specOf({}, { mounts: [bind(path)] })).includes(path), path);
  }
});

test('devices become nodes and rules', () => {
  const fuse: HostDevice = TEST_HOST.devices[1]!;
  const devices = new Map([
    ['/dev/fuse', [fuse]],
    [
      '/dev/snd',
      [
        { ...fuse, path: '/dev/snd/a', minor: 1 },
        { ...fuse, path: '/dev/snd/b', minor: 2 },
      ],
    ],
  ]);
  const spec = specOf(
    {
      Devices: [
        { PathOnHost: '/dev/fuse', PathInContainer: '/dev//x', CgroupPermissions: 'rw' },
        { PathOnHost: '/dev/snd', PathInContainer: '/dev/sound' },
      ],
      DeviceCgroupRules: ['c 189:* rwm'],
    },
    { devices },
  );
  assert.deepEqual(
    spec.linux.devices?.map(({ path }) => path),
    ['/dev/x', '/dev/sound/a', '/dev/sound/b'],
  );
  assert.deepEqual(spec.linux.resources?.devices?.slice(DEFAULT_DEVICE_RULES.length), [
    { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' },
    { allow: true, type: 'c', major: 10, minor: 1, access: 'rwm' },
    { allow: true, type: 'c', major: 10, minor: 2, access: 'rwm' },
    { allow: true, type: 'c', major: 189, access: 'rwm' },
  ]);
  const bad: readonly HostConfig[] = [
    { Devices: [{ PathOnHost: '/dev/none' }] },
    { Devices: [{ PathOnHost: '/dev/fuse', CgroupPermissions: 'rx' }] },
    { Devices: [{ PathOnHost: '/dev/fuse', PathInContainer: '/dev/../etc/x' }] },
    { Devices: [{ PathOnHost: '/dev/fuse', PathInContainer: 'x' }] },
    { DeviceCgroupRules: ['c 1:3'] },
    { DeviceCgroupRules: ['x 1:3 rwm'] },
  ];
  for (const hostConfig of bad) {
    assert.throws(() => specOf(hostConfig, { devices }), isEngineError, JSON.stringify(hostConfig));
  }
});

test('resources become the OCI section', () => {
  const disk = TEST_HOST.devices[2]!;
  const spec = specOf(
    {
      Memory: 64 * 2 ** 20,
      MemorySwap: 128 * 2 ** 20,
      MemoryReservation: 32 * 2 ** 20,
      NanoCpus: 1_500_000_000,
      CpuShares: 512,
      CpusetCpus: '0-1',
      PidsLimit: -1,
      BlkioWeight: 300,
      BlkioDeviceReadBps: [{ Path: '/dev/vda', Rate: 1048576 }],
      MemorySwappiness: 10,
      OomKillDisable: true,
    },
    { blockDevices: new Map([['/dev/vda', disk]]) },
  );
  const { devices: _, ...rest } = spec.linux.resources ?? {};
  assert.deepEqual(rest, {
    memory: { limit: 67108864, reservation: 33554432, swap: 134217728 },
    cpu: { shares: 512, quota: 150000, period: 100000, cpus: '0-1' },
    pids: { limit: -1 },
    blockIO: { weight: 300, throttleReadBpsDevice: [{ major: 254, minor: 0, rate: 1048576 }] },
  });
  const v1 = specOf(
    { MemorySwappiness: 10, OomKillDisable: true, MemorySwap: -1, Memory: 2 ** 23 },
    {
      host: { ...TEST_HOST, cgroupVersion: 1 },
    },
  );
  assert.deepEqual(v1.linux.resources?.memory, {
    limit: 8388608,
    swappiness: 10,
    disableOOMKiller: true,
  });
  assert.throws(
    () => specOf({ BlkioDeviceReadBps: [{ Path: '/dev/x', Rate: 1 }] }),
    /not a block device/,
  );
});

test('sysctls: only those of namespaces of its own', () => {
  const sysctl = (Sysctls: Record<string, string>, more: HostConfig = {}): ContainerSpec =>
    specOf({ Sysctls, ...more });
  const set = sysctl({
    'net.core.somaxconn': '1',
    'net/ipv4/conf/eth0.1/forwarding': '1',
    'kernel.shmmax': '2',
    'fs.mqueue.msg_max': '3',
    'kernel.domainname': 'x',
    'net.ipv4.ip_unprivileged_port_start': '1024',
  }).linux.sysctl;
  assert.deepEqual(set, {
    'net.ipv4.ping_group_range': '0 2147483647',
    'net.ipv4.ip_unprivileged_port_start': '1024',
    'net.core.somaxconn': '1',
    'net.ipv4.conf.eth0/1.forwarding': '1',
    'kernel.shmmax': '2',
    'fs.mqueue.msg_max': '3',
    'kernel.domainname': 'x',
  });
  const refused: readonly (readonly [Record<string, string>, HostConfig?])[] = [
    [{ 'kernel.core_pattern': '|/x' }],
    [{ 'kernel.hostname': 'x' }],
    [{ 'vm.swappiness': '1' }],
    [{ 'net..x': '1' }],
    [{ 'net/../kernel/core_pattern': '1' }],
    [{ 'net.ipv4.x+y': '1' }],
    [{ 'net.core.somaxconn': '1\nkernel.core_pattern=x' }],
    [{ 'net.a\nb': '1' }],
    [{ '': '1' }],
    [{ 'net.core.somaxconn': '1' }, { NetworkMode: 'host' }],
    [{ 'kernel.shmmax': '1' }, { IpcMode: 'host' }],
    [{ 'fs.mqueue.msg_max': '1' }, { IpcMode: 'host' }],
    [{ 'kernel.domainname': 'x' }, { UTSMode: 'host' }],
    [{ 'net/./x': '1' }],
    [{ '/net/core/x': '1' }],
  ];
  for (const [Sysctls, more] of refused) {
    assert.throws(() => sysctl(Sysctls, more), isEngineError, JSON.stringify(Sysctls));
  }
});

test('ulimits replace defaults, and are checked', () => {
  const limits = specOf({
    Ulimits: [
      { Name: 'nofile', Soft: 10, Hard: 20 },
      { Name: 'core', Soft: -1, Hard: -1 },
    ],
  });
  assert.deepEqual(limits.process.rlimits, [
    { type: 'RLIMIT_NOFILE', soft: 10n, hard: 20n },
    { type: 'RLIMIT_CORE', soft: 2n ** 64n - 1n, hard: 2n ** 64n - 1n },
  ]);
  const low = specOf({}, { host: { ...TEST_HOST, openFilesMax: 20000 } });
  assert.deepEqual(low.process.rlimits, [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 20000 }]);
  for (const bad of [
    { Name: 'x', Soft: 1, Hard: 1 },
    { Name: 'core', Soft: 2, Hard: 1 },
    { Name: 'core', Soft: -2, Hard: 1 },
  ]) {
    assert.throws(() => specOf({ Ulimits: [bad] }), isEngineError, JSON.stringify(bad));
  }
});

test('the environment keeps its order, a bare key takes a default away', () => {
  const env = (Env: readonly string[], Tty = false): readonly string[] | undefined =>
    specOf({}, { config: { Env, Tty } }).process.env;
  assert.deepEqual(env(['A=1', 'PATH=/bin', 'A=2', 'HOME=/x'], true), [
    'PATH=/bin',
    'HOSTNAME=0123456789ab',
    'TERM=xterm',
    'A=2',
    'HOME=/x',
  ]);
  assert.deepEqual(env(['HOSTNAME']), [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOME=/root',
  ]);
  for (const bad of ['', '=x', 'a\0=b']) assert.throws(() => env([bad]), isEngineError);
});

test('terminal, directory, names and scores are taken over and checked', () => {
  const spec = specOf(
    {
      ConsoleSize: [24, 80],
      OomScoreAdj: 500,
      CgroupParent: '/team.slice',
      ReadonlyRootfs: true,
      Annotations: { a: 'b' },
    },
    { config: { Tty: true, WorkingDir: 'srv/app', Domainname: 'example.org' } },
  );
  assert.deepEqual(spec.process.consoleSize, { height: 24, width: 80 });
  assert.equal(spec.process.cwd, '/srv/app');
  assert.equal(spec.domainname, 'example.org');
  assert.equal(spec.process.oomScoreAdj, 500);
  assert.equal(spec.root.readonly, true);
  assert.ok(spec.linux.cgroupsPath?.startsWith('/team.slice/e0/') === true);
  assert.deepEqual(spec.annotations, { a: 'b' });
  assert.throws(() => specOf({ OomScoreAdj: 1001 }), /oom score adj/);
  assert.throws(() => specOf({}, { hostname: 'a b' }), /hostname/);
  assert.throws(() => specOf({}, { hostname: 'a\nb' }), /hostname/);
  assert.throws(() => specOf({}, { config: { WorkingDir: '/a\0' } }), /working directory/);
  assert.throws(() => specOf({}, { args: [] }), /no command/);
  assert.throws(() => specOf({ UsernsMode: 'x' }), /userns/);
  assert.throws(() => specOf({ PidMode: 'x' }), /invalid pid mode/);
});
