/**
 * Limits that make no sense, pure. Source: engine-api facts 4.3, in Docker's words.
 */

import { EngineError } from '../../base/error.ts';
import type { HostConfig } from '../../spec/docker/container.ts';

/** Least memory limit in bytes: below it no process starts. */
const MEMORY_MIN_BYTES: number = 6 * 1024 * 1024;
const NANO = 1e9;

/** What the limits are measured against. */
export interface ResourceHost {
  /** Count. */
  readonly cpuCount: number;
  readonly cgroupVersion: 1 | 2;
}

/** Errors: `invalid`. Returns warnings about limits that have no effect here. `hostConfig` is complete. */
export function checkResources(hostConfig: HostConfig, host: ResourceHost): readonly string[] {
  checkMemory(hostConfig);
  checkCpu(hostConfig, host);
  checkIo(hostConfig);
  const score = hostConfig.OomScoreAdj ?? 0;
  if (score < -1000 || score > 1000) {
    throw invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  }
  return host.cgroupVersion === 2 ? warningsOfV2(hostConfig) : [];
}

/** A rule that is broken, and Docker's words for it. */
type Rule = readonly [isBroken: boolean, text: string];

function check(rules: readonly Rule[]): void {
  for (const [isBroken, text] of rules) if (isBroken) throw invalid(text);
}

function checkMemory(hostConfig: HostConfig): void {
  const {
    Memory: memory = 0,
    MemorySwap: swap = 0,
    MemoryReservation: reservation = 0,
  } = hostConfig;
  const swappiness = hostConfig.MemorySwappiness ?? -1;
  const isTooSmall = (bytes: number): boolean => bytes !== 0 && bytes < MEMORY_MIN_BYTES;
  check([
    [isTooSmall(memory), 'Minimum memory limit allowed is 6MB'],
    [
      swap > 0 && memory === 0,
      'You should always set the Memory limit when using Memoryswap limit, see usage',
    ],
    [
      swap > 0 && swap < memory,
      'Minimum memoryswap limit should be larger than memory limit, see usage',
    ],
    [swap < -1, `Invalid memoryswap ${swap}: expected -1 for unlimited, or bytes`],
    [
      swappiness < -1 || swappiness > 100,
      `Invalid value: ${swappiness}, valid memory swappiness range is 0-100`,
    ],
    [isTooSmall(reservation), 'Minimum memory reservation allowed is 6MB'],
    [
      memory > 0 && reservation > memory,
      'Minimum memory limit can not be less than memory reservation limit, see usage',
    ],
  ]);
}

function checkCpu(hostConfig: HostConfig, host: ResourceHost): void {
  const { NanoCpus: nano = 0, CpuPeriod: period = 0, CpuQuota: quota = 0 } = hostConfig;
  const { cpuCount } = host;
  check([
    [nano > 0 && period > 0, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [nano > 0 && quota > 0, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
    [
      nano < 0 || nano > cpuCount * NANO,
      `Range of CPUs is from 0.01 to ${cpuCount}.00, as there are only ${cpuCount} CPUs available`,
    ],
    [
      period !== 0 && !(period >= 1000 && period <= 1_000_000),
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    ],
    [quota > 0 && quota < 1000, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
  ]);
  checkShares(hostConfig, cpuCount);
}

function checkShares(hostConfig: HostConfig, cpuCount: number): void {
  const { CpuShares: shares = 0, CpusetCpus: cpus = '', CpusetMems: mems = '' } = hostConfig;
  check([[shares < 0, 'CPU shares cannot be negative']]);
  checkCpuset('CPUs', cpus, cpuCount);
  checkCpuset('memory nodes', mems, undefined);
}

/** Highest number a list may name, so that nobody makes carve count to four billion. */
const CPUSET_MAX = 8191;

/** `0-3,5`. Source: cpuset(7) "List format". */
function checkCpuset(what: string, text: string, count: number | undefined): void {
  if (text === '') return;
  for (const part of text.split(',')) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < first || last > CPUSET_MAX) {
      throw invalid(`Invalid value ${text} for cpuset ${what.toLowerCase()}`);
    }
    if (count !== undefined && last >= count) {
      throw invalid(
        `Requested ${what} are not available - requested ${text}, available: 0-${count - 1}`,
      );
    }
  }
}

function checkIo(hostConfig: HostConfig): void {
  const weights = [
    hostConfig.BlkioWeight ?? 0,
    ...(hostConfig.BlkioWeightDevice ?? []).map(({ Weight: weight = 0 }) => weight),
  ];
  if (weights.some((weight) => weight !== 0 && (weight < 10 || weight > 1000))) {
    throw invalid('Range of blkio weight is from 10 to 1000');
  }
}

function warningsOfV2(hostConfig: HostConfig): readonly string[] {
  const warnings: string[] = [];
  if ((hostConfig.MemorySwappiness ?? -1) >= 0) {
    warnings.push(
      'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
    );
  }
  if (hostConfig.OomKillDisable === true) {
    warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
  }
  return warnings;
}

function invalid(text: string): EngineError {
  return new EngineError('invalid', text);
}
