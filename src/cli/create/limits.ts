/**
 * Limits and policies, as the API's values. Pure.
 *
 * Source: docker's flags of the same names; setrlimit(2) for `--ulimit`.
 */

import { EngineError } from '../../base/error.ts';
import type { HostConfig, RestartPolicy, Ulimit } from '../../spec/docker/container.ts';
import { readEach } from '../flags/parse.ts';
import type { FlagValues } from '../flags/table.ts';
import { prune } from './decode.ts';
import { parseByteRate, parseCountRate, parseWeightDevice } from './devices.ts';
import type { limitsFlags } from './flags-host.ts';

/** What `setrlimit` can limit. */
const ulimitNames: ReadonlySet<string> = new Set([
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
]);

/** `NAME=SOFT[:HARD]`; -1 is no limit. Throws `invalid`. */
export function parseUlimit(text: string): Ulimit {
  const groups = /^(?<name>[^=]+)=(?<soft>-?\d{1,15})(?::(?<hard>-?\d{1,15}))?$/.exec(text)?.groups;
  const { name = '', soft, hard = soft } = groups ?? {};
  if (groups === undefined) throw new EngineError('invalid', `invalid ulimit argument: ${text}`);
  if (!ulimitNames.has(name)) throw new EngineError('invalid', `invalid ulimit type: ${name}`);
  const limit = { Name: name, Soft: Number(soft), Hard: Number(hard) };
  if (limit.Hard !== -1 && (limit.Soft === -1 || limit.Soft > limit.Hard)) {
    throw new EngineError(
      'invalid',
      `ulimit soft limit must be less than or equal to hard limit: ${String(limit.Soft)} > ${String(limit.Hard)}`,
    );
  }
  return limit;
}

/** `no`, `always`, `unless-stopped`, `on-failure[:COUNT]`. Throws `invalid`. */
export function parseRestart(text: string): RestartPolicy {
  const [name = '', count, ...rest] = text.split(':');
  const known = (['no', 'always', 'unless-stopped', 'on-failure'] as const).find(
    (policy) => policy === name,
  );
  if (name === '' && count === undefined) return { Name: 'no' };
  if (known === undefined) throw new EngineError('invalid', `invalid restart policy '${name}'`);
  if (rest.length > 0) throw new EngineError('invalid', 'invalid restart policy format');
  if (count === undefined) return { Name: known };
  if (!/^\d{1,9}$/.test(count)) {
    throw new EngineError(
      'invalid',
      'invalid restart policy format: maximum retry count must be an integer',
    );
  }
  if (known !== 'on-failure')
    throw new EngineError('invalid', `a retry count does not fit the restart policy '${known}'`);
  return { Name: known, MaximumRetryCount: Number(count) };
}

type LimitFlags = FlagValues<typeof limitsFlags>;

/** The limits of flags. Throws `invalid` for one that cannot be. */
export function readLimits(flags: LimitFlags): Partial<HostConfig> {
  checkLimits(flags);
  const swappiness = flags['memory-swappiness'];
  return {
    ...prune({ ...amountsOf(flags), ...listsOf(flags) }),
    // 0 says something here: do not swap.
    ...(swappiness === -1 ? {} : { MemorySwappiness: swappiness }),
  };
}

function amountsOf(flags: LimitFlags): Partial<HostConfig> {
  return {
    Memory: flags.memory,
    MemorySwap: flags['memory-swap'],
    MemoryReservation: flags['memory-reservation'],
    NanoCpus: flags.cpus,
    CpuShares: flags['cpu-shares'],
    CpuPeriod: flags['cpu-period'],
    CpuQuota: flags['cpu-quota'],
    CpuRealtimePeriod: flags['cpu-rt-period'],
    CpuRealtimeRuntime: flags['cpu-rt-runtime'],
    CpusetCpus: flags['cpuset-cpus'],
    CpusetMems: flags['cpuset-mems'],
    PidsLimit: flags['pids-limit'],
    BlkioWeight: flags['blkio-weight'],
    CgroupParent: flags['cgroup-parent'],
    OomKillDisable: flags['oom-kill-disable'],
    OomScoreAdj: flags['oom-score-adj'],
  };
}

function listsOf(flags: LimitFlags): Partial<HostConfig> {
  const weights = flags['blkio-weight-device'];
  return {
    Ulimits: readEach('--ulimit', flags.ulimit, parseUlimit),
    BlkioWeightDevice: readEach('--blkio-weight-device', weights, parseWeightDevice),
    BlkioDeviceReadBps: readEach('--device-read-bps', flags['device-read-bps'], parseByteRate),
    BlkioDeviceWriteBps: readEach('--device-write-bps', flags['device-write-bps'], parseByteRate),
    BlkioDeviceReadIOps: readEach('--device-read-iops', flags['device-read-iops'], parseCountRate),
    BlkioDeviceWriteIOps: readEach(
      '--device-write-iops',
      flags['device-write-iops'],
      parseCountRate,
    ),
  };
}

function checkLimits(flags: LimitFlags): void {
  const swappiness = flags['memory-swappiness'];
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) {
    throw new EngineError(
      'invalid',
      `invalid value: ${String(swappiness)}. Valid memory swappiness range is 0-100`,
    );
  }
  const weight = flags['blkio-weight'];
  if (weight < 0 || weight > 65535)
    throw new EngineError(
      'invalid',
      `invalid value: ${String(weight)}. The blkio weight is 10 to 1000`,
    );
}
