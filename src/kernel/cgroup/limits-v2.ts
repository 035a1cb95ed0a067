/**
 * Limits as files of cgroup version 2.
 *
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst; OCI runtime-spec 1.3
 * config-linux.md; conversions as runc 1.5 does them.
 */

import { EngineError } from '../../base/error.ts';
import type {
  LinuxBlockIo,
  LinuxCpu,
  LinuxMemory,
  LinuxResources,
} from '../../spec/oci/resources.ts';
import { sharesToWeight } from './cpu-weight.ts';
import type { ThrottleKey } from './limit-values.ts';
import { isSet, pidsValue, rdmaValue, throttlesOf } from './limit-values.ts';
import type { CgroupWrite } from './write.ts';

const DEFAULT_PERIOD_US = 100_000;

/** Errors: `invalid` for contradictory memory limits. */
export function limitWritesV2(resources: LinuxResources): readonly CgroupWrite[] {
  const { cpu, memory, pids, blockIO, hugepageLimits, rdma, unified } = resources;
  return [
    ...cpuWrites(cpu ?? {}),
    ...memoryWrites(memory ?? {}),
    ...(pids?.limit === undefined ? [] : [write('pids.max', pidsValue(pids.limit))]),
    ...blockWrites(blockIO ?? {}),
    ...(hugepageLimits ?? []).flatMap(({ pageSize, limit }) => [
      write(`hugetlb.${pageSize}.max`, String(limit)),
      optional(`hugetlb.${pageSize}.rsvd.max`, String(limit)),
    ]),
    ...Object.entries(rdma ?? {}).map(([device, each]) =>
      write('rdma.max', rdmaValue(device, each)),
    ),
    ...Object.entries(unified ?? {}).map(([file, value]) => write(checkFile(file), value)),
  ];
}

/** A file of the group itself, not a path. */
function checkFile(file: string): string {
  if (/^[a-z0-9_]+(\.[\w-]+)+$/i.test(file)) return file;
  throw new EngineError('invalid', `Invalid cgroup file ${JSON.stringify(file.slice(0, 80))}`);
}

function cpuWrites(cpu: LinuxCpu): readonly CgroupWrite[] {
  const { shares = 0, burst, idle } = cpu;
  const writes: CgroupWrite[] = [];
  if (shares !== 0) writes.push(write('cpu.weight', String(sharesToWeight(shares))));
  const bandwidth = bandwidthValue(cpu);
  if (bandwidth !== undefined) writes.push(write('cpu.max', bandwidth));
  // After the quota, which bounds it.
  if (burst !== undefined) writes.push(optional('cpu.max.burst', String(burst)));
  if (idle !== undefined) writes.push(optional('cpu.idle', String(idle)));
  return [...writes, ...cpusetWrites(cpu)];
}

/** `50000 100000`; `undefined`: leave it. */
function bandwidthValue({ quota = 0, period = 0 }: LinuxCpu): string | undefined {
  if (quota === 0 && period === 0) return undefined;
  return `${quota > 0 ? quota : 'max'} ${period === 0 ? DEFAULT_PERIOD_US : period}`;
}

function cpusetWrites({ cpus = '', mems = '' }: LinuxCpu): readonly CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  if (cpus !== '') writes.push(write('cpuset.cpus', cpus));
  if (mems !== '') writes.push(write('cpuset.mems', mems));
  return writes;
}

/** Swap before memory: a limit below what is in use is refused, not half applied. */
function memoryWrites(memory: LinuxMemory): readonly CgroupWrite[] {
  const { limit, reservation } = memory;
  const writes: CgroupWrite[] = [];
  const swap = swapValue(memory);
  if (swap !== undefined) {
    // Missing when the kernel does not count swap: harmless for "max" and for none.
    writes.push(optional('memory.swap.max', swap));
  }
  if (isSet(limit)) writes.push(write('memory.max', bytes(limit)));
  if (isSet(reservation)) writes.push(write('memory.low', bytes(reservation)));
  return writes;
}

/** Swap alone, from memory and swap together; `undefined`: leave it. */
function swapValue({ limit, swap }: LinuxMemory): string | undefined {
  if (!isSet(swap)) return limit === -1 ? 'max' : undefined;
  if (swap === -1) return 'max';
  if (!isSet(limit) || limit < 0) {
    throw new EngineError('invalid', 'Cannot limit swap: there is no memory limit');
  }
  if (swap < limit) {
    throw new EngineError(
      'invalid',
      'Cannot limit swap: memory and swap together are less than the memory limit',
    );
  }
  return String(swap - limit);
}

const THROTTLE_WORDS: Readonly<Record<ThrottleKey, string>> = {
  throttleReadBpsDevice: 'rbps',
  throttleWriteBpsDevice: 'wbps',
  throttleReadIOPSDevice: 'riops',
  throttleWriteIOPSDevice: 'wiops',
};

function blockWrites(io: LinuxBlockIo): readonly CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  if (isSet(io.weight)) {
    writes.push(optional('io.bfq.weight', String(io.weight)));
    // 10 to 1000 → 1 to 10000.
    const weight = 1 + Math.floor(((io.weight - 10) * 9999) / 990);
    writes.push(optional('io.weight', String(weight)));
  }
  for (const { major, minor, weight } of io.weightDevice ?? []) {
    if (isSet(weight)) writes.push(optional('io.bfq.weight', `${major}:${minor} ${weight}`));
  }
  for (const { word, device } of throttlesOf(io, THROTTLE_WORDS)) {
    const rate = device.rate === 0 ? 'max' : String(device.rate);
    writes.push(write('io.max', `${device.major}:${device.minor} ${word}=${rate}`));
  }
  return writes;
}

function bytes(limit: number): string {
  return limit < 0 ? 'max' : String(limit);
}

function write(file: string, value: string): CgroupWrite {
  return { controller: '', file, value, isOptional: false };
}

function optional(file: string, value: string): CgroupWrite {
  return { controller: '', file, value, isOptional: true };
}
