import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm } from '../../scripts/vm/boot.ts';

test('the machine has cgroup v2 with every controller, and answers with the code and output of its script', async () => {
  const script = `
set -e
grep -c 'cgroup2' /proc/mounts
! grep -q ' cgroup rw' /proc/mounts
cat /sys/fs/cgroup/cgroup.subtree_control
echo complaint >&2
printf 'line\\n\\000more\\n'
exit 42
`;
  const { code, output, console } = await runInVm({ script });
  assert.equal(code, 42, `${output}\n${console}`);
  const [count, controllers, ...rest] = output.split('\n');
  assert.equal(count, '1');
  for (const name of ['cpu', 'memory', 'pids', 'io', 'cpuset']) {
    assert.ok((controllers ?? '').split(' ').includes(name), `${name} in ${controllers}`);
  }
  assert.deepEqual(rest, ['complaint', 'line', '\0more', '']);
});

test('a machine that dies in the middle of its script has failed, whatever it printed', async () => {
  const { code, output } = await runInVm({ script: 'echo before\nsync\npoweroff -f\n' });
  assert.equal(code, 125);
  assert.match(output, /^before/);
});

test('a machine that does not end is stopped', async () => {
  const { code } = await runInVm({ script: 'while :; do sleep 1; done', timeoutMs: 15_000 });
  assert.equal(code, 124);
});
