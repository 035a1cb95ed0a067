/**
 * A client's `HostConfig` with every default filled in, as `inspect` shows it,
 * pure. What clients send for "unset" (-1, 0, "", null) becomes the default here, once.
 *
 * Source: Engine API `HostConfig`; engine-api facts 4.2.
 */

import { EngineError } from '../../base/error.ts';
import type { HostConfig } from '../../spec/docker/container.ts';
import { DEFAULT_DRIVER } from './log-settings.ts';

/** Bytes of /dev/shm unless asked otherwise. */
export const DEFAULT_SHM_BYTES: number = 64 * 1024 * 1024;

/** What the defaults depend on. */
export interface CompleteOptions {
  readonly cgroupVersion: 1 | 2;
}

/** A complete one, and what the client should be told. Errors: `invalid`. */
export function completeHostConfig(
  given: HostConfig,
  options: CompleteOptions,
): { readonly hostConfig: HostConfig; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  const hostConfig: HostConfig = {
    ...EMPTY_LISTS,
    ...SWITCHES_OFF,
    ...withoutNulls(given),
    ...completeResources(given, warnings),
    LogConfig: {
      Type: orDefault(given.LogConfig?.Type, DEFAULT_DRIVER),
      Config: given.LogConfig?.Config ?? {},
    },
    NetworkMode: completeNetworkMode(given, warnings),
    RestartPolicy: { ...NO_RESTART, ...given.RestartPolicy, Name: restartNameOf(given) },
    CgroupnsMode: completeCgroupns(given, options),
    IpcMode: orDefault(given.IpcMode, 'private'),
    ShmSize: orDefault(given.ShmSize, DEFAULT_SHM_BYTES),
    Runtime: completeRuntime(given.Runtime ?? ''),
  };
  return { hostConfig, warnings };
}

/** Empty text and 0 count as not given. */
function orDefault<T extends string | number>(value: T | undefined, fallback: T): T {
  return value === undefined || value === '' || value === 0 ? fallback : value;
}

const NO_RESTART = { Name: 'no', MaximumRetryCount: 0 } as const;

function restartNameOf(
  given: HostConfig,
): NonNullable<NonNullable<HostConfig['RestartPolicy']>['Name']> {
  const name = given.RestartPolicy?.Name ?? '';
  return name === '' ? 'no' : name;
}

/** Fields that say something. */
function withoutNulls(given: HostConfig): HostConfig {
  const entries = Object.entries(given);
  return Object.fromEntries(entries.filter(([, value]) => value !== null && value !== undefined));
}

const SWITCHES_OFF: HostConfig = {
  PortBindings: {},
  AutoRemove: false,
  ConsoleSize: [0, 0],
  OomScoreAdj: 0,
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
};

/** Fields that are null or empty when nobody set them. */
const EMPTY_LISTS: HostConfig = {
  Binds: null,
  ContainerIDFile: '',
  VolumeDriver: '',
  VolumesFrom: null,
  CapAdd: null,
  CapDrop: null,
  Dns: [],
  DnsOptions: [],
  DnsSearch: [],
  ExtraHosts: null,
  GroupAdd: null,
  Cgroup: '',
  Links: null,
  PidMode: '',
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  Isolation: '',
};

const UNSET_RESOURCES: HostConfig = {
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: [],
  BlkioDeviceReadBps: [],
  BlkioDeviceWriteBps: [],
  BlkioDeviceReadIOps: [],
  BlkioDeviceWriteIOps: [],
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: [],
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  Ulimits: [],
};

/** Limits: -1 swappiness, 0 pids and absent numbers all mean unset. */
function completeResources(given: HostConfig, warnings: string[]): HostConfig {
  const { Memory: memory = 0, MemorySwap: swap = 0 } = given;
  const swappiness = given.MemorySwappiness ?? -1;
  const pids = given.PidsLimit ?? 0;
  if ((given.KernelMemory ?? 0) > 0)
    warnings.push('Kernel memory limits are not supported by this kernel any more; discarded.');
  return {
    ...UNSET_RESOURCES,
    ...dropNulls(given, UNSET_RESOURCES),
    MemorySwap: memory > 0 && swap === 0 ? memory * 2 : swap,
    MemorySwappiness: swappiness < 0 ? null : swappiness,
    OomKillDisable: given.OomKillDisable ?? false,
    PidsLimit: pids === 0 ? null : pids,
  };
}

/** Fields of `shape` that `given` sets to something. */
function dropNulls(given: HostConfig, shape: HostConfig): HostConfig {
  const keys = new Set(Object.keys(shape));
  const entries = Object.entries(given).filter(
    ([key, value]) => keys.has(key) && value !== null && value !== undefined,
  );
  return Object.fromEntries(entries);
}

function completeNetworkMode(given: HostConfig, warnings: string[]): string {
  const mode = given.NetworkMode ?? '';
  const published =
    Object.keys(given.PortBindings ?? {}).length > 0 || given.PublishAllPorts === true;
  if (published && mode === 'host')
    warnings.push('Published ports are discarded when using host network mode');
  return mode === '' || mode === 'default' ? 'bridge' : mode;
}

function completeCgroupns(given: HostConfig, options: CompleteOptions): 'private' | 'host' {
  const mode = given.CgroupnsMode ?? '';
  if (mode === '') return options.cgroupVersion === 2 ? 'private' : 'host';
  return mode;
}

function completeRuntime(name: string): string {
  if (name === '' || name === 'carve' || name === 'runc' || name === 'io.containerd.runc.v2')
    return 'carve';
  throw new EngineError('invalid', `unknown or invalid runtime name: ${name}`, {
    hint: 'Only the built-in runtime `carve` exists yet',
  });
}
