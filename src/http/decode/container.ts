/**
 * Decoders of the bodies about containers.
 * Source: Docker Engine API 1.51, `ContainerConfig`, `HostConfig`, `ExecConfig`.
 */

import type {
  ContainerConfig,
  ContainerCreateBody,
  DeviceMapping,
  DeviceRequest,
  EndpointSettings,
  ExecConfig,
  HealthConfig,
  HostConfig,
  PortBinding,
  Resources,
  RestartPolicy,
  ThrottleDevice,
  Ulimit,
  WeightDevice,
} from '../../spec/docker/container.ts';
import type { EgressConfig } from '../../spec/egress.ts';
import { mount } from './mount.ts';
import {
  boolean,
  type Decode,
  type Fields,
  integer,
  list,
  map,
  nullable,
  object,
  text,
  textOrTexts,
  texts,
  unit,
  word,
} from './shape.ts';

const health: Decode<HealthConfig> = object<HealthConfig>({
  Test: texts,
  Interval: integer,
  Timeout: integer,
  StartPeriod: integer,
  StartInterval: integer,
  Retries: integer,
});

const configFields: Fields<ContainerConfig> = {
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: boolean,
  AttachStdout: boolean,
  AttachStderr: boolean,
  ExposedPorts: map(unit),
  Tty: boolean,
  OpenStdin: boolean,
  StdinOnce: boolean,
  Env: texts,
  Cmd: textOrTexts,
  Healthcheck: health,
  ArgsEscaped: boolean,
  Image: text,
  Volumes: map(unit),
  WorkingDir: text,
  Entrypoint: textOrTexts,
  NetworkDisabled: boolean,
  MacAddress: text,
  OnBuild: texts,
  Labels: map(text),
  StopSignal: text,
  StopTimeout: integer,
  Shell: texts,
};

const throttle: Decode<readonly ThrottleDevice[]> = list(
  object<ThrottleDevice>({ Path: text, Rate: integer }),
);

const resourceFields: Fields<Resources> = {
  CpuShares: integer,
  Memory: integer,
  CgroupParent: text,
  BlkioWeight: integer,
  BlkioWeightDevice: list(object<WeightDevice>({ Path: text, Weight: integer })),
  BlkioDeviceReadBps: throttle,
  BlkioDeviceWriteBps: throttle,
  BlkioDeviceReadIOps: throttle,
  BlkioDeviceWriteIOps: throttle,
  CpuPeriod: integer,
  CpuQuota: integer,
  CpuRealtimePeriod: integer,
  CpuRealtimeRuntime: integer,
  CpusetCpus: text,
  CpusetMems: text,
  Devices: list(
    object<DeviceMapping>({ PathOnHost: text, PathInContainer: text, CgroupPermissions: text }),
  ),
  DeviceCgroupRules: texts,
  DeviceRequests: list(
    object<DeviceRequest>({
      Driver: text,
      Count: integer,
      DeviceIDs: texts,
      Capabilities: list(texts),
      Options: map(text),
    }),
  ),
  KernelMemory: integer,
  KernelMemoryTCP: integer,
  MemoryReservation: integer,
  MemorySwap: integer,
  MemorySwappiness: integer,
  NanoCpus: integer,
  OomKillDisable: boolean,
  PidsLimit: integer,
  Ulimits: list(object<Ulimit>({ Name: text, Soft: integer, Hard: integer })),
};

const restartPolicy: Decode<RestartPolicy> = object<RestartPolicy>({
  Name: word('', 'no', 'always', 'unless-stopped', 'on-failure'),
  MaximumRetryCount: integer,
});

const hostConfig: Decode<HostConfig> = object<HostConfig>({
  ...resourceFields,
  CarveEgress: object<EgressConfig>({ Mode: text, Allow: texts }),
  Binds: texts,
  ContainerIDFile: text,
  LogConfig: object<NonNullable<HostConfig['LogConfig']>>({ Type: text, Config: map(text) }),
  NetworkMode: text,
  PortBindings: map(nullable(list(object<PortBinding>({ HostIp: text, HostPort: text })))),
  RestartPolicy: restartPolicy,
  AutoRemove: boolean,
  VolumeDriver: text,
  VolumesFrom: texts,
  Mounts: list(mount),
  ConsoleSize: list(integer),
  Annotations: map(text),
  CapAdd: texts,
  CapDrop: texts,
  CgroupnsMode: word('', 'private', 'host'),
  Dns: texts,
  DnsOptions: texts,
  DnsSearch: texts,
  ExtraHosts: texts,
  GroupAdd: texts,
  IpcMode: text,
  Cgroup: text,
  Links: texts,
  OomScoreAdj: integer,
  PidMode: text,
  Privileged: boolean,
  PublishAllPorts: boolean,
  ReadonlyRootfs: boolean,
  SecurityOpt: texts,
  StorageOpt: map(text),
  Tmpfs: map(text),
  UTSMode: text,
  UsernsMode: text,
  ShmSize: integer,
  Sysctls: map(text),
  Runtime: text,
  Isolation: text,
  Init: boolean,
  MaskedPaths: texts,
  ReadonlyPaths: texts,
});

/** What a client asks of one network. */
export const endpointSettings: Decode<EndpointSettings> = object<EndpointSettings>({
  IPAMConfig: object<NonNullable<EndpointSettings['IPAMConfig']>>({
    IPv4Address: text,
    IPv6Address: text,
    LinkLocalIPs: texts,
  }),
  Links: texts,
  Aliases: texts,
  DriverOpts: map(text),
  GwPriority: integer,
  NetworkID: text,
  EndpointID: text,
  Gateway: text,
  IPAddress: text,
  MacAddress: text,
  IPPrefixLen: integer,
  IPv6Gateway: text,
  GlobalIPv6Address: text,
  GlobalIPv6PrefixLen: integer,
  DNSNames: texts,
});

/** Body of `POST /commit`. */
export const containerConfig: Decode<ContainerConfig> = object<ContainerConfig>(configFields);

/** Body of `POST /containers/create`. */
export const createBody: Decode<ContainerCreateBody> = object<ContainerCreateBody>({
  ...configFields,
  HostConfig: hostConfig,
  NetworkingConfig: object<NonNullable<ContainerCreateBody['NetworkingConfig']>>({
    EndpointsConfig: map(nullable(endpointSettings)),
  }),
});

/** Body of `POST /containers/{id}/update`. */
export const updateBody: Decode<Resources & { readonly RestartPolicy?: RestartPolicy | null }> =
  object<Resources & { readonly RestartPolicy?: RestartPolicy | null }>({
    ...resourceFields,
    RestartPolicy: restartPolicy,
  });

/** Body of `POST /containers/{id}/exec`. */
export const execConfig: Decode<ExecConfig> = object<ExecConfig>({
  User: text,
  Privileged: boolean,
  Tty: boolean,
  ConsoleSize: list(integer),
  AttachStdin: boolean,
  AttachStdout: boolean,
  AttachStderr: boolean,
  DetachKeys: text,
  Env: texts,
  WorkingDir: text,
  Cmd: textOrTexts,
});

/** Body of `POST /exec/{id}/start`. */
export interface ExecStartBody {
  readonly Detach?: boolean;
  readonly Tty?: boolean;
  /** Rows and columns, in that order. */
  readonly ConsoleSize?: readonly number[];
}

/** Body of `POST /exec/{id}/start`. */
export const execStartBody: Decode<ExecStartBody> = object<ExecStartBody>({
  Detach: boolean,
  Tty: boolean,
  ConsoleSize: list(integer),
});
