/** Facts about the machine that the engine asks for once. Source: uname(2), /proc/meminfo, /etc/os-release. */

import type { Platform } from '../spec/platform.ts';
import type { SpecHost } from './containers/spec/input.ts';

/** The machine. */
export interface HostFacts {
  /** Host name at the engine's start. */
  readonly hostName: string;
  /** e.g. `6.18.0`. */
  readonly kernelVersion: string;
  /** As uname says it, e.g. `x86_64`. */
  readonly machine: string;
  /** What images must be for. */
  readonly platform: Platform;
  /** `PRETTY_NAME` of os-release. */
  readonly operatingSystem: string;
  /** `VERSION_ID` of os-release; empty when unknown. */
  readonly osVersion: string;
  /** Count of CPUs that are online. */
  readonly cpuCount: number;
  /** Bytes of memory. */
  readonly memoryBytes: number;
  readonly cgroupVersion: 1 | 2;
  /** The kernel has IPv6. */
  readonly hasIpv6: boolean;
  /** Facts a container's configuration depends on; nodes of /dev only when asked for. */
  readonly specHost: (options: { readonly withDevices: boolean }) => SpecHost;
  /** Text of the host's /etc/resolv.conf, read anew at each call. */
  readonly readResolvConf: () => string;
  /** Text of the host's /etc/hosts, read anew at each call. */
  readonly readHosts: () => string;
  /** First and last port that the host gives to connections without one. */
  readonly ephemeralPorts: () => readonly [first: number, last: number];
}
