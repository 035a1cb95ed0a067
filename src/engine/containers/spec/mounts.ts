/**
 * Every mount of a container in the order it is made, pure: the file systems
 * that each container has, then the engine's files and the user's mounts, top
 * directories first.
 *
 * A user's mount takes the place of a default one at or below its path. What
 * lies at or under /proc and /sys is refused but for a fixed list.
 *
 * Source: engine-api facts 8 "Mounts"; security facts 2c, matrix R5.
 */

import { EngineError } from '../../../base/error.ts';
import type { OciMount } from '../../../spec/oci/runtime.ts';
import type { ContainerMount } from '../mount.ts';
import type { SpecInput } from './input.ts';
import { sourcedMount } from './sourced-mount.ts';

/** Bytes of /dev/shm unless told otherwise. */
const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/** What lxcfs and the like replace. Source: runc's list. */
const ALLOWED_IN_PROC: ReadonlySet<string> = new Set(
  [
    'cpuinfo',
    'diskstats',
    'loadavg',
    'meminfo',
    'net/dev',
    'slabinfo',
    'stat',
    'swaps',
    'uptime',
    'sys/kernel/ns_last_pid',
    'sys/crypto/fips_enabled',
  ].map((name) => `/proc/${name}`),
);
/** Trees of /sys that are views of devices or file systems of their own. */
const ALLOWED_IN_SYS: readonly string[] = [
  '/sys/block',
  '/sys/bus',
  '/sys/class',
  '/sys/dev',
  '/sys/devices',
  '/sys/firmware/efi/efivars',
  '/sys/fs/bpf',
  '/sys/fs/cgroup',
  '/sys/fs/fuse/connections',
  '/sys/kernel/config',
  '/sys/kernel/debug',
  '/sys/kernel/tracing',
  '/sys/module',
];

/** What changes the default mounts. */
export interface MountPolicy {
  /** /sys and /sys/fs/cgroup can be written. */
  readonly isPrivileged: boolean;
  readonly hasWritableCgroups: boolean;
}

/** Errors: `invalid` destination, `unsupported` kind. */
export function containerMounts(input: SpecInput, policy: MountPolicy): readonly OciMount[] {
  const user = [
    ...input.files.map(
      ({ source, destination }): OciMount => ({
        destination,
        type: 'bind',
        source,
        options: ['rbind', 'rprivate'],
      }),
    ),
    ...input.mounts.map((mount) => toOciMount(mount, input)),
  ].sort((a, b) => depth(a.destination) - depth(b.destination));
  const taken = user.map(({ destination }) => destination);
  const defaults = defaultMounts(input, policy).filter(
    ({ destination }) => !taken.some((path) => isAtOrBelow(destination, path)),
  );
  return [...defaults, ...user];
}

function defaultMounts(input: SpecInput, policy: MountPolicy): readonly OciMount[] {
  const { hostConfig } = input;
  const sys = policy.isPrivileged ? [] : ['ro'];
  const cgroup = policy.isPrivileged || policy.hasWritableCgroups ? [] : ['ro'];
  const plain = ['nosuid', 'noexec', 'nodev'];
  const mount = (destination: string, type: string, options: readonly string[]): OciMount => ({
    destination,
    type,
    source: type,
    options,
  });
  return [
    mount('/proc', 'proc', plain),
    mount('/dev', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
    mount('/dev/pts', 'devpts', [
      'nosuid',
      'noexec',
      'newinstance',
      'ptmxmode=0666',
      'mode=0620',
      'gid=5',
    ]),
    mount('/sys', 'sysfs', [...plain, ...sys]),
    mount('/sys/fs/cgroup', 'cgroup', [...plain, ...cgroup]),
    mount('/dev/mqueue', 'mqueue', plain),
    ...sharedMemory(hostConfig.IpcMode ?? '', hostConfig.ShmSize ?? 0, input),
  ];
}

/** /dev/shm goes with the IPC namespace. */
function sharedMemory(mode: string, sizeBytes: number, input: SpecInput): readonly OciMount[] {
  const destination = '/dev/shm';
  if (mode === 'none') return [];
  if (mode === 'host') {
    return [{ destination, type: 'bind', source: '/dev/shm', options: ['rbind', 'rprivate'] }];
  }
  const joined = input.joined.find(({ type }) => type === 'ipc');
  if (joined?.process !== undefined) {
    const options = ['bind', 'rprivate'];
    return [{ destination, type: 'bind', source: '/dev/shm', options, process: joined.process }];
  }
  const size = sizeBytes > 0 ? sizeBytes : DEFAULT_SHM_BYTES;
  const options = ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${size}`];
  return [{ destination, type: 'tmpfs', source: 'shm', options }];
}

function toOciMount(mount: ContainerMount, input: SpecInput): OciMount {
  const { destination } = mount;
  checkDestination(mount);
  switch (mount.type) {
    case 'tmpfs':
      return {
        destination,
        type: 'tmpfs',
        source: 'tmpfs',
        options: [...(mount.tmpfs?.options ?? []), ...(mount.readonly ? ['ro'] : [])],
      };
    case 'bind':
    case 'volume':
    case 'image':
      return sourcedMount(mount, input.sources?.get(destination) ?? {}, {
        destination,
        source: mount.source,
        options: bindOptions(mount, input),
      });
  }
}

function bindOptions(mount: ContainerMount, { host }: SpecInput): readonly string[] {
  const propagation = mount.propagation === '' ? 'rprivate' : mount.propagation;
  const options = [mount.recursive ? 'rbind' : 'bind', propagation];
  if (!mount.readonly) return options;
  const { major, minor } = host.kernel;
  const hasRecursive = major > 5 || (major === 5 && minor >= 12);
  if (mount.readonlyDepth === 'all' && !hasRecursive) {
    throw new EngineError(
      'unsupported',
      `Cannot mount ${mount.destination} read-only with all below it: that needs Linux 5.12`,
    );
  }
  const isDeep = mount.readonlyDepth !== 'top-only' && mount.recursive && hasRecursive;
  return [...options, isDeep ? 'rro' : 'ro'];
}

/** A mount that hides a part of /proc or /sys would fool what runs there, or carve. */
function checkDestination({ destination, type }: ContainerMount): void {
  const isInProc = isAtOrBelow(destination, '/proc');
  const isInSys = isAtOrBelow(destination, '/sys');
  if (!isInProc && !isInSys) return;
  if (isInProc && ALLOWED_IN_PROC.has(destination)) return;
  const isWholeSys = destination === '/sys' && type === 'bind';
  if (isInSys && (isWholeSys || ALLOWED_IN_SYS.some((path) => isAtOrBelow(destination, path)))) {
    return;
  }
  throw new EngineError('invalid', `Cannot mount on ${destination}: it is inside /proc or /sys`);
}

function depth(path: string): number {
  return path.split('/').filter((component) => component !== '').length;
}

/** Component-wise. */
function isAtOrBelow(path: string, top: string): boolean {
  return path === top || path.startsWith(top === '/' ? '/' : `${top}/`);
}
