import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupMounts } from './namespace.ts';

test('cgroupMounts() tells v1 hierarchies from v2, whatever optional fields a line has', () => {
  const mountinfo = [
    '32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu',
    '33 31 0:30 / /sys/fs/cgroup/memory rw shared:7 master:1 - cgroup cgroup rw,memory',
    '41 31 0:38 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw',
    '42 1 8:1 / / rw - ext4 /dev/vda rw',
    '',
  ].join('\n');
  assert.deepEqual(cgroupMounts(mountinfo), {
    v1: ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/memory'],
    v2: ['/sys/fs/cgroup/unified'],
  });
});
