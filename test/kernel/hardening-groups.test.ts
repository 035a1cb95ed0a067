/**
 * The rows of the hardening table that depend on the cgroup version, as seen
 * from inside: the virtual machine asks them again on version 2.
 */

import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { openFixture } from './engine-fixture.ts';
import { askEntries, execIn } from './entries.ts';

test('mounts have the options of the table', async () => {
  await using fixture = await openFixture();
  const { run } = await askEntries(fixture, 'cat /proc/self/mountinfo');
  const found = new Map(
    run
      .trim()
      .split('\n')
      .map((line) => {
        const [left = '', right = ''] = line.split(' - ');
        const [, , , , point = '', options = ''] = left.split(' ');
        const [type = '', , superOptions = ''] = right.split(' ');
        return [
          point,
          { type, options: options.split(','), superOptions: superOptions.split(',') },
        ];
      }),
  );
  const rows: readonly (readonly [string, string, readonly string[], readonly string[]])[] = [
    ['/', 'overlay', ['rw'], []],
    ['/proc', 'proc', ['rw', 'nosuid', 'nodev', 'noexec'], []],
    ['/dev', 'tmpfs', ['rw', 'nosuid'], ['size=65536k', 'mode=755']],
    ['/dev/pts', 'devpts', ['rw', 'nosuid', 'noexec'], ['gid=5', 'mode=620', 'ptmxmode=666']],
    ['/sys', 'sysfs', ['ro', 'nosuid', 'nodev', 'noexec'], []],
    ['/dev/mqueue', 'mqueue', ['rw', 'nosuid', 'nodev', 'noexec'], []],
    ['/dev/shm', 'tmpfs', ['rw', 'nosuid', 'nodev', 'noexec'], ['size=65536k']],
  ];
  for (const [point, type, options, superOptions] of rows) {
    const mount = found.get(point);
    assert.equal(mount?.type, type, point);
    for (const each of options) assert.ok(mount.options.includes(each), `${point} has ${each}`);
    for (const each of superOptions)
      assert.ok(mount.superOptions.includes(each), `${point} has ${each}`);
  }
  const groups = [...found].filter(([point]) => point.startsWith('/sys/fs/cgroup'));
  assert.ok(groups.length > 0);
  for (const [point, { options }] of groups)
    for (const each of ['ro', 'nosuid', 'nodev', 'noexec'])
      assert.ok(options.includes(each), `${point} has ${each}`);
});

test('namespaces are its own, time is the host its, and an exec is in all of them', async () => {
  await using fixture = await openFixture();
  const kinds = ['mnt', 'net', 'uts', 'pid', 'ipc', 'cgroup', 'user', 'time'];
  const id = await fixture.create({ Cmd: ['sleep', '1000'] });
  await fixture.engine.containers.start(id);
  const { State, HostConfig } = await fixture.engine.containers.inspect(id);
  const namespaces = (pid: string): readonly string[] =>
    kinds.map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`));
  const own = namespaces(String(State.Pid));
  const host = namespaces('self');
  const shared = kinds.filter((_, index) => own[index] === host[index]);
  // With cgroup v1 it shows nothing more than its own groups either way.
  const groups = HostConfig.CgroupnsMode === 'host' ? ['cgroup'] : [];
  assert.deepEqual(shared, [...groups, 'user', 'time']);
  const script = kinds.map((kind) => `stat -c %N /proc/self/ns/${kind}`).join(';');
  const { output } = await execIn(fixture, id, { Cmd: ['sh', '-c', script] });
  for (const name of own) assert.ok(output.includes(name), `${output} has ${name}`);
});

test('defaults of the process: limits, umask, groups, tasks, descriptors, sysctls', async () => {
  await using fixture = await openFixture();
  const script = `
    ulimit -n; umask; id -G; ls /proc/self/fd | wc -l
    cat /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/ip_unprivileged_port_start
    cat /proc/self/oom_score_adj
    cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null
    echo "$PATH $HOME $HOSTNAME" | head -c 10`;
  const { run, exec, health } = await askEntries(fixture, script, {
    config: { Hostname: 'table' },
  });
  const lines = run.trim().split('\n');
  // ls itself has one open.
  assert.deepEqual(lines.slice(0, 4), ['1024', '0022', '0', '4']);
  assert.deepEqual(lines.slice(4, 6), ['0\t2147483647', '0']);
  assert.equal(lines[6], '0');
  assert.equal(lines[7], '4096');
  assert.deepEqual([exec, health], [run, run]);
});
