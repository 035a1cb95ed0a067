import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hierarchies } from './test-cgroups.ts';

test('hierarchies() finds v1 and v2 mounts, whatever optional fields a line has', () => {
  const mountinfo = [
    '31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw',
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:4 master:2 - cgroup cgroup rw,cpu,cpuacct',
    '41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
    '',
  ].join('\n');
  assert.deepEqual(hierarchies(mountinfo), [
    '/sys/fs/cgroup/cpu,cpuacct',
    '/sys/fs/cgroup/unified',
  ]);
});
