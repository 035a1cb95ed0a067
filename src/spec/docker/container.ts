/**
 * Docker's words for one container, as they travel on the wire: what a client
 * sends to create it. Everything is optional as the clients send it; defaults
 * are the engine's (`engine/containers/spec`).
 *
 * Source: Docker Engine API 1.51, `ContainerConfig`, `HostConfig`, `Mount`.
 */

import type { EgressConfig } from '../egress.ts';

/** Health probe of a container. Source: Engine API `HealthConfig`. */
export interface HealthConfig {
  readonly Test?: readonly string[] | null;
  /** Nanoseconds between probes; 0 inherits. */
  readonly Interval?: number;
  /** Nanoseconds one probe may take; 0 inherits. */
  readonly Timeout?: number;
  /** Nanoseconds during which failures do not count; 0 inherits. */
  readonly StartPeriod?: number;
  /** Nanoseconds between probes during the start period; 0 inherits. */
  readonly StartInterval?: number;
  /** Count of failures in a row that make it unhealthy; 0 inherits. */
  readonly Retries?: number;
}

/** The portable half of a container's configuration. Source: Engine API `ContainerConfig`. */
export interface ContainerConfig {
  readonly Hostname?: string;
  readonly Domainname?: string;
  readonly User?: string;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Tty?: boolean;
  readonly OpenStdin?: boolean;
  readonly StdinOnce?: boolean;
  readonly Env?: readonly string[] | null;
  /** A plain string (old clients) means one element. */
  readonly Cmd?: readonly string[] | string | null;
  readonly Healthcheck?: HealthConfig | null;
  readonly ArgsEscaped?: boolean;
  readonly Image?: string;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly WorkingDir?: string;
  readonly Entrypoint?: readonly string[] | string | null;
  readonly NetworkDisabled?: boolean;
  readonly MacAddress?: string;
  readonly OnBuild?: readonly string[] | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string;
  /** Seconds `stop` waits before SIGKILL; negative: for ever. */
  readonly StopTimeout?: number | null;
  readonly Shell?: readonly string[] | null;
}

/** A host device given to a container. Source: Engine API `DeviceMapping`. */
export interface DeviceMapping {
  readonly PathOnHost?: string;
  readonly PathInContainer?: string;
  readonly CgroupPermissions?: string;
}

/** A weight for one block device. Source: Engine API `ThrottleDevice`, `WeightDevice`. */
export interface ThrottleDevice {
  readonly Path?: string;
  /** Bytes or operations per second. */
  readonly Rate?: number;
}

/** Source: Engine API `ResourcesBlkioWeightDevice`. */
export interface WeightDevice {
  readonly Path?: string;
  /** Relative weight, 10..1000. */
  readonly Weight?: number;
}

/** Source: Engine API `DeviceRequest`. */
export interface DeviceRequest {
  readonly Driver?: string;
  /** Count of devices; -1: all. */
  readonly Count?: number;
  readonly DeviceIDs?: readonly string[] | null;
  readonly Capabilities?: readonly (readonly string[])[] | null;
  readonly Options?: Readonly<Record<string, string>> | null;
}

/** Source: Engine API `ResourcesUlimits`. */
export interface Ulimit {
  readonly Name?: string;
  /** Count, bytes or seconds, by the resource; -1: unlimited. */
  readonly Soft?: number;
  /** Count, bytes or seconds, by the resource; -1: unlimited. */
  readonly Hard?: number;
}

/** Limits that `update` can change too. Source: Engine API `Resources`. */
export interface Resources {
  /** Relative weight, 1024 nominal; 0 unset. */
  readonly CpuShares?: number;
  /** Bytes; 0 unlimited. */
  readonly Memory?: number;
  readonly CgroupParent?: string;
  /** Relative weight, 10..1000; 0 unset. */
  readonly BlkioWeight?: number;
  readonly BlkioWeightDevice?: readonly WeightDevice[] | null;
  readonly BlkioDeviceReadBps?: readonly ThrottleDevice[] | null;
  readonly BlkioDeviceWriteBps?: readonly ThrottleDevice[] | null;
  readonly BlkioDeviceReadIOps?: readonly ThrottleDevice[] | null;
  readonly BlkioDeviceWriteIOps?: readonly ThrottleDevice[] | null;
  /** Microseconds; 0 unset. */
  readonly CpuPeriod?: number;
  /** Microseconds per period; 0 unset, -1 unlimited. */
  readonly CpuQuota?: number;
  /** Microseconds. */
  readonly CpuRealtimePeriod?: number;
  /** Microseconds. */
  readonly CpuRealtimeRuntime?: number;
  readonly CpusetCpus?: string;
  readonly CpusetMems?: string;
  readonly Devices?: readonly DeviceMapping[] | null;
  readonly DeviceCgroupRules?: readonly string[] | null;
  readonly DeviceRequests?: readonly DeviceRequest[] | null;
  /** Bytes. */
  readonly KernelMemory?: number;
  /** Bytes. */
  readonly KernelMemoryTCP?: number;
  /** Bytes. */
  readonly MemoryReservation?: number;
  /** Bytes of memory and swap together; 0 unset, -1 unlimited. */
  readonly MemorySwap?: number;
  /** Percent, 0..100; -1 or null unset. */
  readonly MemorySwappiness?: number | null;
  /** Billionths of a CPU; 0 unset. */
  readonly NanoCpus?: number;
  readonly OomKillDisable?: boolean | null;
  /** Count of processes; null or 0 the engine's default, -1 unlimited. */
  readonly PidsLimit?: number | null;
  readonly Ulimits?: readonly Ulimit[] | null;
}

/** Source: Engine API `RestartPolicy`. */
export interface RestartPolicy {
  readonly Name?: '' | 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** Count of attempts with `on-failure`; 0: endless. */
  readonly MaximumRetryCount?: number;
}

/** Source: Engine API `Mount`. */
export interface Mount {
  readonly Type?: 'bind' | 'volume' | 'tmpfs' | 'image' | 'npipe' | 'cluster';
  readonly Source?: string;
  readonly Target?: string;
  readonly ReadOnly?: boolean;
  readonly Consistency?: string;
  readonly BindOptions?: {
    readonly Propagation?: string;
    readonly NonRecursive?: boolean;
    readonly CreateMountpoint?: boolean;
    readonly ReadOnlyNonRecursive?: boolean;
    readonly ReadOnlyForceRecursive?: boolean;
    /** carve's own: whose files these are, see `--mount …,idmap`; `owner`: the source's owner is the container's user. */
    readonly IDMap?: string;
  } | null;
  readonly VolumeOptions?: {
    readonly NoCopy?: boolean;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Subpath?: string;
    readonly DriverConfig?: {
      readonly Name?: string;
      readonly Options?: Readonly<Record<string, string>> | null;
    } | null;
  } | null;
  readonly ImageOptions?: { readonly Subpath?: string } | null;
  readonly TmpfsOptions?: {
    /** Bytes; 0: the kernel's default. */
    readonly SizeBytes?: number;
    /** Permission bits. */
    readonly Mode?: number;
    readonly Options?: readonly (readonly string[])[] | null;
  } | null;
}

/** One published port. Source: Engine API `PortBinding`. */
export interface PortBinding {
  readonly HostIp?: string;
  readonly HostPort?: string;
}

/** The host's half of a container's configuration. Source: Engine API `HostConfig`. */
export interface HostConfig extends Resources {
  readonly Binds?: readonly string[] | null;
  readonly ContainerIDFile?: string;
  readonly LogConfig?: {
    readonly Type?: string;
    readonly Config?: Readonly<Record<string, string>> | null;
  } | null;
  readonly NetworkMode?: string;
  readonly PortBindings?: Readonly<Record<string, readonly PortBinding[] | null>> | null;
  readonly RestartPolicy?: RestartPolicy | null;
  readonly AutoRemove?: boolean;
  readonly VolumeDriver?: string;
  readonly VolumesFrom?: readonly string[] | null;
  readonly Mounts?: readonly Mount[] | null;
  /** Rows and columns of the terminal, in that order. */
  readonly ConsoleSize?: readonly number[] | null;
  readonly Annotations?: Readonly<Record<string, string>> | null;
  readonly CapAdd?: readonly string[] | null;
  readonly CapDrop?: readonly string[] | null;
  readonly CgroupnsMode?: '' | 'private' | 'host';
  readonly Dns?: readonly string[] | null;
  readonly DnsOptions?: readonly string[] | null;
  readonly DnsSearch?: readonly string[] | null;
  readonly ExtraHosts?: readonly string[] | null;
  readonly GroupAdd?: readonly string[] | null;
  readonly IpcMode?: string;
  readonly Cgroup?: string;
  readonly Links?: readonly string[] | null;
  /** -1000..1000. */
  readonly OomScoreAdj?: number;
  readonly PidMode?: string;
  readonly Privileged?: boolean;
  readonly PublishAllPorts?: boolean;
  readonly ReadonlyRootfs?: boolean;
  readonly SecurityOpt?: readonly string[] | null;
  readonly StorageOpt?: Readonly<Record<string, string>> | null;
  readonly Tmpfs?: Readonly<Record<string, string>> | null;
  readonly UTSMode?: string;
  readonly UsernsMode?: string;
  /** Bytes of /dev/shm; 0: 64 MiB. */
  readonly ShmSize?: number;
  readonly Sysctls?: Readonly<Record<string, string>> | null;
  readonly Runtime?: string;
  readonly Isolation?: string;
  readonly Init?: boolean | null;
  readonly MaskedPaths?: readonly string[] | null;
  readonly ReadonlyPaths?: readonly string[] | null;
  /** carve's own: what the container may reach. */
  readonly CarveEgress?: EgressConfig | null;
}

/** What a client asks of, or is told about, one network of a container. Source: Engine API `EndpointSettings`. */
export interface EndpointSettings {
  readonly IPAMConfig?: {
    readonly IPv4Address?: string;
    readonly IPv6Address?: string;
    readonly LinkLocalIPs?: readonly string[] | null;
  } | null;
  readonly Links?: readonly string[] | null;
  readonly Aliases?: readonly string[] | null;
  readonly DriverOpts?: Readonly<Record<string, string>> | null;
  /** Higher wins the default route. */
  readonly GwPriority?: number;
  readonly NetworkID?: string;
  readonly EndpointID?: string;
  readonly Gateway?: string;
  readonly IPAddress?: string;
  readonly MacAddress?: string;
  /** Bits. */
  readonly IPPrefixLen?: number;
  readonly IPv6Gateway?: string;
  readonly GlobalIPv6Address?: string;
  /** Bits. */
  readonly GlobalIPv6PrefixLen?: number;
  readonly DNSNames?: readonly string[] | null;
}

/** Body of `POST /containers/create`. Source: Engine API `ContainerCreateRequest`. */
export interface ContainerCreateBody extends ContainerConfig {
  readonly HostConfig?: HostConfig | null;
  readonly NetworkingConfig?: {
    readonly EndpointsConfig?: Readonly<Record<string, EndpointSettings | null>> | null;
  } | null;
}

/** Body of `POST /containers/{id}/exec`. Source: Engine API `ExecConfig`. */
export interface ExecConfig {
  readonly User?: string;
  readonly Privileged?: boolean;
  readonly Tty?: boolean;
  /** Rows and columns, in that order. */
  readonly ConsoleSize?: readonly number[] | null;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly DetachKeys?: string;
  readonly Env?: readonly string[] | null;
  readonly WorkingDir?: string;
  readonly Cmd?: readonly string[] | string | null;
}
