/**
 * An engine at the contract, for tests of what is above it: a test gives the
 * operations it needs; any other one fails the test by its name.
 */

import { EngineError } from '../../src/base/error.ts';
import type {
  ContainerOperations,
  Engine,
  ExecOperations,
  ImageOperations,
  NetworkOperations,
  SystemOperations,
} from '../../src/engine/engine.ts';
import type { RegistryOperations } from '../../src/engine/registry.ts';
import type { VolumeOperations } from '../../src/engine/volumes/contract.ts';
import type { ContainerInspect, ContainerSummary } from '../../src/spec/docker/inspect.ts';
import type { ImageInspect } from '../../src/spec/docker/image.ts';
import type { SystemInfo } from '../../src/spec/docker/system.ts';

/** The operations a test gives. */
export interface FakeOperations {
  readonly containers?: Partial<ContainerOperations>;
  readonly execs?: Partial<ExecOperations>;
  readonly images?: Partial<ImageOperations>;
  readonly registries?: Partial<RegistryOperations>;
  readonly networks?: Partial<NetworkOperations>;
  readonly volumes?: Partial<VolumeOperations>;
  readonly system?: Partial<SystemOperations>;
}

/** An engine of the given operations. */
export function fakeEngine(given: FakeOperations = {}): Engine {
  return {
    containers: complete<ContainerOperations>('containers', given.containers),
    execs: complete<ExecOperations>('execs', given.execs),
    images: complete<ImageOperations>('images', given.images),
    registries: complete<RegistryOperations>('registries', given.registries),
    networks: complete<NetworkOperations>('networks', given.networks),
    volumes: complete<VolumeOperations>('volumes', given.volumes),
    system: complete<SystemOperations>('system', { info: async () => sampleInfo, ...given.system }),
    close: async () => undefined,
  };
}

function complete<T extends object>(part: string, given: Partial<T> = {}): T {
  return new Proxy(given, {
    get: (target, key) => {
      const found: unknown = Reflect.get(target, key);
      if (found !== undefined) return found;
      return () => {
        throw new EngineError('internal', `The test gave no ${part}.${String(key)}`);
      };
    },
  }) as T;
}

/** Id of the sample container. */
export const sampleId: string = 'ab'.repeat(32);

const never = '0001-01-01T00:00:00Z';

/** A running container. */
export const sampleInspect: ContainerInspect = {
  Id: sampleId,
  Created: '2026-11-23T10:00:00.123456789Z',
  Path: 'sh',
  Args: [],
  State: {
    Status: 'running',
    Running: true,
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    Dead: false,
    Pid: 42,
    ExitCode: 0,
    Error: '',
    StartedAt: '2026-11-23T10:00:01Z',
    FinishedAt: never,
  },
  Image: `sha256:${'cd'.repeat(32)}`,
  ResolvConfPath: '',
  HostnamePath: '',
  HostsPath: '',
  LogPath: '',
  Name: '/web',
  RestartCount: 0,
  Driver: 'overlay2',
  Platform: 'linux',
  MountLabel: '',
  ProcessLabel: '',
  AppArmorProfile: '',
  ExecIDs: null,
  HostConfig: { NetworkMode: 'none' },
  GraphDriver: { Name: 'overlay2', Data: null },
  Mounts: [],
  Config: { Image: 'debian', Hostname: 'abababababab', Tty: false },
  NetworkSettings: {
    SandboxID: '',
    SandboxKey: '',
    Ports: {},
    Networks: {
      bridge: { Aliases: null, IPAddress: '172.17.0.2', Gateway: '172.17.0.1', DNSNames: ['web'] },
    },
  },
};

/** A row of the list. */
export const sampleSummary: ContainerSummary = {
  Id: sampleId,
  Names: ['/web'],
  Image: 'debian',
  ImageID: sampleInspect.Image,
  Command: 'sh',
  Created: 1_795_428_000,
  Ports: [],
  Labels: {},
  State: 'running',
  Status: 'Up 5 minutes',
  HostConfig: { NetworkMode: 'none', Annotations: { a: 'b' } },
  NetworkSettings: { Networks: {} },
  Mounts: [],
};

/** An image. */
export const sampleImage: ImageInspect = {
  Id: sampleInspect.Image,
  RepoTags: ['debian:latest'],
  RepoDigests: [],
  Parent: '',
  Comment: '',
  Created: '2026-11-23T10:00:00Z',
  DockerVersion: '',
  Author: '',
  Config: { Cmd: ['bash'], Env: ['PATH=/bin'], Hostname: 'x' },
  Architecture: 'amd64',
  Os: 'linux',
  Size: 1000,
  GraphDriver: { Name: 'overlay2', Data: null },
  RootFS: { Type: 'layers', Layers: [] },
  Metadata: { LastTagTime: never },
  Descriptor: { mediaType: 'application/vnd.oci.image.index.v1+json', digest: 'sha256:0', size: 3 },
  Manifests: [],
};

/** An engine's facts. */
export const sampleInfo: SystemInfo = {
  ID: 'engine-id',
  Containers: 1,
  ContainersRunning: 1,
  ContainersPaused: 0,
  ContainersStopped: 0,
  Images: 1,
  Driver: 'overlay2',
  DriverStatus: [],
  Plugins: { Volume: ['local'], Network: ['host', 'null'], Authorization: null, Log: ['carve'] },
  MemoryLimit: true,
  SwapLimit: true,
  CpuCfsPeriod: true,
  CpuCfsQuota: true,
  CPUShares: true,
  CPUSet: true,
  PidsLimit: true,
  OomKillDisable: false,
  IPv4Forwarding: true,
  Debug: false,
  NFd: 10,
  NGoroutines: 0,
  NEventsListener: 0,
  SystemTime: '2026-11-23T10:00:00Z',
  LoggingDriver: 'json-file',
  CgroupDriver: 'cgroupfs',
  CgroupVersion: '1',
  KernelVersion: '6.18.0',
  OperatingSystem: 'Debian GNU/Linux 12',
  OSVersion: '12',
  OSType: 'linux',
  Architecture: 'x86_64',
  IndexServerAddress: 'https://index.docker.io/v1/',
  RegistryConfig: { InsecureRegistryCIDRs: [], IndexConfigs: {}, Mirrors: [] },
  NCPU: 2,
  MemTotal: 1_000_000,
  DockerRootDir: '/var/lib/carve',
  HttpProxy: '',
  HttpsProxy: '',
  NoProxy: '',
  Name: 'host',
  Labels: [],
  ExperimentalBuild: false,
  ServerVersion: '0.1.0',
  Runtimes: { carve: { path: 'carve' } },
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
  InitBinary: '',
  ContainerdCommit: { ID: '' },
  RuncCommit: { ID: '' },
  InitCommit: { ID: '' },
  SecurityOptions: ['name=seccomp,profile=builtin'],
  CDISpecDirs: [],
  Warnings: null,
};
