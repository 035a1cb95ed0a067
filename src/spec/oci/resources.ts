/**
 * Resource limits of an OCI runtime configuration. The words are the
 * specification's; `kernel/cgroup` turns them into files of either version.
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Control groups".
 */

/** CPU share, bandwidth and placement. Source: OCI runtime-spec 1.3 "CPU". */
export interface LinuxCpu {
  /** Relative weight, 2 to 262144; nominal 1024; 0 is unset. */
  readonly shares?: number;
  /** Run time per period in µs; ≤ 0 is no limit. */
  readonly quota?: number;
  /** Accumulated unused run time in microseconds. */
  readonly burst?: number;
  /** Length of a period in µs, 1000 to 1000000. */
  readonly period?: number;
  /** Realtime run time per period in µs; cgroup v1 only. */
  readonly realtimeRuntime?: number;
  /** Realtime period in microseconds; cgroup v1 only. */
  readonly realtimePeriod?: number;
  /** CPUs as a list, `0-3,5`. */
  readonly cpus?: string;
  /** Memory nodes as a list. */
  readonly mems?: string;
  /** Flag; 1: run only when nothing else wants to. */
  readonly idle?: number;
}

/** Memory limits; -1 is unlimited. Source: OCI runtime-spec 1.3 "Memory". */
export interface LinuxMemory {
  /** Hard limit in bytes. */
  readonly limit?: number;
  /** Soft limit in bytes. */
  readonly reservation?: number;
  /** Limit of memory and swap together, in bytes. */
  readonly swap?: number;
  /** Tendency to swap in percent, 0 to 100; cgroup v1 only. */
  readonly swappiness?: number;
  /** Tasks wait instead of being killed; cgroup v1 only. */
  readonly disableOOMKiller?: boolean;
  /** Count the memory of child groups in this one; cgroup v1 only. */
  readonly useHierarchy?: boolean;
  /** Refuse a limit below what is in use now. */
  readonly checkBeforeUpdate?: boolean;
}

/** Number of tasks. Source: OCI runtime-spec 1.3 "PIDs". */
export interface LinuxPids {
  /** Greatest number of tasks; -1 is unlimited. */
  readonly limit?: number;
}

/** A block device by number. Source: OCI runtime-spec 1.3 "Block IO". */
export interface LinuxBlockDevice {
  /** Device major number. */
  readonly major: number;
  /** Device minor number. */
  readonly minor: number;
}

/** Weight of one device, 10 to 1000. Source: OCI runtime-spec 1.3 "Block IO". */
export interface LinuxWeightDevice extends LinuxBlockDevice {
  /** Relative weight, 10 to 1000. */
  readonly weight?: number;
  /** Relative weight against own children, 10 to 1000. */
  readonly leafWeight?: number;
}

/** Rate of one device in bytes or operations per second. Source: OCI runtime-spec 1.3 "Block IO". */
export interface LinuxThrottleDevice extends LinuxBlockDevice {
  /** Bytes per second or operations per second; 0 removes the limit. */
  readonly rate: number;
}

/** Block devices. Source: OCI runtime-spec 1.3 "Block IO". */
export interface LinuxBlockIo {
  /** Relative weight, 10 to 1000. */
  readonly weight?: number;
  /** Relative weight against own children, 10 to 1000; cgroup v1 only. */
  readonly leafWeight?: number;
  readonly weightDevice?: readonly LinuxWeightDevice[];
  readonly throttleReadBpsDevice?: readonly LinuxThrottleDevice[];
  readonly throttleWriteBpsDevice?: readonly LinuxThrottleDevice[];
  readonly throttleReadIOPSDevice?: readonly LinuxThrottleDevice[];
  readonly throttleWriteIOPSDevice?: readonly LinuxThrottleDevice[];
}

/** One rule on devices; later rules win. Source: OCI runtime-spec 1.3 "Allowed Device list". */
export interface LinuxDeviceRule {
  readonly allow: boolean;
  /** `a` all, `c` character, `b` block; default `a`. */
  readonly type?: 'a' | 'c' | 'b';
  /** Device major number; absent is any. */
  readonly major?: number;
  /** Device minor number; absent is any. */
  readonly minor?: number;
  /** Letters of `rwm`: read, write, mknod; default all. */
  readonly access?: string;
}

/** Huge pages of one size. Source: OCI runtime-spec 1.3 "Huge page limits". */
export interface LinuxHugepageLimit {
  /** As in the file's name: `64KB`, `2MB`, `1GB`. */
  readonly pageSize: string;
  /** Limit in bytes. */
  readonly limit: number;
}

/** RDMA objects of one host adapter. Source: OCI runtime-spec 1.3 "RDMA". */
export interface LinuxRdma {
  /** Greatest number of adapter handles. */
  readonly hcaHandles?: number;
  /** Greatest number of adapter objects. */
  readonly hcaObjects?: number;
}

/** `linux.resources`. Source: OCI runtime-spec 1.3 config-linux.md "Control groups". */
export interface LinuxResources {
  /** Allow-list of devices, in order. */
  readonly devices?: readonly LinuxDeviceRule[];
  readonly memory?: LinuxMemory;
  readonly cpu?: LinuxCpu;
  readonly pids?: LinuxPids;
  readonly blockIO?: LinuxBlockIo;
  readonly hugepageLimits?: readonly LinuxHugepageLimit[];
  /** Device name → limits. */
  readonly rdma?: Readonly<Record<string, LinuxRdma>>;
  /** cgroup v2 file → value, written as it is. */
  readonly unified?: Readonly<Record<string, string>>;
}
