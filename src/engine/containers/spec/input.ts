/**
 * What a container's OCI configuration is made from: everything is looked up
 * beforehand, so that `toOciSpec` is pure and the same input gives the same
 * configuration.
 */

import type { ContainerId, HostPath } from '../../../base/brand.ts';
import type { Machine } from '../../../kernel/bpf/syscalls.ts';
import type { ContainerConfig, HostConfig } from '../../../spec/docker/container.ts';
import type { LinuxNamespace } from '../../../spec/oci/runtime.ts';
import type { LinuxSeccomp } from '../../../spec/oci/seccomp.ts';
import type { ContainerMount } from '../mount.ts';
import type { MountSources } from '../mount-facts.ts';

/** Facts of the machine that the configuration depends on. */
export interface SpecHost {
  readonly machine: Machine;
  /** Of the running kernel. */
  readonly kernel: { readonly major: number; readonly minor: number };
  readonly cgroupVersion: 1 | 2;
  /** Capabilities that carve itself has in its bounding set, with `CAP_`: `ALL` and `--privileged` mean these. */
  readonly capabilities: readonly string[];
  /** Greatest number of open files that carve may give a process. */
  readonly openFilesMax: number;
  /** AppArmor is on and the profile `carve-default` is loaded. */
  readonly hasAppArmor: boolean;
  /** Existing `/sys/devices/system/cpu/cpuN/thermal_throttle`. */
  readonly thermalThrottlePaths: readonly string[];
  /** Character and block devices of the host's /dev, for `--privileged`. */
  readonly devices: readonly HostDevice[];
  /** The builtin policy for a bounding set, from a cache; absent: made anew each time. */
  readonly builtinSeccomp?: (bounding: readonly string[]) => LinuxSeccomp;
}

/** A device node of the host. */
export interface HostDevice {
  readonly path: string;
  readonly type: 'b' | 'c';
  /** Device major number. */
  readonly major: number;
  /** Device minor number. */
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A user name or number, looked up in the container's own files (see `resolve-user.ts`). */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** Ids of supplementary groups, sorted, without doubles. */
  readonly additionalGids: readonly number[];
  /** Home directory; `/` when unknown. */
  readonly home: string;
}

/** A file of the engine's that the container sees, e.g. /etc/hosts. */
export interface EngineFile {
  readonly source: HostPath;
  readonly destination: string;
}

/** Input of `toOciSpec`. */
export interface SpecInput {
  readonly id: ContainerId;
  /** One path component, unique per engine root: the group of its containers. */
  readonly engineId: string;
  /** Merged with the image's. */
  readonly config: ContainerConfig;
  /** Complete. */
  readonly hostConfig: HostConfig;
  /** Entrypoint and command; at least one. */
  readonly args: readonly string[];
  /** Empty: the host's, or another container's. */
  readonly hostname: string;
  readonly user: ResolvedUser;
  /** Resolved, in the order they are made. */
  readonly mounts: readonly ContainerMount[];
  /** What they are at this start. */
  readonly sources?: MountSources;
  readonly files: readonly EngineFile[];
  /** What `--device` names, by its `PathOnHost`: a node, or the nodes below a directory. */
  readonly devices: ReadonlyMap<string, readonly HostDevice[]>;
  /** Block devices of `--blkio-weight-device` and `--device-*-bps`, by their `Path`. */
  readonly blockDevices: ReadonlyMap<string, HostDevice>;
  /** Namespaces of `container:ID` modes, to be joined. */
  readonly joined: readonly LinuxNamespace[];
  readonly host: SpecHost;
  /** `KEY=VALUE` of links, below what the request says; absent: none. */
  readonly linkEnv?: readonly string[];
  /** It is held to an egress policy: no addresses of its neighbours for it. */
  readonly isHeld?: boolean;
}
