import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseStatsV1, parseStatsV2 } from './stats.ts';

test('counters of version 2 are read', () => {
  const stats = parseStatsV2({
    'cpu.stat':
      'usage_usec 15\nuser_usec 10\nsystem_usec 5\nnr_periods 2\nnr_throttled 1\nthrottled_usec 7\n',
    'memory.current': '4096\n',
    'memory.max': 'max\n',
    'memory.stat': 'anon 1024\ninactive_file 512\n',
    'pids.current': '3\n',
    'pids.max': '4096\n',
    'io.stat':
      '8:0 rbytes=1024 wbytes=2048 rios=1 wios=2 dbytes=0 dios=0\n259:1 rbytes=1 wbytes=0 rios=1 wios=0\n',
  });
  assert.equal(stats.cpu.usageNs, 15000n);
  assert.equal(stats.cpu.throttledNs, 7000n);
  assert.deepEqual(stats.memory?.details, { anon: 1024n, inactive_file: 512n });
  assert.equal(stats.memory.limitBytes, undefined);
  assert.deepEqual(stats.pids, { current: 3n, limit: 4096n });
  assert.deepEqual(stats.ioBytes?.slice(0, 2), [
    { major: 8, minor: 0, key: 'rbytes', value: 1024n },
    { major: 8, minor: 0, key: 'wbytes', value: 2048n },
  ]);
  assert.equal(stats.ioOperations?.length, 4);
});

test('counters of version 1 are read, CPU time from cpuacct', () => {
  const stats = parseStatsV1(
    {
      'cpuacct.usage': '123456789\n',
      'cpuacct.stat': 'user 3\nsystem 2\n',
      'cpuacct.usage_percpu': '100 23 \n',
      'cpu.stat': 'nr_periods 4\nnr_throttled 2\nthrottled_time 99\n',
      'memory.usage_in_bytes': '8192\n',
      'memory.limit_in_bytes': '9223372036854771712\n',
      'memory.failcnt': '0\n',
      'memory.stat': 'cache 1\ntotal_inactive_file 2\n',
      'blkio.throttle.io_service_bytes_recursive':
        '8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n',
    },
    undefined,
  );
  assert.deepEqual(
    [stats.cpu.usageNs, stats.cpu.userNs, stats.cpu.kernelNs, stats.cpu.throttledNs],
    [123456789n, 30000000n, 20000000n, 99n],
  );
  assert.deepEqual(stats.cpu.perCpuNs, [100n, 23n]);
  assert.equal(stats.memory?.limitBytes, undefined);
  assert.equal(stats.ioBytes?.length, 3);
  assert.equal(stats.ioOperations, undefined);
  assert.equal(stats.pids, undefined);
});

test('on a hybrid machine the version 2 tree gives the CPU time', () => {
  const stats = parseStatsV1({}, 'usage_usec 7\nuser_usec 4\nsystem_usec 3\n');
  assert.equal(stats.cpu.usageNs, 7000n);
  assert.equal(stats.memory, undefined);
});
