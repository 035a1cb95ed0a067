/** `info`, pure but for the moment. Source: Engine API `SystemInfo`; engine-api facts 7. */

import type { SystemInfo } from '../../spec/docker/system.ts';
import { formatTimeNs } from '../../spec/time.ts';
import type { EngineParts } from '../parts.ts';

/** What `info` answers. */
export function describeSystem(
  parts: EngineParts,
  measured: {
    /** Count of file descriptors. */
    readonly openFiles: number;
    readonly warnings: readonly string[];
  },
): SystemInfo {
  const { host } = parts;
  const isV1 = host.cgroupVersion === 1;
  return {
    ID: parts.engineId,
    ...countContainers(parts),
    Images: parts.images.list().length,
    Driver: 'overlay2',
    DriverStatus: [
      ['Supports d_type', 'true'],
      ['Mounted in', "each container's own mount namespace"],
    ],
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'ipvlan', 'macvlan', 'null'],
      Authorization: null,
      Log: ['carve', 'json-file', 'local', 'none'],
    },
    MemoryLimit: true,
    SwapLimit: true,
    CpuCfsPeriod: true,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: true,
    PidsLimit: true,
    OomKillDisable: isV1,
    IPv4Forwarding: true,
    Debug: false,
    NFd: measured.openFiles,
    NGoroutines: 0,
    NEventsListener: parts.events.followerCount,
    SystemTime: formatTimeNs(parts.clock.nowNs()),
    LoggingDriver: 'carve',
    CgroupDriver: 'cgroupfs',
    CgroupVersion: isV1 ? '1' : '2',
    KernelVersion: host.kernelVersion,
    OperatingSystem: host.operatingSystem,
    OSVersion: host.osVersion,
    OSType: 'linux',
    Architecture: host.machine,
    NCPU: host.cpuCount,
    MemTotal: host.memoryBytes,
    DockerRootDir: parts.paths.root,
    HttpProxy: '',
    HttpsProxy: '',
    NoProxy: '',
    Name: host.hostName,
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: parts.version,
    ...CONSTANTS,
    SecurityOptions: [
      ...(host.specHost({ withDevices: false }).hasAppArmor ? ['name=apparmor'] : []),
      'name=seccomp,profile=builtin',
      ...(isV1 ? [] : ['name=cgroupns']),
    ],
    FirewallBackend: { Driver: 'nftables', Info: parts.fabric.firewall() },
    Warnings: measured.warnings.length === 0 ? null : measured.warnings,
  };
}

/** What is the same on every machine. */
const CONSTANTS = {
  IndexServerAddress: 'https://index.docker.io/v1/',
  RegistryConfig: {
    InsecureRegistryCIDRs: ['127.0.0.0/8', '::1/128'],
    IndexConfigs: {},
    Mirrors: [],
  },
  Runtimes: { carve: { path: '' } },
  DefaultRuntime: 'carve',
  Swarm: {
    NodeID: '',
    NodeAddr: '',
    LocalNodeState: 'inactive',
    ControlAvailable: false,
    Error: '',
    RemoteManagers: null,
  },
  LiveRestoreEnabled: true,
  Isolation: '',
  InitBinary: 'carve',
  ContainerdCommit: { ID: '' },
  RuncCommit: { ID: '' },
  InitCommit: { ID: '' },
  CDISpecDirs: [],
} as const;

function countContainers(
  parts: EngineParts,
): Pick<SystemInfo, 'Containers' | 'ContainersRunning' | 'ContainersPaused' | 'ContainersStopped'> {
  let running = 0;
  let paused = 0;
  for (const { state } of parts.containers.all()) {
    if (state.phase === 'paused') paused += 1;
    else if (state.phase === 'running' || state.phase === 'restarting') running += 1;
  }
  const all = parts.containers.size;
  return {
    Containers: all,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: all - running - paused,
  };
}
