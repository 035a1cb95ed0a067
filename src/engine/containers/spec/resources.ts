/**
 * Docker's resource fields → the OCI section, pure.
 *
 * Source: engine-api facts 13 "Resource field → effect"; Engine API `Resources`.
 */

import { EngineError } from '../../../base/error.ts';
import type { Resources, ThrottleDevice } from '../../../spec/docker/container.ts';
import type {
  LinuxBlockIo,
  LinuxCpu,
  LinuxMemory,
  LinuxResources,
  LinuxThrottleDevice,
} from '../../../spec/oci/resources.ts';
import { given } from './given.ts';
import type { HostDevice } from './input.ts';

/** Tasks of a container unless told otherwise: a fork bomb ends here. */
export const DEFAULT_PIDS_LIMIT = 4096;
/** Period of a CPU limit given in CPUs, in µs. */
const NANO_CPUS_PERIOD_US = 100_000;
const NANO = 1_000_000_000;

/** All but devices; also for `update`. Errors: `invalid` for an unknown block device. */
export function containerResources(
  resources: Resources,
  options: {
    readonly blockDevices: ReadonlyMap<string, HostDevice>;
    readonly cgroupVersion: 1 | 2;
  },
): LinuxResources {
  const cpu = cpuOf(resources);
  const memory = memoryOf(resources, options.cgroupVersion);
  const blockIO = blockIoOf(resources, options.blockDevices);
  return {
    ...given('memory', memory),
    ...given('cpu', cpu),
    pids: { limit: pidsOf(resources.PidsLimit) },
    ...given('blockIO', blockIO),
  };
}

/** null and 0: the default; below: none. */
function pidsOf(limit: number | null | undefined): number {
  if (limit === null || limit === undefined || limit === 0) return DEFAULT_PIDS_LIMIT;
  return limit < 0 ? -1 : limit;
}

function cpuOf(resources: Resources): LinuxCpu {
  const nano = resources.NanoCpus ?? 0;
  const isNano = nano > 0;
  const quota = isNano ? Math.round((nano * NANO_CPUS_PERIOD_US) / NANO) : resources.CpuQuota;
  return {
    ...given('shares', resources.CpuShares),
    ...given('quota', quota),
    ...given('period', isNano ? NANO_CPUS_PERIOD_US : resources.CpuPeriod),
    ...given('realtimeRuntime', resources.CpuRealtimeRuntime),
    ...given('realtimePeriod', resources.CpuRealtimePeriod),
    ...given('cpus', resources.CpusetCpus),
    ...given('mems', resources.CpusetMems),
  };
}

function memoryOf(resources: Resources, cgroupVersion: 1 | 2): LinuxMemory {
  const swap = resources.MemorySwap ?? 0;
  const swappiness = resources.MemorySwappiness ?? -1;
  const memory: LinuxMemory = {
    ...given('limit', resources.Memory),
    ...given('reservation', resources.MemoryReservation),
    // -1 is the kernel's own default.
    ...given('swap', swap === -1 ? 0 : swap),
  };
  if (cgroupVersion === 2) return memory;
  return {
    ...memory,
    ...(swappiness < 0 ? {} : { swappiness }),
    ...(resources.OomKillDisable === true ? { disableOOMKiller: true } : {}),
  };
}

function blockIoOf(resources: Resources, devices: ReadonlyMap<string, HostDevice>): LinuxBlockIo {
  const throttle = (
    list: readonly ThrottleDevice[] | null | undefined,
  ): readonly LinuxThrottleDevice[] =>
    (list ?? []).map(({ Path: path = '', Rate: rate = 0 }) => ({
      ...numbersOf(devices, path),
      rate,
    }));
  const weights = (resources.BlkioWeightDevice ?? []).map(
    ({ Path: path = '', Weight: weight = 0 }) => ({ ...numbersOf(devices, path), weight }),
  );
  return {
    ...given('weight', resources.BlkioWeight),
    ...given('weightDevice', weights),
    ...given('throttleReadBpsDevice', throttle(resources.BlkioDeviceReadBps)),
    ...given('throttleWriteBpsDevice', throttle(resources.BlkioDeviceWriteBps)),
    ...given('throttleReadIOPSDevice', throttle(resources.BlkioDeviceReadIOps)),
    ...given('throttleWriteIOPSDevice', throttle(resources.BlkioDeviceWriteIOps)),
  };
}

function numbersOf(
  devices: ReadonlyMap<string, HostDevice>,
  path: string,
): { readonly major: number; readonly minor: number } {
  const device = devices.get(path);
  if (device === undefined) {
    throw new EngineError('invalid', `${JSON.stringify(path)} is not a block device`);
  }
  return { major: device.major, minor: device.minor };
}
