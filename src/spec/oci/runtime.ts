/**
 * An OCI runtime configuration (`config.json`) for Linux: the language between
 * the engine, which writes it, and the planners, which read it.
 *
 * Source: OCI runtime-spec 1.3 config.md and config-linux.md.
 */

import type { LinuxResources } from './resources.ts';
import type { LinuxSeccomp } from './seccomp.ts';

/** Console size in characters. Source: OCI runtime-spec 1.3 config.md "process". */
export interface ConsoleSize {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
}

/** Ids of a process. Source: OCI runtime-spec 1.3 config.md "POSIX-platform User". */
export interface ProcessUser {
  /** User id inside the container. */
  readonly uid: number;
  /** Group id inside the container. */
  readonly gid: number;
  /** File mode creation mask, 0 to 0o777; absent: 0o022. */
  readonly umask?: number;
  /** Ids of supplementary groups. */
  readonly additionalGids?: readonly number[];
}

/** The five sets, names with `CAP_`. Source: OCI runtime-spec 1.3 config.md "Linux Process". */
export interface CapabilitySets {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly permitted?: readonly string[];
  readonly ambient?: readonly string[];
}

/** One limit of getrlimit(2). Source: OCI runtime-spec 1.3 config.md "POSIX process". */
export interface PosixRlimit {
  /** `RLIMIT_NOFILE`, … */
  readonly type: string;
  /** Bytes, seconds or a count, by `type`; negative or 2^64-1 is unlimited. */
  readonly soft: number | bigint;
  /** Bytes, seconds or a count, by `type`; negative or 2^64-1 is unlimited. */
  readonly hard: number | bigint;
}

/** Scheduling class. Source: OCI runtime-spec 1.3 config.md "Linux Process". */
export interface Scheduler {
  readonly policy: string;
  /** Nice value, -20 to 19. */
  readonly nice?: number;
  /** Static priority, 1 to 99. */
  readonly priority?: number;
  readonly flags?: readonly string[];
  /** Run time in ns (deadline). */
  readonly runtime?: number;
  /** Deadline in ns. */
  readonly deadline?: number;
  /** Period in ns. */
  readonly period?: number;
}

/** I/O priority. Source: OCI runtime-spec 1.3 config.md "Linux Process". */
export interface IoPriority {
  readonly class: 'IOPRIO_CLASS_RT' | 'IOPRIO_CLASS_BE' | 'IOPRIO_CLASS_IDLE';
  /** 0 (first) to 7. */
  readonly priority: number;
}

/** The process to run. Source: OCI runtime-spec 1.3 config.md "process". */
export interface OciProcess {
  readonly terminal?: boolean;
  /** Ignored without a terminal. */
  readonly consoleSize?: ConsoleSize;
  readonly user: ProcessUser;
  /** At least one. */
  readonly args: readonly string[];
  /** `KEY=VALUE`. */
  readonly env?: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  readonly capabilities?: CapabilitySets;
  readonly rlimits?: readonly PosixRlimit[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  /** Score, -1000 to 1000; absent: inherited. */
  readonly oomScoreAdj?: number;
  readonly selinuxLabel?: string;
  readonly scheduler?: Scheduler;
  readonly ioPriority?: IoPriority;
}

/** The root file system. Source: OCI runtime-spec 1.3 config.md "Root". */
export interface OciRoot {
  readonly path: string;
  readonly readonly?: boolean;
}

/** One range of ids. Source: OCI runtime-spec 1.3 config-linux.md "User namespace mappings". */
export interface IdMapping {
  /** First id inside. */
  readonly containerID: number;
  /** First id outside. */
  readonly hostID: number;
  /** Number of ids, at least 1. */
  readonly size: number;
}

/** One mount, applied in listed order. Source: OCI runtime-spec 1.3 config.md "Mounts". */
export interface OciMount {
  /** Absolute path inside the container. */
  readonly destination: string;
  /** File system type; ignored for binds. */
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
  /** carve's own: `source` is a path that this process sees. */
  readonly process?: NamespaceProcess;
  /** carve's own: only this below it is mounted, a relative path; links lead inside it only. */
  readonly subpath?: string;
  /** carve's own: directories, top first, that a read-only `overlay` is made of. */
  readonly layers?: readonly string[];
  /** carve's own: its files outlive the container, so that they belong to what is seen of a stopped one. */
  readonly isLasting?: boolean;
}

/** One hook program. Source: OCI runtime-spec 1.3 config.md "POSIX-platform Hooks". */
export interface OciHook {
  /** Absolute. */
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds, above 0. */
  readonly timeout?: number;
}

/** Hooks by the moment they run. Source: OCI runtime-spec 1.3 config.md "POSIX-platform Hooks". */
export type OciHooks = Partial<
  Record<
    'prestart' | 'createRuntime' | 'createContainer' | 'startContainer' | 'poststart' | 'poststop',
    readonly OciHook[]
  >
>;

/** Kinds of namespace. Source: OCI runtime-spec 1.3 config-linux.md "Namespaces". */
export type NamespaceType =
  | 'pid'
  | 'network'
  | 'mount'
  | 'ipc'
  | 'uts'
  | 'user'
  | 'cgroup'
  | 'time';

/**
 * A process whose namespaces are used; not another one that has its number by
 * now. carve's own, never written to a `config.json`.
 * Source: proc_pid_stat(5).
 */
export interface NamespaceProcess {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot, as decimal digits; `0`: not checked. */
  readonly startTicks: string;
}

/** A namespace: new without a path, else joined. Source: OCI runtime-spec 1.3 config-linux.md. */
export interface LinuxNamespace {
  readonly type: NamespaceType;
  /** Absolute host path of a namespace file. */
  readonly path?: string;
  /** carve's own: the process whose namespace `path` is. */
  readonly process?: NamespaceProcess;
}

/** A device node. Source: OCI runtime-spec 1.3 config-linux.md "Devices". */
export interface LinuxDevice {
  /** `c` or `u` character, `b` block, `p` fifo. */
  readonly type: 'c' | 'b' | 'u' | 'p';
  /** Absolute path inside the container. */
  readonly path: string;
  /** Device major number; not for fifos. */
  readonly major?: number;
  /** Device minor number; not for fifos. */
  readonly minor?: number;
  /** Permission bits; default 0o666. */
  readonly fileMode?: number;
  /** Owner inside the container; default 0. */
  readonly uid?: number;
  /** Group inside the container; default 0. */
  readonly gid?: number;
}

/** Offset of a clock in a new time namespace. Source: OCI runtime-spec 1.3 config-linux.md. */
export interface TimeOffset {
  /** Seconds. */
  readonly secs?: number;
  /** Nanoseconds, 0 to 999999999. */
  readonly nanosecs?: number;
}

/** Execution domain. Source: OCI runtime-spec 1.3 config-linux.md "Personality". */
export interface LinuxPersonality {
  readonly domain: 'LINUX' | 'LINUX32';
  readonly flags?: readonly string[];
}

/** Propagation of the root mount. Source: OCI runtime-spec 1.3 config-linux.md. */
export type RootfsPropagation =
  | 'shared'
  | 'slave'
  | 'private'
  | 'unbindable'
  | 'rshared'
  | 'rslave'
  | 'rprivate';

/** The Linux section. Source: OCI runtime-spec 1.3 config-linux.md. */
export interface OciLinux {
  readonly namespaces?: readonly LinuxNamespace[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
  /** Clock (`monotonic`, `boottime`) → offset. */
  readonly timeOffsets?: Readonly<Record<string, TimeOffset>>;
  readonly devices?: readonly LinuxDevice[];
  /** Absolute: below the cgroup mount. */
  readonly cgroupsPath?: string;
  readonly resources?: LinuxResources;
  readonly rootfsPropagation?: RootfsPropagation;
  readonly seccomp?: LinuxSeccomp;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly mountLabel?: string;
  readonly personality?: LinuxPersonality;
}

/** `config.json`. Source: OCI runtime-spec 1.3 config.md. */
export interface Spec {
  readonly ociVersion: string;
  readonly process?: OciProcess;
  readonly root?: OciRoot;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts?: readonly OciMount[];
  readonly hooks?: OciHooks;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: OciLinux;
}

/** The version of the specification that carve writes. */
export const OCI_VERSION = '1.3.0';
