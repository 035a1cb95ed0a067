/** The containers and execs whose plans are kept. */

import { hostPath } from '../../src/base/host-path.ts';
import type { ContainerMount } from '../../src/engine/containers/mount.ts';
import type { ContainerConfig, HostConfig } from '../../src/spec/docker/container.ts';
import type { LinuxNamespace, Spec } from '../../src/spec/oci/runtime.ts';
import type { ContainerCase, ExecCase } from './inputs.ts';

const NONE = { NetworkMode: 'none' } as const;
const WEB = { uid: 1000, gid: 1000, additionalGids: [50, 1000], home: '/home/web' };
const OTHER = { pid: 777, startTicks: '4242' };

function host(hostConfig: HostConfig, more: Omit<ContainerCase, 'container'> = {}): ContainerCase {
  return { container: { hostConfig: { ...NONE, ...hostConfig } }, ...more };
}

function config(settings: ContainerConfig, hostConfig: HostConfig = {}): ContainerCase {
  return { container: { config: settings, hostConfig: { ...NONE, ...hostConfig } } };
}

function mounts(...list: readonly ContainerMount[]): ContainerCase {
  return { container: { mounts: list } };
}

function bind(destination: string, changes: Partial<ContainerMount> = {}): ContainerMount {
  return {
    type: 'bind',
    origin: 'binds',
    source: `/srv${destination}`,
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

function joined(types: readonly LinuxNamespace['type'][]): readonly LinuxNamespace[] {
  return types.map((type) => ({ type, path: `/proc/777/ns/${type}`, process: OTHER }));
}

function withUserNamespace(spec: Spec): Spec {
  const mapping = [{ containerID: 0, hostID: 100000, size: 65536 }];
  return {
    ...spec,
    linux: {
      ...spec.linux,
      namespaces: [...(spec.linux?.namespaces ?? []), { type: 'user' }],
      uidMappings: mapping,
      gidMappings: mapping,
    },
  };
}

/** Starts. */
export const CONTAINERS: Readonly<Record<string, ContainerCase>> = {
  plain: {},
  'plain-hybrid': { cgroups: 'hybrid' },
  'plain-v1': { cgroups: 'v1' },
  'no-cgroups': { cgroups: 'none' },
  user: { container: { user: WEB } },
  'user-no-new-privileges': {
    container: { user: WEB, hostConfig: { ...NONE, SecurityOpt: ['no-new-privileges'] } },
  },
  'user-unconfined': {
    container: { user: WEB, hostConfig: { ...NONE, SecurityOpt: ['seccomp=unconfined'] } },
  },
  terminal: config({ Tty: true }, { ConsoleSize: [24, 80] }),
  'terminal-user': {
    container: { user: WEB, config: { Tty: true }, hostConfig: { ...NONE, ConsoleSize: [24, 80] } },
  },
  init: { plan: { init: true } },
  privileged: host({ Privileged: true }),
  'privileged-hybrid': host({ Privileged: true }, { cgroups: 'hybrid' }),
  'privileged-less-capable': host(
    { Privileged: true },
    {
      plan: {
        features: {
          knownCapabilities: (1n << 41n) - 1n,
          ownCapabilities: ((1n << 41n) - 1n) & ~(1n << 24n),
          isRootless: false,
          hostMounts: undefined,
          hidesMounts: false,
        },
      },
    },
  ),
  'cap-add-drop': host({ CapAdd: ['NET_ADMIN'], CapDrop: ['ALL'] }),
  limits: host({
    Memory: 64 * 2 ** 20,
    MemorySwap: 64 * 2 ** 20,
    NanoCpus: 500_000_000,
    CpuShares: 512,
    PidsLimit: 100,
    CpusetCpus: '0',
  }),
  'limits-hybrid': host(
    {
      Memory: 64 * 2 ** 20,
      MemorySwap: 128 * 2 ** 20,
      NanoCpus: 500_000_000,
      CpuShares: 512,
      PidsLimit: 100,
      CpusetCpus: '0',
      BlkioWeight: 500,
    },
    { cgroups: 'hybrid' },
  ),
  'cgroup-parent': host({ CgroupParent: '/team.slice' }),
  'cgroup-host-namespace': host({ CgroupnsMode: 'host' }),
  'writable-cgroups': host({ SecurityOpt: ['writable-cgroups'] }),
  device: {
    container: {
      hostConfig: { ...NONE, Devices: [{ PathOnHost: '/dev/fuse', CgroupPermissions: 'rw' }] },
      devices: new Map([
        [
          '/dev/fuse',
          [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229, mode: 0o666, uid: 0, gid: 0 }],
        ],
      ]),
    },
  },
  'device-nested-hybrid': {
    cgroups: 'hybrid',
    container: {
      hostConfig: { ...NONE, Devices: [{ PathOnHost: '/dev/net/tun' }] },
      devices: new Map([
        [
          '/dev/net/tun',
          [{ path: '/dev/net/tun', type: 'c', major: 10, minor: 200, mode: 0o666, uid: 0, gid: 0 }],
        ],
      ]),
    },
  },
  'read-only': {
    container: {
      hostConfig: { ...NONE, ReadonlyRootfs: true },
      mounts: [
        {
          ...bind('/tmp'),
          type: 'tmpfs',
          origin: 'tmpfs',
          source: '',
          tmpfs: { options: ['noexec', 'nosuid', 'nodev', 'size=64m'] },
        },
      ],
    },
  },
  binds: mounts(
    bind('/data'),
    bind('/ro', { readonly: true }),
    bind('/ro-top', { readonly: true, readonlyDepth: 'top-only' }),
    bind('/slave', { propagation: 'rslave' }),
    bind('/one', { recursive: false }),
    bind('/dev/custom'),
    bind('/proc/cpuinfo'),
  ),
  'shared-bind': mounts(bind('/shared', { propagation: 'rshared' }), bind('/data')),
  'many-binds': mounts(...Array.from({ length: 30 }, (_, index) => bind(`/volume${index}`))),
  'bind-dev': mounts(bind('/dev', { source: '/dev' })),
  'id-mapped-bind': {
    spec: (spec) => ({
      ...spec,
      mounts: [
        ...(spec.mounts ?? []),
        {
          destination: '/mapped',
          type: 'bind',
          source: '/srv/mapped',
          options: ['rbind', 'ridmap'],
          uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
          gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
        },
      ],
    }),
  },
  'volume-mounts': {
    spec: (spec) => ({
      ...spec,
      mounts: [
        ...(spec.mounts ?? []),
        {
          destination: '/part',
          type: 'bind',
          source: '/var/lib/carve/volumes/data/_data',
          options: ['rbind', 'rprivate', 'rro'],
          subpath: 'in/side',
        },
        {
          destination: '/nfs',
          type: 'nfs',
          source: ':/srv',
          options: ['addr=10.0.0.2', 'noatime', 'ro'],
          isLasting: true,
        },
        {
          destination: '/nfs-part',
          type: 'nfs',
          source: ':/srv',
          options: ['addr=10.0.0.2', 'ro'],
          subpath: 'a',
        },
        {
          destination: '/image',
          type: 'overlay',
          source: 'overlay',
          options: ['ro'],
          layers: ['/var/lib/carve/layers/4', '/var/lib/carve/layers/3'],
        },
        {
          destination: '/shared-memory',
          type: 'bind',
          source: '/memory',
          options: ['rbind', 'rprivate', 'rw'],
          process: { pid: 4711, startTicks: '99' },
        },
      ],
    }),
  },
  workdir: config({ WorkingDir: '/srv/app' }),
  'host-namespaces': host({
    NetworkMode: 'host',
    PidMode: 'host',
    IpcMode: 'host',
    UTSMode: 'host',
  }),
  'joined-namespaces': {
    container: {
      hostConfig: { NetworkMode: 'container:x', PidMode: 'container:x', IpcMode: 'container:x' },
      joined: joined(['network', 'pid', 'ipc']),
      hostname: '',
    },
  },
  'joined-by-path': {
    container: {
      hostConfig: { NetworkMode: 'container:x' },
      joined: [{ type: 'network', path: '/run/netns/blue' }],
    },
  },
  'ipc-none': host({ IpcMode: 'none' }),
  sysctls: host({ Sysctls: { 'net.core.somaxconn': '1024', 'kernel.shmmax': '65536' } }),
  ulimits: host({
    Ulimits: [
      { Name: 'core', Soft: -1, Hard: -1 },
      { Name: 'nproc', Soft: 64, Hard: 128 },
    ],
  }),
  'oom-score-and-names': config({ Domainname: 'example.org' }, { OomScoreAdj: 500 }),
  'open-system-paths': host({ SecurityOpt: ['systempaths=unconfined'] }),
  'own-seccomp': host({
    SecurityOpt: [
      'seccomp={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod"],"action":"SCMP_ACT_ERRNO"}]}',
    ],
  }),
  apparmor: {
    spec: (spec) =>
      spec.process === undefined
        ? spec
        : { ...spec, process: { ...spec.process, apparmorProfile: 'carve-default' } },
  },
  'user-namespace': { spec: withUserNamespace },
  'user-namespace-hybrid': { spec: withUserNamespace, cgroups: 'hybrid' },
  'time-namespace': {
    spec: (spec) => ({
      ...spec,
      linux: {
        ...spec.linux,
        namespaces: [...(spec.linux?.namespaces ?? []), { type: 'time' }],
        timeOffsets: { monotonic: { secs: 86400, nanosecs: 0 }, boottime: { secs: 86400 } },
      },
    }),
  },
  rootless: {
    plan: {
      features: {
        knownCapabilities: (1n << 41n) - 1n,
        ownCapabilities: (1n << 41n) - 1n,
        isRootless: true,
        hostMounts: undefined,
        hidesMounts: false,
      },
    },
  },
  'bind-root': { plan: { root: { kind: 'bind', path: hostPath('/srv/rootfs') } } },
  'shared-root': {
    spec: (spec) => ({ ...spec, linux: { ...spec.linux, rootfsPropagation: 'rshared' } }),
  },
  bridge: {
    container: { hostConfig: { NetworkMode: 'bridge' } },
    plan: {
      network: {
        before: [{ op: 'netlink-open', slot: 28, protocol: 0 }],
        inside: [{ op: 'open', slot: 29, path: '/proc/self/ns/net', flags: 0 }],
        after: [],
      },
    },
  },
};

/** Execs. */
export const EXECS: Readonly<Record<string, ExecCase>> = {
  exec: {},
  'exec-hybrid': { cgroups: 'hybrid' },
  'exec-v1': { cgroups: 'v1' },
  'exec-user': { process: { user: { uid: 1000, gid: 1000, additionalGids: [1000] } } },
  'exec-terminal': { process: { terminal: true, consoleSize: { height: 24, width: 80 } } },
  'exec-host-pid': { container: { hostConfig: { ...NONE, PidMode: 'host' } } },
  'exec-user-namespace': { spec: withUserNamespace },
};
