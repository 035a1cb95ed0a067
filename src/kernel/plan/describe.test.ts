/** How plans read. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planArbitrary } from '../../../test/fuzz/plans.ts';
import { describeOp, describePlan, planToJson } from './describe.ts';
import type { PlanOp } from './op.ts';

const LINES: readonly (readonly [PlanOp, string])[] = [
  [
    { op: 'open', slot: 1, path: '/run/a b', flags: 0o200000 },
    'open path="/run/a b" flags=O_DIRECTORY -> #1',
  ],
  [
    { op: 'open', slot: 1, dir: 0, path: 'etc/passwd', flags: 0 },
    'open dir=#0 path=etc/passwd -> #1',
  ],
  [
    {
      op: 'clone',
      flags: 0x20020000n,
      cgroup: 3,
      uidMap: '0 1000 1\n',
      gidMap: '',
      denySetgroups: 1,
    },
    'clone flags=CLONE_NEWNS|CLONE_NEWPID cgroup=#3 uidMap="0 1000 1\\n" denySetgroups',
  ],
  [
    { op: 'mount-attr', slot: 3, set: 0x9n, clear: 0x70n, propagation: 0x40000n, recursive: 1 },
    'mount-attr #3 set=MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOEXEC clear=MOUNT_ATTR__ATIME propagation=MS_PRIVATE recursive',
  ],
  [
    { op: 'mount-attr', slot: 3, set: 0x8000000n, clear: 0n, propagation: 0n, recursive: 0 },
    'mount-attr #3 set=0x8000000',
  ],
  [{ op: 'propagation', path: '/', flags: 0x84000n }, 'propagation path=/ flags=MS_REC|MS_SLAVE'],
  [
    {
      op: 'overlay',
      slot: 0,
      lower: ['/l/2', '/l/1'],
      upper: '',
      work: '',
      options: ['index=off'],
      attrs: 0n,
    },
    'overlay lower=[/l/2 /l/1] options=[index=off] -> #0',
  ],
  [
    { op: 'attach', slot: 2, root: 0, path: '/etc/hosts', create: 2 },
    'attach #2 root=#0 path=/etc/hosts create=file',
  ],
  [{ op: 'attach', slot: 2, path: '/mnt', create: 0 }, 'attach #2 path=/mnt'],
  [
    { op: 'mknod', dir: 1, name: 'null', mode: 0o20666, major: 1, minor: 3, uid: 0, gid: 0 },
    'mknod dir=#1 name=null mode=020666 major=1 minor=3 uid=0 gid=0',
  ],
  [
    { op: 'write', path: '/sys/x', data: Buffer.from('1\n'), skipMissing: 1 },
    'write path=/sys/x data="1\\n" skipMissing',
  ],
  [
    { op: 'write', path: '/sys/x', data: Uint8Array.of(0, 1, 254), skipMissing: 0 },
    'write path=/sys/x data=0x0001fe',
  ],
  [
    { op: 'seccomp', flags: 4, filter: new Uint8Array(800) },
    'seccomp flags=SECCOMP_FILTER_FLAG_SPEC_ALLOW filter=<800 bytes 47a88045>',
  ],
  [
    { op: 'rlimit', resource: 7, soft: 1024n, hard: 0xffffffffffffffffn },
    'rlimit resource=RLIMIT_NOFILE soft=1024 hard=unlimited',
  ],
  [
    { op: 'capset', effective: 0x400n, permitted: 0x3n, inheritable: 0n, ambient: 0n },
    'capset effective=CAP_NET_BIND_SERVICE permitted=CAP_CHOWN|CAP_DAC_OVERRIDE inheritable=none ambient=none',
  ],
  [{ op: 'bounding', keep: 0x1ffffffffffn }, 'bounding keep=all'],
  [
    { op: 'identity', uid: 1000, gid: 100, groups: Buffer.from('6400000005000000', 'hex') },
    'identity uid=1000 gid=100 groups=[100 5]',
  ],
  [{ op: 'umount', path: '/m', flags: 10 }, 'umount path=/m flags=MNT_DETACH|UMOUNT_NOFOLLOW'],
  [{ op: 'netlink-open', slot: 4, protocol: 12 }, 'netlink-open protocol=NETLINK_NETFILTER -> #4'],
  [
    {
      op: 'netlink',
      slot: 4,
      messages: new Uint8Array(20),
      patches: Buffer.from('1000000002000000', 'hex'),
      ignore: 17,
    },
    'netlink #4 messages=<20 bytes b9fee455> patches=[16:#2] ignore=17',
  ],
  [
    { op: 'exec', argv: ['sh', '-c', 'echo "hi"'], env: ['A=b c'], search: [], init: 1 },
    'exec argv=[sh -c "echo \\"hi\\""] env=["A=b c"] init',
  ],
  [{ op: 'no-new-privs' }, 'no-new-privs'],
  [
    { op: 'resolver', address: 0x7f00000b, port: 4, dir: '/run/x', name: 'n.sock', label: 'c1' },
    'resolver address=127.0.0.11 port=4 dir=/run/x name=n.sock label=c1',
  ],
];

test('describeOp() names flags, slots and texts', () => {
  for (const [op, line] of LINES) assert.equal(describeOp(op), line);
});

test('describePlan() numbers one line per operation', () => {
  const plan = LINES.slice(0, 11).map(([op]) => op);
  const lines = describePlan(plan).split('\n');
  assert.equal(lines.length, 12);
  assert.equal(lines[0], ` 0  ${LINES[0]?.[1]}`);
  assert.equal(lines[10], `10  ${LINES[10]?.[1]}`);
  assert.equal(describePlan([]), '');
});

test('describePlan() gives every plan as many lines as operations, without control characters', () => {
  fc.assert(
    fc.property(planArbitrary, (plan) => {
      const text = describePlan(plan);
      assert.equal(text.split('\n').length, plan.length + 1);
      assert.doesNotMatch(text.replaceAll('\n', ''), /\p{Cc}/u);
    }),
    { numRuns: 100 },
  );
});

test('planToJson() keeps every field and survives JSON', () => {
  const plan = LINES.map(([op]) => op);
  const json = planToJson(plan);
  assert.deepEqual(JSON.parse(JSON.stringify(json)), json);
  assert.deepEqual(json[2], {
    op: 'clone',
    flags: 'CLONE_NEWNS|CLONE_NEWPID',
    cgroup: 3,
    uidMap: '0 1000 1\n',
    gidMap: '',
    denySetgroups: 1,
  });
  assert.deepEqual(json[10], { op: 'write', path: '/sys/x', data: 'MQo=', skipMissing: 1 });
});
