/**
 * What a container uses, from two samples of its counters. Pure.
 *
 * Source: Docker Engine API "stats": CPU share of the time that passed, memory
 * without the page cache that can be given back.
 */

import type { ContainerStats } from '../../spec/docker/system.ts';
import { formatBinarySize, formatSize } from '../print/units.ts';

/** Figures of one container. */
export interface Usage {
  /** Percent of one CPU. */
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  readonly memoryLimitBytes: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Count of tasks. */
  readonly tasks: number;
}

/** The figures of a sample, which carries the one before it. */
export function usageOf(sample: ContainerStats): Usage {
  const networks = Object.values(sample.networks ?? {});
  const io = sample.blkio_stats.io_service_bytes_recursive ?? [];
  const sumIo = (op: string): number =>
    io
      .filter((entry) => entry.op.toLowerCase() === op)
      .reduce((sum, { value }) => sum + Number(value), 0);
  return {
    cpuPercent: cpuPercentOf(sample),
    memoryBytes: memoryOf(sample),
    memoryLimitBytes: Number(sample.memory_stats.limit ?? 0),
    receivedBytes: networks.reduce((sum, { rx_bytes: bytes }) => sum + Number(bytes), 0),
    sentBytes: networks.reduce((sum, { tx_bytes: bytes }) => sum + Number(bytes), 0),
    readBytes: sumIo('read'),
    writtenBytes: sumIo('write'),
    tasks: Number(sample.pids_stats.current ?? 0),
  };
}

function cpuPercentOf({ cpu_stats: now, precpu_stats: before }: ContainerStats): number {
  const used = Number(now.cpu_usage.total_usage) - Number(before.cpu_usage.total_usage);
  const passed = Number(now.system_cpu_usage ?? 0) - Number(before.system_cpu_usage ?? 0);
  const cpus = Number(now.online_cpus ?? now.cpu_usage.percpu_usage?.length ?? 1);
  return used > 0 && passed > 0 ? (used / passed) * cpus * 100 : 0;
}

function memoryOf({ memory_stats: { usage, stats } }: ContainerStats): number {
  const total = Number(usage ?? 0);
  // cgroup v1 and v2 name it differently.
  const inactive = Number(stats?.['total_inactive_file'] ?? stats?.['inactive_file'] ?? 0);
  return inactive < total ? total - inactive : total;
}

/** The figures as cells, by the names of docker's templates. */
export function usageCells(usage: Usage | undefined): Readonly<Record<string, string>> {
  if (usage === undefined) {
    return {
      BlockIO: '--',
      CPUPerc: '--',
      MemPerc: '--',
      MemUsage: '-- / --',
      NetIO: '--',
      PIDs: '--',
    };
  }
  const { memoryBytes, memoryLimitBytes } = usage;
  const memoryPercent = memoryLimitBytes > 0 ? (memoryBytes / memoryLimitBytes) * 100 : 0;
  return {
    BlockIO: `${formatSize(usage.readBytes)} / ${formatSize(usage.writtenBytes)}`,
    CPUPerc: `${usage.cpuPercent.toFixed(2)}%`,
    MemPerc: `${memoryPercent.toFixed(2)}%`,
    MemUsage: `${formatBinarySize(memoryBytes)} / ${formatBinarySize(memoryLimitBytes)}`,
    NetIO: `${formatSize(usage.receivedBytes)} / ${formatSize(usage.sentBytes)}`,
    PIDs: String(usage.tasks),
  };
}
