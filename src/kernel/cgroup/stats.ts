/**
 * Usage counters of a container: text of control group files → numbers. Pure.
 *
 * Source: Linux cgroup-v2.rst "Core Interface Files", cgroup-v1/{memory,
 * cpuacct,blkio-controller}.rst, scheduler/sched-bwc.rst.
 */

/** A counter of one block device. */
export interface DeviceCounter {
  /** Device major number. */
  readonly major: number;
  /** Device minor number. */
  readonly minor: number;
  /** The kernel's word: `rbytes`, `wios`, … (version 2); `Read`, `Total`, … (version 1). */
  readonly key: string;
  /** Bytes or operations. */
  readonly value: bigint;
}

/** Counters of one moment; a part is `undefined` when the machine does not count it. */
export interface CgroupStats {
  readonly cpu: {
    readonly usageNs: bigint;
    readonly userNs: bigint;
    readonly kernelNs: bigint;
    /** Per CPU; version 1 only. */
    readonly perCpuNs: readonly bigint[] | undefined;
    /** Count of scheduler periods. */
    readonly periods: bigint;
    /** Count of periods in which the group waited. */
    readonly throttledPeriods: bigint;
    readonly throttledNs: bigint;
  };
  readonly memory:
    | {
        readonly usageBytes: bigint;
        /** Version 1 only. */
        readonly maxUsageBytes: bigint | undefined;
        /** `undefined`: no limit. */
        readonly limitBytes: bigint | undefined;
        /** Times the limit was hit; version 1 only. */
        readonly failures: bigint | undefined;
        /** By the kernel's names in memory.stat. */
        readonly details: Readonly<Record<string, bigint>>;
      }
    | undefined;
  readonly pids:
    | {
        /** Count of tasks. */
        readonly current: bigint;
        /** Count of tasks; `undefined`: no limit. */
        readonly limit: bigint | undefined;
      }
    | undefined;
  /** `undefined`: not counted. */
  readonly ioBytes: readonly DeviceCounter[] | undefined;
  /** `undefined`: not counted. */
  readonly ioOperations: readonly DeviceCounter[] | undefined;
}

/** Text of files by name; a file that is missing is `undefined`. */
export type StatFiles = Readonly<Record<string, string | undefined>>;

const NS_PER_US = 1000n;
/** Version 1's "unlimited" is the greatest number of whole pages. */
const V1_UNLIMITED = 2n ** 63n - 65536n;

/** Files that {@link parseStatsV2} wants. */
export const V2_STAT_FILES: readonly string[] = [
  'cpu.stat',
  'memory.current',
  'memory.max',
  'memory.stat',
  'pids.current',
  'pids.max',
  'io.stat',
];

/** Counters of version 2. */
export function parseStatsV2(files: StatFiles): CgroupStats {
  const io = files['io.stat'];
  return {
    cpu: cpuOf(keyed(files['cpu.stat'])),
    memory: memoryV2(files),
    pids: pidsOf(files),
    ioBytes: io === undefined ? undefined : parseIo(io, ['rbytes', 'wbytes']),
    ioOperations: io === undefined ? undefined : parseIo(io, ['rios', 'wios']),
  };
}

/** Files that {@link parseStatsV1} wants, by controller; the empty controller is the version 2 tree beside. */
export const V1_STAT_FILES: Readonly<Record<string, readonly string[]>> = {
  '': ['cpu.stat'],
  cpu: ['cpu.stat'],
  cpuacct: ['cpuacct.usage', 'cpuacct.stat', 'cpuacct.usage_percpu'],
  memory: [
    'memory.usage_in_bytes',
    'memory.max_usage_in_bytes',
    'memory.limit_in_bytes',
    'memory.failcnt',
    'memory.stat',
  ],
  pids: ['pids.current', 'pids.max'],
  blkio: ['blkio.throttle.io_service_bytes_recursive', 'blkio.throttle.io_serviced_recursive'],
};

/** Counters of version 1; `unified` is the version 2 tree's cpu.stat, which counts CPU time without cpuacct. */
export function parseStatsV1(files: StatFiles, unified: string | undefined): CgroupStats {
  const throttling = keyed(files['cpu.stat']);
  const usage = files['cpuacct.usage'];
  const time = usage === undefined ? cpuOf(keyed(unified)) : cpuacctOf(files);
  const bytes = files['blkio.throttle.io_service_bytes_recursive'];
  const operations = files['blkio.throttle.io_serviced_recursive'];
  return {
    cpu: {
      ...time,
      periods: throttling['nr_periods'] ?? 0n,
      throttledPeriods: throttling['nr_throttled'] ?? 0n,
      throttledNs: throttling['throttled_time'] ?? 0n,
    },
    memory: memoryV1(files),
    pids: pidsOf(files),
    ioBytes: bytes === undefined ? undefined : parseBlkio(bytes),
    ioOperations: operations === undefined ? undefined : parseBlkio(operations),
  };
}

function cpuOf(stat: Readonly<Record<string, bigint>>): CgroupStats['cpu'] {
  return {
    usageNs: (stat['usage_usec'] ?? 0n) * NS_PER_US,
    userNs: (stat['user_usec'] ?? 0n) * NS_PER_US,
    kernelNs: (stat['system_usec'] ?? 0n) * NS_PER_US,
    perCpuNs: undefined,
    periods: stat['nr_periods'] ?? 0n,
    throttledPeriods: stat['nr_throttled'] ?? 0n,
    throttledNs: (stat['throttled_usec'] ?? 0n) * NS_PER_US,
  };
}

/** cpuacct.stat is in clock ticks of 10 ms. */
const NS_PER_TICK = 10_000_000n;

function cpuacctOf(files: StatFiles): CgroupStats['cpu'] {
  const ticks = keyed(files['cpuacct.stat']);
  const perCpu = files['cpuacct.usage_percpu']?.trim().split(' ').filter(isNumber).map(BigInt);
  return {
    ...cpuOf({}),
    usageNs: number(files['cpuacct.usage']) ?? 0n,
    userNs: (ticks['user'] ?? 0n) * NS_PER_TICK,
    kernelNs: (ticks['system'] ?? 0n) * NS_PER_TICK,
    perCpuNs: perCpu,
  };
}

function memoryV2(files: StatFiles): CgroupStats['memory'] {
  const usageBytes = number(files['memory.current']);
  if (usageBytes === undefined) return undefined;
  return {
    usageBytes,
    maxUsageBytes: undefined,
    limitBytes: number(files['memory.max']),
    failures: undefined,
    details: keyed(files['memory.stat']),
  };
}

function memoryV1(files: StatFiles): CgroupStats['memory'] {
  const usageBytes = number(files['memory.usage_in_bytes']);
  if (usageBytes === undefined) return undefined;
  const limit = number(files['memory.limit_in_bytes']);
  return {
    usageBytes,
    maxUsageBytes: number(files['memory.max_usage_in_bytes']),
    limitBytes: limit !== undefined && limit < V1_UNLIMITED ? limit : undefined,
    failures: number(files['memory.failcnt']),
    details: keyed(files['memory.stat']),
  };
}

function pidsOf(files: StatFiles): CgroupStats['pids'] {
  const current = number(files['pids.current']);
  return current === undefined ? undefined : { current, limit: number(files['pids.max']) };
}

/** `8:0 rbytes=1 wbytes=2 rios=3 …` */
function parseIo(text: string, keys: readonly string[]): readonly DeviceCounter[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\d+):(\d+) (.*)$/.exec(line);
    if (match === null) return [];
    const device = { major: Number(match[1]), minor: Number(match[2]) };
    return (match[3] ?? '').split(' ').flatMap((pair) => {
      const [key = '', value = ''] = pair.split('=');
      return keys.includes(key) && isNumber(value)
        ? [{ ...device, key, value: BigInt(value) }]
        : [];
    });
  });
}

/** `8:0 Read 1`; the last line, `Total 1`, is of all devices and left out. */
function parseBlkio(text: string): readonly DeviceCounter[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line);
    if (match === null) return [];
    const [, major, minor, key = '', value = '0'] = match;
    return [{ major: Number(major), minor: Number(minor), key, value: BigInt(value) }];
  });
}

/** `key number` lines. */
function keyed(text: string | undefined): Readonly<Record<string, bigint>> {
  const values: Record<string, bigint> = {};
  for (const line of (text ?? '').split('\n')) {
    const [key, value] = line.split(' ');
    if (key !== undefined && value !== undefined && isNumber(value)) values[key] = BigInt(value);
  }
  return values;
}

/** A file with one number; `undefined` when missing or `max`. */
function number(text: string | undefined): bigint | undefined {
  const trimmed = text?.trim() ?? '';
  return isNumber(trimmed) ? BigInt(trimmed) : undefined;
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}
