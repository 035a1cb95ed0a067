import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePlan } from '../plan/describe.ts';
import { checkPlan } from '../plan/check.ts';
import { parseCgroupFile, parseMountInfo, parseStartTicks } from '../procfs.ts';
import type { CgroupLayout } from './layout.ts';
import { cgroupLayout } from './layout.ts';
import type { PlaceRequest } from './place.ts';
import { directoriesOf, oomFile, placeCgroup } from './place.ts';
import { planEngineCgroups } from './setup.ts';

const HYBRID = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 23 0:39 / /mnt/with\\040blank rw - tmpfs some\\134thing rw
`;
const V1_ONLY = HYBRID.replace(/^41.*\n/m, '');
const V2 = `31 23 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n`;

function layoutOf(text: string): CgroupLayout {
  const layout = cgroupLayout(parseMountInfo(text), () => 'cpuset cpu io memory misc pids\n');
  assert.ok(layout !== undefined);
  return layout;
}

const REQUEST: PlaceRequest = {
  parent: '/carve',
  engine: 'e1',
  name: 'c1',
  resources: {},
  devices: 'shared',
  isParentReady: true,
};

test('mountinfo is read with its escapes and optional fields', () => {
  const mounts = parseMountInfo(HYBRID);
  assert.equal(mounts.at(-1)?.mountPoint, '/mnt/with blank');
  assert.equal(mounts.at(-1)?.source, 'some\\thing');
  assert.deepEqual(mounts[3]?.optional, ['shared:3']);
  assert.equal(parseMountInfo('\nnonsense\n').length, 0);
});

test('the three kinds of machine are told apart', () => {
  const hybrid = layoutOf(HYBRID);
  assert.ok(hybrid.version === 1);
  assert.equal(hybrid.unified, '/sys/fs/cgroup/unified');
  assert.deepEqual(hybrid.hierarchies[0]?.controllers, ['cpu', 'cpuacct']);
  assert.ok(!hybrid.hierarchies.some(({ mountPoint }) => mountPoint.endsWith('systemd')));
  const v1 = layoutOf(V1_ONLY);
  assert.ok(v1.version === 1 && v1.unified === undefined);
  assert.deepEqual(layoutOf(V2), {
    version: 2,
    mountPoint: '/sys/fs/cgroup',
    controllers: ['cpuset', 'cpu', 'io', 'memory', 'pids'],
  });
  assert.equal(
    cgroupLayout(parseMountInfo(''), () => ''),
    undefined,
  );
});

test('membership and start time are read from /proc', () => {
  assert.deepEqual(parseCgroupFile('5:cpu,cpuacct:/a/b\n1:name=systemd:/\n0::/c:d\n'), [
    { controllers: ['cpu', 'cpuacct'], path: '/a/b' },
    { controllers: ['name=systemd'], path: '/' },
    { controllers: [], path: '/c:d' },
  ]);
  const rest = Array.from({ length: 40 }, (_, index) => String(index + 3)).join(' ');
  assert.equal(parseStartTicks(`12 (a) b ) ${rest}`), 22n);
  assert.equal(parseStartTicks(''), undefined);
});

test('a hybrid machine gives a container few trees and the shared devices', () => {
  const place = placeCgroup(layoutOf(HYBRID), REQUEST);
  assert.deepEqual(directoriesOf(place), [
    '/sys/fs/cgroup/memory/carve/e1/c1',
    '/sys/fs/cgroup/pids/carve/e1/c1',
    '/sys/fs/cgroup/cpu,cpuacct/carve/e1/c1',
    '/sys/fs/cgroup/unified/carve/e1/c1',
  ]);
  assert.ok(place.version === 1);
  assert.equal(place.sharedDevices, '/sys/fs/cgroup/devices/carve/e1');
  assert.equal(oomFile(place), '/sys/fs/cgroup/memory/carve/e1/c1/memory.oom_control');
});

test('limits and own devices bring their trees', () => {
  const place = placeCgroup(layoutOf(V1_ONLY), {
    ...REQUEST,
    devices: 'own',
    resources: { cpu: { cpus: '0' } },
  });
  assert.ok(place.version === 1);
  assert.deepEqual(Object.keys(place.directories), [
    'memory',
    'pids',
    'cpu',
    'cpuacct',
    'freezer',
    'devices',
    'cpuset',
  ]);
  assert.equal(place.directories['devices'], '/sys/fs/cgroup/devices/carve/e1.devices/c1');
  assert.equal(place.sharedDevices, undefined);
});

test('a limit without its controller is refused, a tree that only helps is left out', () => {
  const layout = layoutOf(HYBRID.replace(/^39.*\n/m, ''));
  const place = placeCgroup(layout, REQUEST);
  assert.ok(place.version === 1 && place.directories['pids'] === undefined);
  assert.throws(
    () => placeCgroup(layout, { ...REQUEST, resources: { rdma: { x: { hcaHandles: 1 } } } }),
    /no control group for rdma/,
  );
});

test('a parent is made of normal components', () => {
  assert.deepEqual(
    placeCgroup(layoutOf(V2), { ...REQUEST, parent: '/a/b.slice', isParentReady: false }).ancestors,
    ['/sys/fs/cgroup/a', '/sys/fs/cgroup/a/b.slice', '/sys/fs/cgroup/a/b.slice/e1'],
  );
  for (const parent of ['/../x', 'a/./b', '/a b', '/x\ny']) {
    assert.throws(() => placeCgroup(layoutOf(V2), { ...REQUEST, parent }), /Invalid cgroup parent/);
  }
});

test("an engine's groups are made from the top, devices last", () => {
  const group = { parent: '/carve', engine: 'e1' };
  const facts = {
    controllers: ['cpu', 'memory', 'pids'],
    cpuset: { cpus: '0-1', mems: '0' },
    devicesList: undefined,
  };
  const v2 = planEngineCgroups(layoutOf(V2), group, { facts, starterPid: 42 });
  checkPlan(v2);
  assert.match(
    describePlan(v2),
    /^0 {2}write path=\/sys\/fs\/cgroup\/cgroup\.subtree_control data="\+cpuset \+cpu \+io \+memory \+pids"\n1 {2}mkdir path=\/sys\/fs\/cgroup\/carve mode=0755\n/,
  );
  assert.match(describePlan(v2), /cgroup-device cgroup=#0 program=<\d+ bytes [0-9a-f]+>\n$/);
  const v1 = planEngineCgroups(layoutOf(HYBRID), group, { facts, starterPid: 42 });
  checkPlan(v1);
  const text = describePlan(v1);
  assert.match(text, /cpuset\/carve\/cpuset\.cpus data=\\?"0-1\\?"/);
  assert.match(text, /devices\.deny data="a"/);
  assert.match(text, /devices\/carve\/e1\/cgroup\.procs data="42"\n$/);
});

test('a device list that is there is completed, never emptied', () => {
  const facts = {
    cpuset: undefined,
    devicesList:
      'c *:* m\nb *:* m\nc 1:3 rwm\nc 1:5 rwm\nc 1:7 rwm\nc 1:8 rwm\nc 1:9 rwm\nc 5:0 rwm\nc 5:1 rwm\nc 136:* rwm',
  };
  const plan = planEngineCgroups(
    layoutOf(HYBRID),
    { parent: '/carve', engine: 'e1' },
    { facts, starterPid: 1 },
  );
  const writes = describePlan(plan)
    .split('\n')
    .filter((line) => line.includes('devices.'));
  assert.equal(writes.filter((line) => line.includes('devices.deny')).length, 0);
  assert.equal(writes.filter((line) => line.includes('devices.allow')).length, 1);
});
