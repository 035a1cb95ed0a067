import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import type { LinuxResources } from '../../spec/oci/resources.ts';
import { sharesToWeight } from './cpu-weight.ts';
import { DEFAULT_DEVICE_RULES, deviceWritesV1, isDefaultDeviceRules } from './devices.ts';
import { limitWrites } from './limits.ts';

/** `file=value`, `?` behind files that may be missing. */
function texts(version: 1 | 2, resources: LinuxResources): readonly string[] {
  return limitWrites(version, resources).map(
    ({ file, value, isOptional }) => `${file}${isOptional ? '?' : ''}=${value}`,
  );
}

test('shares become weights so that nominal stays nominal', () => {
  const rows: readonly (readonly [number, number])[] = [
    [0, 0],
    [1, 1],
    [2, 1],
    [10, 4],
    [100, 17],
    [128, 21],
    [256, 35],
    [512, 59],
    [1024, 100],
    [2048, 174],
    [4096, 303],
    [8192, 532],
    [65536, 3023],
    [262144, 10000],
    [300000, 10000],
  ];
  for (const [shares, weight] of rows) assert.equal(sharesToWeight(shares), weight, `${shares}`);
});

const ROWS: readonly {
  readonly name: string;
  readonly resources: LinuxResources;
  readonly v1: readonly string[];
  readonly v2: readonly string[];
}[] = [
  { name: 'nothing', resources: {}, v1: [], v2: [] },
  {
    name: 'zeros mean unset',
    resources: { cpu: { shares: 0, quota: 0, period: 0 }, memory: { limit: 0, swap: 0 } },
    v1: [],
    v2: [],
  },
  {
    name: 'half a CPU',
    resources: { cpu: { quota: 50000, period: 100000, shares: 512 } },
    v1: ['cpu.shares=512', 'cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=50000'],
    v2: ['cpu.weight=59', 'cpu.max=50000 100000'],
  },
  {
    name: 'no CPU limit, a period alone, a burst',
    resources: { cpu: { quota: -1, period: 20000, burst: 1000 } },
    v1: ['cpu.cfs_period_us=20000', 'cpu.cfs_quota_us=-1', 'cpu.cfs_burst_us?=1000'],
    v2: ['cpu.max=max 20000', 'cpu.max.burst?=1000'],
  },
  {
    name: 'cpuset',
    resources: { cpu: { cpus: '0-1', mems: '0' } },
    v1: ['cpuset.cpus=0-1', 'cpuset.mems=0'],
    v2: ['cpuset.cpus=0-1', 'cpuset.mems=0'],
  },
  {
    name: 'memory and as much swap',
    resources: { memory: { limit: 64, swap: 128, reservation: 32 } },
    v1: [
      'memory.limit_in_bytes=64',
      'memory.memsw.limit_in_bytes?=128',
      'memory.soft_limit_in_bytes=32',
    ],
    v2: ['memory.swap.max?=64', 'memory.max=64', 'memory.low=32'],
  },
  {
    name: 'memory without swap',
    resources: { memory: { limit: 64, swap: 64 } },
    v1: ['memory.limit_in_bytes=64', 'memory.memsw.limit_in_bytes?=64'],
    v2: ['memory.swap.max?=0', 'memory.max=64'],
  },
  {
    name: 'memory, swap unlimited',
    resources: { memory: { limit: 64, swap: -1, swappiness: 10, disableOOMKiller: true } },
    v1: [
      'memory.limit_in_bytes=64',
      'memory.memsw.limit_in_bytes?=-1',
      'memory.swappiness?=10',
      'memory.oom_control?=1',
    ],
    v2: ['memory.swap.max?=max', 'memory.max=64'],
  },
  {
    name: 'memory unlimited',
    resources: { memory: { limit: -1 } },
    v1: ['memory.limit_in_bytes=-1'],
    v2: ['memory.swap.max?=max', 'memory.max=max'],
  },
  {
    name: 'tasks',
    resources: { pids: { limit: 4096 } },
    v1: ['pids.max=4096'],
    v2: ['pids.max=4096'],
  },
  {
    name: 'no task limit',
    resources: { pids: { limit: -1 } },
    v1: ['pids.max=max'],
    v2: ['pids.max=max'],
  },
  {
    name: 'no tasks at all',
    resources: { pids: { limit: 0 } },
    v1: ['pids.max=0'],
    v2: ['pids.max=0'],
  },
  {
    name: 'block devices',
    resources: {
      blockIO: {
        weight: 500,
        weightDevice: [{ major: 8, minor: 0, weight: 100 }],
        throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1048576 }],
        throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 0 }],
      },
    },
    v1: [
      'blkio.weight?=500',
      'blkio.bfq.weight?=500',
      'blkio.weight_device?=8:0 100',
      'blkio.bfq.weight_device?=8:0 100',
      'blkio.throttle.read_bps_device=8:0 1048576',
      'blkio.throttle.write_iops_device=8:16 0',
    ],
    v2: [
      'io.bfq.weight?=500',
      'io.weight?=4950',
      'io.bfq.weight?=8:0 100',
      'io.max=8:0 rbps=1048576',
      'io.max=8:16 wiops=max',
    ],
  },
  {
    name: 'huge pages and RDMA',
    resources: {
      hugepageLimits: [{ pageSize: '2MB', limit: 4194304 }],
      rdma: { mlx5_1: { hcaHandles: 3 } },
    },
    v1: [
      'hugetlb.2MB.limit_in_bytes=4194304',
      'hugetlb.2MB.rsvd.limit_in_bytes?=4194304',
      'rdma.max=mlx5_1 hca_handle=3',
    ],
    v2: [
      'hugetlb.2MB.max=4194304',
      'hugetlb.2MB.rsvd.max?=4194304',
      'rdma.max=mlx5_1 hca_handle=3',
    ],
  },
];

for (const { name, resources, v1, v2 } of ROWS) {
  test(`limits become files: ${name}`, () => {
    assert.deepEqual(texts(1, resources), v1);
    assert.deepEqual(texts(2, resources), v2);
  });
}

test('v2 files are written as given, and only files of the group itself', () => {
  assert.deepEqual(texts(2, { unified: { 'memory.high': '1G' } }), ['memory.high=1G']);
  for (const file of ['../x.y', 'a/b.c', 'cgroup', '', '.x']) {
    assert.throws(() => limitWrites(2, { unified: { [file]: '1' } }), isEngineError, file);
  }
  assert.throws(() => limitWrites(1, { unified: { 'memory.high': '1' } }), /cgroup version 1/);
});

test('contradictory memory limits are refused', () => {
  assert.throws(() => limitWrites(2, { memory: { swap: 10 } }), /no memory limit/);
  assert.throws(
    () => limitWrites(2, { memory: { limit: 20, swap: 10 } }),
    /less than the memory limit/,
  );
});

test('device rules of version 1 are lines of devices.allow and devices.deny', () => {
  const lines = deviceWritesV1([
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 1, minor: 3, access: 'rw' },
    { allow: true, type: 'c', major: 136 },
    { allow: true, access: 'm' },
    { allow: false, type: 'b', major: 8, minor: -1, access: 'w' },
  ]).map(({ file, value }) => `${file} ${value}`);
  assert.deepEqual(lines, [
    'devices.deny a',
    'devices.allow c 1:3 rw',
    'devices.allow c 136:* rwm',
    'devices.allow c *:* m',
    'devices.allow b *:* m',
    'devices.deny b 8:* w',
  ]);
});

test('the default device list is recognised by value', () => {
  assert.ok(isDefaultDeviceRules(structuredClone(DEFAULT_DEVICE_RULES)));
  assert.ok(!isDefaultDeviceRules([]));
  assert.ok(!isDefaultDeviceRules([...DEFAULT_DEVICE_RULES, { allow: true }]));
});

test('the memory limits of a group in use are written in the order the kernel takes', () => {
  const files = (limit: number, current: bigint): readonly string[] =>
    limitWrites(1, { memory: { limit, swap: limit } }, current).map(({ file }) => file);
  const [memory, together] = ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'];
  assert.deepEqual(files(200, 100n), [together, memory]);
  assert.deepEqual(files(-1, 100n), [together, memory]);
  assert.deepEqual(files(50, 100n), [memory, together]);
});
