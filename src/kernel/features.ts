/**
 * What this machine's kernel can do, asked once at the engine's start.
 *
 * Source: proc_version(5), proc_sys_kernel(5) `cap_last_cap`, proc_pid_status(5),
 * user_namespaces(7) "uid_map", Linux admin-guide/LSM/apparmor.rst.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { EngineError } from '../base/error.ts';
import type { CgroupLayout } from './cgroup/layout.ts';
import { cgroupLayout } from './cgroup/layout.ts';
import { parseMountInfo } from './procfs.ts';

/** Version of a kernel. */
export interface KernelVersion {
  readonly major: number;
  readonly minor: number;
}

/** Facts of the machine. */
export interface KernelFeatures {
  readonly kernel: KernelVersion;
  /** `undefined`: none are mounted. */
  readonly cgroups: CgroupLayout | undefined;
  /** Every capability of this kernel, bits `1 << CAP_*`. */
  readonly knownCapabilities: bigint;
  /** carve's own bounding set, bits `1 << CAP_*`: nothing beyond can be given. */
  readonly ownCapabilities: bigint;
  /** Greatest number of open files that carve may give a process. */
  readonly openFilesMax: number;
  /** carve runs in a user namespace. */
  readonly isRootless: boolean;
  /** Names of loaded AppArmor profiles; `undefined`: AppArmor is off. */
  readonly apparmorProfiles: ReadonlySet<string> | undefined;
  /** Existing `/sys/devices/system/cpu/cpuN/thermal_throttle`. */
  readonly thermalThrottlePaths: readonly string[];
}

/** Reads a file; `undefined` when it is not there. */
export type ReadText = (path: string) => string | undefined;

/** Ask the kernel. Errors: `unsupported` for a kernel before 5.11. */
export function probeFeatures(): KernelFeatures {
  return featuresFrom(readText, listDirectory);
}

/** The same from given files. */
export function featuresFrom(
  read: ReadText,
  list: (path: string) => readonly string[],
): KernelFeatures {
  const kernel = parseKernelVersion(read('/proc/sys/kernel/osrelease') ?? '');
  if (kernel.major < 5 || (kernel.major === 5 && kernel.minor < 11)) {
    throw new EngineError(
      'unsupported',
      `carve needs Linux 5.11 or newer, this is ${kernel.major}.${kernel.minor}`,
    );
  }
  const ownCapabilities = parseBoundingSet(read('/proc/self/status') ?? '');
  const last = Number(read('/proc/sys/kernel/cap_last_cap') ?? '');
  return {
    kernel,
    cgroups: cgroupLayout(
      parseMountInfo(read('/proc/self/mountinfo') ?? ''),
      (mountPoint) => read(`${mountPoint}/cgroup.controllers`) ?? '',
    ),
    knownCapabilities: (1n << BigInt(last + 1)) - 1n,
    ownCapabilities,
    openFilesMax: openFilesMax(read, ownCapabilities),
    isRootless: !isWholeUidMap(read('/proc/self/uid_map') ?? ''),
    apparmorProfiles: apparmorProfiles(read),
    thermalThrottlePaths: list('/sys/devices/system/cpu')
      .filter((name) => /^cpu\d+$/.test(name))
      .filter((name) => list(`/sys/devices/system/cpu/${name}`).includes('thermal_throttle'))
      .map((name) => `/sys/devices/system/cpu/${name}/thermal_throttle`),
  };
}

/** `6.18.44-fc` → 6, 18. Errors: `internal`. */
export function parseKernelVersion(text: string): KernelVersion {
  const match = /^(\d+)\.(\d+)/.exec(text);
  if (match === null)
    throw new EngineError('internal', `Cannot read the kernel's version: ${text}`);
  return { major: Number(match[1]), minor: Number(match[2]) };
}

/** `CapBnd` of /proc/self/status. */
function parseBoundingSet(status: string): bigint {
  const digits = /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return digits === undefined ? 0n : BigInt(`0x${digits}`);
}

/** CAP_SYS_RESOURCE: a hard limit can be raised. */
const CAP_SYS_RESOURCE = 1n << 24n;

/** With CAP_SYS_RESOURCE the system's own bound, else carve's hard limit. */
function openFilesMax(read: ReadText, capabilities: bigint): number {
  const system = Number(read('/proc/sys/fs/nr_open') ?? '');
  if ((capabilities & CAP_SYS_RESOURCE) !== 0n) return system;
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(read('/proc/self/limits') ?? '')?.[1];
  return hard === undefined ? system : Number(hard);
}

/** The initial user namespace maps every id onto itself. */
function isWholeUidMap(text: string): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(text);
}

/** Lines are `name (mode)`. */
function apparmorProfiles(read: ReadText): ReadonlySet<string> | undefined {
  if (read('/sys/module/apparmor/parameters/enabled')?.startsWith('Y') !== true) return undefined;
  const lines = (read('/sys/kernel/security/apparmor/profiles') ?? '').split('\n');
  return new Set(
    lines.map((line) => line.replace(/ \([a-z]+\)$/, '')).filter((name) => name !== ''),
  );
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
