/**
 * What the engine tells about itself, in Docker's words: events, resource
 * samples, `info` and disk usage. 64-bit kernel counters and nanosecond epochs
 * are bigint: 2^53 ns is a hundred days.
 *
 * Source: Docker Engine API 1.51, `EventMessage`, `ContainerStatsResponse`,
 * `SystemInfo`, `SystemVersion`, `SystemDataUsageResponse`.
 */

import type { ContainerSummary } from './inspect.ts';
import type { ImageSummary } from './image.ts';

/** What an event is about. Source: Engine API `EventMessage.Type`. */
export type EventType =
  | 'builder'
  | 'container'
  | 'daemon'
  | 'image'
  | 'network'
  | 'volume'
  | 'plugin';

/** Something that happened. Source: Engine API `EventMessage`; `status`, `id` and `from` are added at the edge. */
export interface EngineEvent {
  readonly Type: EventType;
  /** e.g. `start`, `exec_create: sh -c true`, `health_status: healthy`. */
  readonly Action: string;
  readonly Actor: {
    readonly ID: string;
    readonly Attributes: Readonly<Record<string, string>>;
  };
  readonly scope: 'local';
  /** Seconds since the epoch. */
  readonly time: number;
  /** Nanoseconds since the epoch. */
  readonly timeNano: bigint;
}

/** CPU time of a container. Source: Engine API `ContainerCPUStats`. */
export interface CpuStats {
  readonly cpu_usage: {
    /** Nanoseconds. */
    readonly total_usage: bigint;
    /** Nanoseconds. */
    readonly usage_in_kernelmode: bigint;
    /** Nanoseconds. */
    readonly usage_in_usermode: bigint;
    /** Nanoseconds per CPU; cgroup v1 only. */
    readonly percpu_usage?: readonly bigint[];
  };
  /** Nanoseconds of all CPUs of the host; absent in an empty sample. */
  readonly system_cpu_usage?: bigint;
  /** Count; absent in an empty sample. */
  readonly online_cpus?: number;
  readonly throttling_data: {
    /** Count of periods. */
    readonly periods: bigint;
    /** Count of periods. */
    readonly throttled_periods: bigint;
    /** Nanoseconds. */
    readonly throttled_time: bigint;
  };
}

/** Memory of a container; empty when it is not running. Source: Engine API `ContainerMemoryStats`. */
export interface MemoryStats {
  /** Bytes. */
  readonly usage?: bigint;
  /** Bytes; cgroup v1 only. */
  readonly max_usage?: bigint;
  /** Bytes or counts, by the kernel's names in memory.stat. */
  readonly stats?: Readonly<Record<string, bigint>>;
  /** Count of times the limit was hit; cgroup v1 only. */
  readonly failcnt?: bigint;
  /** Bytes: the limit, or the host's memory. */
  readonly limit?: bigint;
}

/** One counter of one device. Source: Engine API `ContainerBlkioStatEntry`. */
export interface BlkioStatEntry {
  /** Device number. */
  readonly major: number;
  /** Device number. */
  readonly minor: number;
  /** `read` and `write` with cgroup v2; `Read`, `Write`, `Sync`, `Async`, `Total` with v1. */
  readonly op: string;
  /** Bytes or operations, by the list it is in. */
  readonly value: bigint;
}

/** Source: Engine API `ContainerBlkioStats`. A list is null when the kernel does not count it. */
export interface BlkioStats {
  readonly io_service_bytes_recursive: readonly BlkioStatEntry[] | null;
  readonly io_serviced_recursive: readonly BlkioStatEntry[] | null;
  readonly io_queue_recursive: readonly BlkioStatEntry[] | null;
  readonly io_service_time_recursive: readonly BlkioStatEntry[] | null;
  readonly io_wait_time_recursive: readonly BlkioStatEntry[] | null;
  readonly io_merged_recursive: readonly BlkioStatEntry[] | null;
  readonly io_time_recursive: readonly BlkioStatEntry[] | null;
  readonly sectors_recursive: readonly BlkioStatEntry[] | null;
}

/** Counters of one interface, in bytes and packets. Source: Engine API `ContainerNetworkStats`. */
export interface NetworkStats {
  /** Bytes. */
  readonly rx_bytes: bigint;
  /** Count of packets. */
  readonly rx_packets: bigint;
  /** Count of packets. */
  readonly rx_errors: bigint;
  /** Count of packets. */
  readonly rx_dropped: bigint;
  /** Bytes. */
  readonly tx_bytes: bigint;
  /** Count of packets. */
  readonly tx_packets: bigint;
  /** Count of packets. */
  readonly tx_errors: bigint;
  /** Count of packets. */
  readonly tx_dropped: bigint;
}

/** One sample of a container's resources. Source: Engine API `ContainerStatsResponse`. */
export interface ContainerStats {
  /** With its leading slash. */
  readonly name: string;
  readonly id: string;
  /** RFC 3339 with nanoseconds; `0001-01-01T00:00:00Z` in an empty sample. */
  readonly read: string;
  /** Time of the sample before; `0001-01-01T00:00:00Z` when there is none. */
  readonly preread: string;
  readonly pids_stats: {
    /** Count of tasks. */
    readonly current?: bigint;
    /** Count of tasks; absent: no limit. */
    readonly limit?: bigint;
  };
  readonly blkio_stats: BlkioStats;
  /** Windows only: 0 here. */
  readonly num_procs: number;
  readonly storage_stats: Readonly<Record<string, never>>;
  readonly cpu_stats: CpuStats;
  readonly precpu_stats: CpuStats;
  readonly memory_stats: MemoryStats;
  /** By the interface's name; absent without a network of its own. */
  readonly networks?: Readonly<Record<string, NetworkStats>>;
}

/** A part of the engine and its version. Source: Engine API `ComponentVersion`. */
export interface ComponentVersion {
  readonly Name: string;
  readonly Version: string;
  readonly Details?: Readonly<Record<string, string>>;
}

/** A commit of a part. Source: Engine API `Commit`. */
export interface Commit {
  readonly ID: string;
}

/** Answer of `GET /info`. Source: Engine API `SystemInfo`. */
export interface SystemInfo {
  readonly ID: string;
  /** Count. */
  readonly Containers: number;
  /** Count. */
  readonly ContainersRunning: number;
  /** Count. */
  readonly ContainersPaused: number;
  /** Count. */
  readonly ContainersStopped: number;
  /** Count. */
  readonly Images: number;
  readonly Driver: string;
  readonly DriverStatus: readonly (readonly [string, string])[];
  readonly Plugins: {
    readonly Volume: readonly string[];
    readonly Network: readonly string[];
    readonly Authorization: readonly string[] | null;
    readonly Log: readonly string[];
  };
  readonly MemoryLimit: boolean;
  readonly SwapLimit: boolean;
  readonly CpuCfsPeriod: boolean;
  readonly CpuCfsQuota: boolean;
  readonly CPUShares: boolean;
  readonly CPUSet: boolean;
  readonly PidsLimit: boolean;
  readonly OomKillDisable: boolean;
  readonly IPv4Forwarding: boolean;
  readonly Debug: boolean;
  /** Count of open file descriptors of the daemon. */
  readonly NFd: number;
  /** Always 0: there are none. */
  readonly NGoroutines: number;
  /** Count of clients of `GET /events`. */
  readonly NEventsListener: number;
  /** RFC 3339 with nanoseconds. */
  readonly SystemTime: string;
  readonly LoggingDriver: string;
  readonly CgroupDriver: 'cgroupfs' | 'systemd' | 'none';
  readonly CgroupVersion: '1' | '2';
  readonly KernelVersion: string;
  readonly OperatingSystem: string;
  readonly OSVersion: string;
  readonly OSType: 'linux';
  /** As `uname -m` says it: `x86_64`, `aarch64`. */
  readonly Architecture: string;
  readonly IndexServerAddress: string;
  readonly RegistryConfig: {
    readonly InsecureRegistryCIDRs: readonly string[];
    readonly IndexConfigs: Readonly<
      Record<
        string,
        {
          readonly Name: string;
          readonly Mirrors: readonly string[];
          readonly Secure: boolean;
          readonly Official: boolean;
        }
      >
    >;
    readonly Mirrors: readonly string[];
  };
  /** Count of CPUs. */
  readonly NCPU: number;
  /** Bytes. */
  readonly MemTotal: number;
  readonly DockerRootDir: string;
  readonly HttpProxy: string;
  readonly HttpsProxy: string;
  readonly NoProxy: string;
  /** Name of the host. */
  readonly Name: string;
  readonly Labels: readonly string[];
  readonly ExperimentalBuild: boolean;
  readonly ServerVersion: string;
  readonly Runtimes: Readonly<
    Record<string, { readonly path: string; readonly status?: Readonly<Record<string, string>> }>
  >;
  readonly DefaultRuntime: string;
  readonly Swarm: {
    readonly NodeID: string;
    readonly NodeAddr: string;
    readonly LocalNodeState: 'inactive';
    readonly ControlAvailable: boolean;
    readonly Error: string;
    readonly RemoteManagers: null;
  };
  readonly LiveRestoreEnabled: boolean;
  readonly Isolation: string;
  readonly InitBinary: string;
  readonly ContainerdCommit: Commit;
  readonly RuncCommit: Commit;
  readonly InitCommit: Commit;
  /** e.g. `name=seccomp,profile=builtin`, `name=cgroupns`, `name=rootless`. */
  readonly SecurityOptions: readonly string[];
  readonly DefaultAddressPools?: readonly {
    readonly Base: string;
    /** Bits of each pool's prefix. */
    readonly Size: number;
  }[];
  readonly FirewallBackend?: {
    readonly Driver: string;
    readonly Info?: readonly (readonly [string, string])[];
  };
  readonly CDISpecDirs: readonly string[];
  readonly Warnings: readonly string[] | null;
}

/** A volume. Source: Engine API `Volume`. */
export interface Volume {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  /** RFC 3339. */
  readonly CreatedAt?: string;
  readonly Status?: Readonly<Record<string, unknown>>;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Scope: 'local' | 'global';
  readonly Options: Readonly<Record<string, string>> | null;
  /** Disk usage only. */
  readonly UsageData?: {
    /** Bytes; -1: not counted. */
    readonly Size: number;
    /** Count of containers; -1: not counted. */
    readonly RefCount: number;
  };
}

/** One record of the build cache. Source: Engine API `BuildCache`. */
export interface BuildCacheRecord {
  readonly ID: string;
  readonly Parents?: readonly string[];
  readonly Type: string;
  readonly Description: string;
  readonly InUse: boolean;
  readonly Shared: boolean;
  /** Bytes. */
  readonly Size: number;
  /** RFC 3339 with nanoseconds. */
  readonly CreatedAt: string;
  /** RFC 3339 with nanoseconds; null: never. */
  readonly LastUsedAt: string | null;
  /** Count of uses. */
  readonly UsageCount: number;
}

/** Answer of `GET /system/df`. Source: Engine API `SystemDataUsageResponse`. */
export interface DiskUsage {
  /** Bytes of all unpacked layers and of all blobs, shared ones once. */
  readonly LayersSize: number;
  readonly Images: readonly ImageSummary[];
  readonly Containers: readonly ContainerSummary[];
  readonly Volumes: readonly Volume[];
  readonly BuildCache: readonly BuildCacheRecord[];
}
