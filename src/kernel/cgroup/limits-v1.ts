/**
 * Limits as files of cgroup version 1.
 *
 * Source: Linux Documentation/admin-guide/cgroup-v1/{memory,cpusets,pids,
 * blkio-controller,hugetlb,rdma}.rst, scheduler/sched-bwc.rst.
 */

import { EngineError } from '../../base/error.ts';
import type {
  LinuxBlockIo,
  LinuxCpu,
  LinuxMemory,
  LinuxResources,
} from '../../spec/oci/resources.ts';
import type { ThrottleKey } from './limit-values.ts';
import { isSet, pidsValue, rdmaValue, throttlesOf } from './limit-values.ts';
import type { CgroupWrite } from './write.ts';

/** Errors: `unsupported` for `unified`. */
export function limitWritesV1(
  resources: LinuxResources,
  currentMemoryBytes?: bigint,
): readonly CgroupWrite[] {
  const { cpu, memory, pids, blockIO, hugepageLimits, rdma, unified } = resources;
  if (unified !== undefined && Object.keys(unified).length > 0) {
    throw new EngineError(
      'unsupported',
      'Cannot set cgroup v2 files: this machine has cgroup version 1',
    );
  }
  return [
    ...cpuWrites(cpu ?? {}),
    ...cpusetWrites(cpu ?? {}),
    ...memoryWrites(memory ?? {}, currentMemoryBytes),
    ...(pids?.limit === undefined ? [] : [write('pids', 'pids.max', pidsValue(pids.limit))]),
    ...blockWrites(blockIO ?? {}),
    ...(hugepageLimits ?? []).flatMap(({ pageSize, limit }) => [
      write('hugetlb', `hugetlb.${pageSize}.limit_in_bytes`, String(limit)),
      optional('hugetlb', `hugetlb.${pageSize}.rsvd.limit_in_bytes`, String(limit)),
    ]),
    ...Object.entries(rdma ?? {}).map(([device, each]) =>
      write('rdma', 'rdma.max', rdmaValue(device, each)),
    ),
  ];
}

function cpuWrites(cpu: LinuxCpu): readonly CgroupWrite[] {
  const { shares = 0, quota, period = 0, burst, realtimePeriod, realtimeRuntime, idle } = cpu;
  const writes: CgroupWrite[] = [];
  if (shares !== 0) writes.push(write('cpu', 'cpu.shares', String(shares)));
  // The period first: a quota is checked against it.
  if (period !== 0) writes.push(write('cpu', 'cpu.cfs_period_us', String(period)));
  if (quota !== undefined && quota !== 0) {
    writes.push(write('cpu', 'cpu.cfs_quota_us', String(quota < 0 ? -1 : quota)));
  }
  if (burst !== undefined) writes.push(optional('cpu', 'cpu.cfs_burst_us', String(burst)));
  if (isSet(realtimePeriod)) {
    writes.push(write('cpu', 'cpu.rt_period_us', String(realtimePeriod)));
  }
  if (isSet(realtimeRuntime)) {
    writes.push(write('cpu', 'cpu.rt_runtime_us', String(realtimeRuntime)));
  }
  if (idle !== undefined) writes.push(optional('cpu', 'cpu.idle', String(idle)));
  return writes;
}

function cpusetWrites({ cpus = '', mems = '' }: LinuxCpu): readonly CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  if (cpus !== '') writes.push(write('cpuset', 'cpuset.cpus', cpus));
  if (mems !== '') writes.push(write('cpuset', 'cpuset.mems', mems));
  return writes;
}

/**
 * Memory and swap together may at no moment be less than memory alone: a limit
 * that grows is written last, any other first.
 */
function memoryWrites(memory: LinuxMemory, currentBytes?: bigint): readonly CgroupWrite[] {
  const { limit, reservation, swap, swappiness, disableOOMKiller } = memory;
  const writes: CgroupWrite[] = [];
  if (isSet(limit)) writes.push(write('memory', 'memory.limit_in_bytes', String(limit)));
  // Missing when the kernel does not count swap.
  if (isSet(swap)) writes.push(optional('memory', 'memory.memsw.limit_in_bytes', String(swap)));
  const grows =
    limit !== undefined &&
    currentBytes !== undefined &&
    (limit < 0 || BigInt(limit) > currentBytes);
  if (grows) writes.reverse();
  if (isSet(reservation)) {
    writes.push(write('memory', 'memory.soft_limit_in_bytes', String(reservation)));
  }
  if (swappiness !== undefined) {
    writes.push(optional('memory', 'memory.swappiness', String(swappiness)));
  }
  if (disableOOMKiller === true) writes.push(optional('memory', 'memory.oom_control', '1'));
  return writes;
}

const THROTTLE_FILES: Readonly<Record<ThrottleKey, string>> = {
  throttleReadBpsDevice: 'blkio.throttle.read_bps_device',
  throttleWriteBpsDevice: 'blkio.throttle.write_bps_device',
  throttleReadIOPSDevice: 'blkio.throttle.read_iops_device',
  throttleWriteIOPSDevice: 'blkio.throttle.write_iops_device',
};

function blockWrites(io: LinuxBlockIo): readonly CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  // The weight's file is named after the scheduler; there is one of the two at most.
  const weigh = (file: string, value: string): void => {
    writes.push(optional('blkio', `blkio.${file}`, value));
    writes.push(optional('blkio', `blkio.bfq.${file}`, value));
  };
  if (isSet(io.weight)) weigh('weight', String(io.weight));
  if (isSet(io.leafWeight)) {
    writes.push(optional('blkio', 'blkio.leaf_weight', String(io.leafWeight)));
  }
  for (const { major, minor, weight, leafWeight } of io.weightDevice ?? []) {
    if (isSet(weight)) weigh('weight_device', `${major}:${minor} ${weight}`);
    if (isSet(leafWeight)) {
      writes.push(optional('blkio', 'blkio.leaf_weight_device', `${major}:${minor} ${leafWeight}`));
    }
  }
  for (const { word, device } of throttlesOf(io, THROTTLE_FILES)) {
    writes.push(write('blkio', word, `${device.major}:${device.minor} ${device.rate}`));
  }
  return writes;
}

function write(controller: string, file: string, value: string): CgroupWrite {
  return { controller, file, value, isOptional: false };
}

function optional(controller: string, file: string, value: string): CgroupWrite {
  return { controller, file, value, isOptional: true };
}
