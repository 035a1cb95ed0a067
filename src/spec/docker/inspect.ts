/**
 * What the engine tells about one container or exec, in Docker's words. The
 * engine fills the newest shape; `http/shape` takes away or adds what an older
 * client expects. Arrays that a client may count on are never null here.
 *
 * Source: Docker Engine API 1.51, `ContainerInspectResponse`,
 * `ContainerSummary`, `ExecInspectResponse`, `NetworkSettings`, `MountPoint`.
 */

import type { ContainerConfig, EndpointSettings, HostConfig, PortBinding } from './container.ts';

/** Life state of a container. Source: Engine API `ContainerState.Status`. */
export type ContainerStatus =
  | 'created'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'removing'
  | 'exited'
  | 'dead';

/** Health of a container. Source: Engine API `Health.Status`. */
export type HealthStatus = 'none' | 'starting' | 'healthy' | 'unhealthy';

/** One run of a health probe. Source: Engine API `HealthcheckResult`. */
export interface HealthcheckResult {
  /** RFC 3339 with nanoseconds. */
  readonly Start: string;
  /** RFC 3339 with nanoseconds. */
  readonly End: string;
  /** 0 healthy, 1 unhealthy, -1 the probe itself failed. */
  readonly ExitCode: number;
  /** At most 4096 bytes of the probe's output. */
  readonly Output: string;
}

/** Source: Engine API `Health`. */
export interface Health {
  readonly Status: HealthStatus;
  /** Count of failures in a row. */
  readonly FailingStreak: number;
  /** The last five runs, oldest first; null before the first. */
  readonly Log: readonly HealthcheckResult[] | null;
}

/** Source: Engine API `ContainerState`. */
export interface ContainerState {
  readonly Status: ContainerStatus;
  readonly Running: boolean;
  readonly Paused: boolean;
  readonly Restarting: boolean;
  readonly OOMKilled: boolean;
  readonly Dead: boolean;
  /** Process id on the host; 0 when not running. */
  readonly Pid: number;
  /** 0..255. */
  readonly ExitCode: number;
  readonly Error: string;
  /** RFC 3339 with nanoseconds; `0001-01-01T00:00:00Z` when never. */
  readonly StartedAt: string;
  /** RFC 3339 with nanoseconds; `0001-01-01T00:00:00Z` when never. */
  readonly FinishedAt: string;
  /** Absent without a health probe. */
  readonly Health?: Health;
}

/** Where a container's file system is. Source: Engine API `DriverData`. */
export interface GraphDriver {
  readonly Name: string;
  readonly Data: Readonly<Record<string, string>> | null;
}

/** One mount of a container as it turned out. Source: Engine API `MountPoint`. */
export interface MountPoint {
  readonly Type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** Volumes only. */
  readonly Name?: string;
  readonly Source: string;
  readonly Destination: string;
  /** Volumes only. */
  readonly Driver?: string;
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: string;
}

/** Source: Engine API `NetworkSettings`. The legacy copies of the `bridge` endpoint are made by `http/shape`. */
export interface NetworkSettings {
  readonly SandboxID: string;
  readonly SandboxKey: string;
  /** `80/tcp` → its bindings; null: exposed, not published. */
  readonly Ports: Readonly<Record<string, readonly PortBinding[] | null>>;
  readonly Networks: Readonly<Record<string, EndpointSettings>>;
}

/** Answer of `GET /containers/{id}/json`. Source: Engine API `ContainerInspectResponse`. */
export interface ContainerInspect {
  /** 64 hex digits. */
  readonly Id: string;
  /** RFC 3339 with nanoseconds. */
  readonly Created: string;
  readonly Path: string;
  readonly Args: readonly string[];
  readonly State: ContainerState;
  /** `sha256:…` of the image it was made from. */
  readonly Image: string;
  readonly ResolvConfPath: string;
  readonly HostnamePath: string;
  readonly HostsPath: string;
  readonly LogPath: string;
  /** With its leading slash. */
  readonly Name: string;
  /** Count of restarts by policy. */
  readonly RestartCount: number;
  readonly Driver: string;
  readonly Platform: string;
  readonly MountLabel: string;
  readonly ProcessLabel: string;
  readonly AppArmorProfile: string;
  /** Ids of running execs; null when none. */
  readonly ExecIDs: readonly string[] | null;
  /** Complete: every field has its effective value. */
  readonly HostConfig: HostConfig;
  readonly GraphDriver: GraphDriver;
  /** Bytes in the container's own layer; only when asked for. */
  readonly SizeRw?: number;
  /** Bytes of the whole root; only when asked for. */
  readonly SizeRootFs?: number;
  readonly Mounts: readonly MountPoint[];
  /** Merged with the image's; `Image` is the reference the client gave. */
  readonly Config: ContainerConfig;
  readonly NetworkSettings: NetworkSettings;
}

/** A port in a list. Source: Engine API `PortSummary`. */
export interface PortSummary {
  /** Absent when not published. */
  readonly IP?: string;
  /** 1..65535. */
  readonly PrivatePort: number;
  /** 1..65535; absent when not published. */
  readonly PublicPort?: number;
  readonly Type: 'tcp' | 'udp' | 'sctp';
}

/** One row of `GET /containers/json`. Source: Engine API `ContainerSummary`. */
export interface ContainerSummary {
  /** 64 hex digits. */
  readonly Id: string;
  /** With leading slashes. */
  readonly Names: readonly string[];
  /** The reference given at creation, or the id once it names another image. */
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Seconds since the epoch. */
  readonly Created: number;
  readonly Ports: readonly PortSummary[];
  /** Bytes; only when asked for. */
  readonly SizeRw?: number;
  /** Bytes; only when asked for. */
  readonly SizeRootFs?: number;
  readonly Labels: Readonly<Record<string, string>>;
  readonly State: ContainerStatus;
  /** For people, e.g. `Up 5 minutes (healthy)`. */
  readonly Status: string;
  readonly HostConfig: {
    readonly NetworkMode: string;
    readonly Annotations?: Readonly<Record<string, string>>;
  };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, EndpointSettings>> };
  readonly Mounts: readonly MountPoint[];
}

/** Answer of `GET /exec/{id}/json`. Source: Engine API `ExecInspectResponse`. */
export interface ExecInspect {
  /** 64 hex digits. */
  readonly ID: string;
  readonly Running: boolean;
  /** 0..255; null until it has ended. */
  readonly ExitCode: number | null;
  readonly ProcessConfig: {
    readonly tty: boolean;
    readonly entrypoint: string;
    readonly arguments: readonly string[];
    readonly privileged: boolean;
    readonly user?: string;
  };
  readonly OpenStdin: boolean;
  readonly OpenStderr: boolean;
  readonly OpenStdout: boolean;
  readonly CanRemove: boolean;
  readonly ContainerID: string;
  readonly DetachKeys: string;
  /** Process id on the host; 0 when not running. */
  readonly Pid: number;
}
