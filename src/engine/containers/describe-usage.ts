/**
 * What a container uses, in Docker's words, pure.
 * Source: Engine API `ContainerStatsResponse`; engine-api facts 5.5.
 */

import type { DeviceCounter } from '../../kernel/cgroup/stats.ts';
import type { ContainerUsage, InterfaceUsage } from '../../runtime/runtime.ts';
import type {
  BlkioStatEntry,
  BlkioStats,
  ContainerStats,
  CpuStats,
  MemoryStats,
  NetworkStats,
} from '../../spec/docker/system.ts';
import { formatTimeNs, ZERO_TIME } from '../../spec/time.ts';

/** One reading with the machine's own counters of the same moment. */
export interface UsageSample {
  readonly usage: ContainerUsage;
  /** Nanoseconds since the epoch. */
  readonly readAtNs: bigint;
  /** Nanoseconds of all CPUs of the machine. */
  readonly systemCpuNs: bigint;
}

/** What does not change between samples. */
export interface UsageContext {
  readonly id: string;
  /** Without slash. */
  readonly name: string;
  /** Count. */
  readonly cpuCount: number;
  /** Bytes of the machine's memory. */
  readonly memoryBytes: number;
  /** It has a network of its own. */
  readonly hasNetwork: boolean;
}

const EMPTY_CPU: CpuStats = {
  cpu_usage: { total_usage: 0n, usage_in_kernelmode: 0n, usage_in_usermode: 0n },
  throttling_data: { periods: 0n, throttled_periods: 0n, throttled_time: 0n },
};

/** `sample` undefined: not running. `before` undefined: the first. */
export function describeUsage(
  context: UsageContext,
  sample: UsageSample | undefined,
  before: UsageSample | undefined,
): ContainerStats {
  return {
    name: `/${context.name}`,
    id: context.id,
    read: sample === undefined ? ZERO_TIME : formatTimeNs(sample.readAtNs),
    preread: before === undefined ? ZERO_TIME : formatTimeNs(before.readAtNs),
    pids_stats: describePids(sample?.usage),
    blkio_stats: describeIo(sample?.usage),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: sample === undefined ? EMPTY_CPU : describeCpu(context, sample),
    precpu_stats: before === undefined ? EMPTY_CPU : describeCpu(context, before),
    memory_stats: describeMemory(context, sample?.usage),
    ...(sample === undefined || !context.hasNetwork
      ? {}
      : { networks: describeNetworks(sample.usage.interfaces) }),
  };
}

function describeCpu(context: UsageContext, sample: UsageSample): CpuStats {
  const { cpu } = sample.usage;
  return {
    cpu_usage: {
      total_usage: cpu.usageNs,
      usage_in_kernelmode: cpu.kernelNs,
      usage_in_usermode: cpu.userNs,
      ...(cpu.perCpuNs === undefined ? {} : { percpu_usage: cpu.perCpuNs }),
    },
    system_cpu_usage: sample.systemCpuNs,
    online_cpus: context.cpuCount,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledNs,
    },
  };
}

function describePids(usage: ContainerUsage | undefined): ContainerStats['pids_stats'] {
  if (usage?.pids === undefined) return {};
  const { current, limit } = usage.pids;
  return { current, ...(limit === undefined ? {} : { limit }) };
}

function describeMemory(context: UsageContext, usage: ContainerUsage | undefined): MemoryStats {
  if (usage?.memory === undefined) return {};
  const { usageBytes, maxUsageBytes, limitBytes, failures, details } = usage.memory;
  return {
    usage: usageBytes,
    ...(maxUsageBytes === undefined ? {} : { max_usage: maxUsageBytes }),
    stats: details,
    ...(failures === undefined ? {} : { failcnt: failures }),
    limit: limitBytes ?? BigInt(context.memoryBytes),
  };
}

/** The kernel's version 2 words → Docker's. */
const OPERATIONS: Readonly<Record<string, string>> = {
  rbytes: 'read',
  wbytes: 'write',
  rios: 'read',
  wios: 'write',
};

function describeIo(usage: ContainerUsage | undefined): BlkioStats {
  const list = (counters: readonly DeviceCounter[] | undefined): readonly BlkioStatEntry[] | null =>
    counters?.map(({ major, minor, key, value }) => ({
      major,
      minor,
      op: OPERATIONS[key] ?? key,
      value,
    })) ?? null;
  return {
    io_service_bytes_recursive: list(usage?.ioBytes),
    io_serviced_recursive: list(usage?.ioOperations),
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  };
}

function describeNetworks(
  interfaces: readonly InterfaceUsage[],
): Readonly<Record<string, NetworkStats>> {
  return Object.fromEntries(
    interfaces.map((each) => [
      each.name,
      {
        rx_bytes: each.receivedBytes,
        rx_packets: each.receivedPackets,
        rx_errors: each.receiveErrors,
        rx_dropped: each.receiveDrops,
        tx_bytes: each.sentBytes,
        tx_packets: each.sentPackets,
        tx_errors: each.sendErrors,
        tx_dropped: each.sendDrops,
      },
    ]),
  );
}
