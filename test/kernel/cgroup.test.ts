/** Control groups of engines and containers on the real kernel, whichever version it has. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import type { HostPath } from '../../src/base/brand.ts';
import { removeCgroup } from '../../src/kernel/cgroup/control.ts';
import type { CgroupLayout } from '../../src/kernel/cgroup/layout.ts';
import { limitWrites } from '../../src/kernel/cgroup/limits.ts';
import type { CgroupPlace } from '../../src/kernel/cgroup/place.ts';
import { directoriesOf, placeCgroup } from '../../src/kernel/cgroup/place.ts';
import { readCgroupFacts } from '../../src/kernel/cgroup/read-facts.ts';
import { planEngineCgroups } from '../../src/kernel/cgroup/setup.ts';
import type { LinuxResources } from '../../src/spec/oci/resources.ts';
import { ContainerFixture } from './container-fixture.ts';

function layoutOf(fixture: ContainerFixture): CgroupLayout {
  assert.ok(fixture.features.cgroups !== undefined);
  return fixture.features.cgroups;
}

function rootsOf(layout: CgroupLayout): readonly HostPath[] {
  if (layout.version === 2) return [layout.mountPoint];
  const roots = layout.hierarchies.map(({ mountPoint }) => mountPoint);
  return layout.unified === undefined ? roots : [...roots, layout.unified];
}

/** Directory of a place that has a file of this controller. */
function directoryOf(place: CgroupPlace, controller: string): string {
  const directory = place.version === 2 ? place.directory : place.directories[controller];
  assert.ok(directory !== undefined, controller);
  return directory;
}

function valueOf(
  place: CgroupPlace,
  controller: string,
  names: { readonly v1: string; readonly v2: string },
): string {
  const file = place.version === 2 ? names.v2 : names.v1;
  return readFileSync(`${directoryOf(place, controller)}/${file}`, 'utf8').trim();
}

test('the groups of an engine can be made again while containers run', async () => {
  await using fixture = await ContainerFixture.create();
  const layout = layoutOf(fixture);
  const group = { parent: '/carve', engine: fixture.engine };
  const container = await fixture.start({
    command:
      'echo up; while [ ! -e /tmp/stop ]; do (: < /dev/null) || echo lost; done; (: < /tmp/mem) 2>/dev/null || echo kept',
  });
  await container.written('up');
  for (let round = 0; round < 20; round++) {
    const facts = await readCgroupFacts(layout, group);
    await fixture.chisel.apply(
      planEngineCgroups(layout, group, { facts, starterPid: fixture.chisel.hostPid ?? 0 }),
    );
  }
  const { code } = await fixture.exec(container, {
    args: ['sh', '-c', 'mknod /tmp/mem c 1 1; touch /tmp/stop'],
  });
  assert.equal(code, 0);
  await container.started.exited;
  assert.equal(await container.output, 'up\nkept\n');
});

test('two engines do not meet, and each leaves nothing', async () => {
  let names: readonly string[];
  let layout: CgroupLayout;
  {
    await using one = await ContainerFixture.create();
    await using two = await ContainerFixture.create();
    layout = layoutOf(one);
    const [a, b] = await Promise.all([
      one.start({ command: 'echo up; sleep 1000' }),
      two.start({ command: 'echo up; sleep 1000' }),
    ]);
    await Promise.all([a.written('up'), b.written('up')]);
    assert.ok(a.place !== undefined && b.place !== undefined);
    const shared = directoriesOf(a.place).filter(
      (path) => b.place !== undefined && directoriesOf(b.place).includes(path),
    );
    assert.deepEqual(shared, []);
    names = [one.engine, two.engine];
  }
  for (const root of rootsOf(layout)) {
    const present = existsSync(`${root}/carve`) ? await readdir(`${root}/carve`) : [];
    assert.deepEqual(
      present.filter((name) => names.some((each) => name.startsWith(each))),
      [],
      root,
    );
  }
});

test('limits arrive in the files, and are there for the process', async () => {
  await using fixture = await ContainerFixture.create();
  const container = await fixture.start({
    command: 'echo up; sleep 1000',
    hostConfig: {
      Memory: 64 * 2 ** 20,
      MemorySwap: 64 * 2 ** 20,
      NanoCpus: 500_000_000,
      CpuShares: 2048,
      CpusetCpus: '0',
      PidsLimit: 50,
    },
  });
  await container.written('up');
  const { place } = container;
  assert.ok(place !== undefined);
  assert.equal(
    valueOf(place, 'memory', { v1: 'memory.limit_in_bytes', v2: 'memory.max' }),
    String(64 * 2 ** 20),
  );
  assert.equal(valueOf(place, 'pids', { v1: 'pids.max', v2: 'pids.max' }), '50');
  assert.equal(valueOf(place, 'cpuset', { v1: 'cpuset.cpus', v2: 'cpuset.cpus' }), '0');
  const cpu = place.version === 2 ? ['cpu.max', '50000 100000'] : ['cpu.cfs_quota_us', '50000'];
  assert.equal(readFileSync(`${directoryOf(place, 'cpu')}/${cpu[0]}`, 'utf8').trim(), cpu[1]);
  const weight = valueOf(place, 'cpu', { v1: 'cpu.shares', v2: 'cpu.weight' });
  assert.equal(weight, place.version === 2 ? '174' : '2048');
  const allowed = readFileSync(`/proc/${container.started.process.pid}/status`, 'utf8');
  assert.match(allowed, /^Cpus_allowed_list:\t0$/m);
});

test('limits of a running container can be raised and lowered', async () => {
  await using fixture = await ContainerFixture.create();
  const mebibyte = 2 ** 20;
  const hostConfig = { Memory: 64 * mebibyte, MemorySwap: 64 * mebibyte };
  const container = await fixture.start({ command: 'echo up; sleep 1000', hostConfig });
  await container.written('up');
  const { place } = container;
  assert.ok(place !== undefined);
  const names = { v1: 'memory.limit_in_bytes', v2: 'memory.max' };
  const apply = (resources: LinuxResources): void => {
    const current = BigInt(valueOf(place, 'memory', names));
    for (const { controller, file, value, isOptional } of limitWrites(
      place.version,
      resources,
      current,
    )) {
      const path = `${directoryOf(place, controller)}/${file}`;
      if (!isOptional || existsSync(path)) writeFileSync(path, value);
    }
  };
  for (const mebibytes of [256, 32, 512, 48]) {
    const bytes = mebibytes * mebibyte;
    apply({ memory: { limit: bytes, swap: bytes }, pids: { limit: mebibytes } });
    assert.equal(valueOf(place, 'memory', names), String(bytes));
    assert.equal(valueOf(place, 'pids', { v1: 'pids.max', v2: 'pids.max' }), String(mebibytes));
  }
});

test('a parent of the request is made, with rules of its own', async () => {
  await using fixture = await ContainerFixture.create();
  const parent = `/carve/${fixture.engine}-parent`;
  const container = await fixture.start({
    command:
      'mknod /tmp/mem c 1 1; (: < /tmp/mem) 2>/dev/null || echo denied; (: < /dev/null) && echo null; echo up; sleep 1000',
    hostConfig: { CgroupParent: parent },
  });
  await container.written('up');
  const { place } = container;
  assert.ok(place !== undefined);
  const groups = readFileSync(`/proc/${container.started.process.pid}/cgroup`, 'utf8');
  for (const directory of directoriesOf(place)) {
    assert.ok(directory.includes(`${parent}/`), directory);
    assert.ok(groups.includes(directory.slice(directory.indexOf(parent))), directory);
  }
  process.kill(container.started.process.pid, 'SIGKILL');
  await container.started.exited;
  assert.match(await container.output, /^denied\nnull\n/);
  for (const root of rootsOf(layoutOf(fixture))) {
    for (const path of [`${root}${parent}/${fixture.engine}.devices`, `${root}${parent}`]) {
      if (existsSync(path)) rmdirSync(path);
    }
  }
});

test('what a container left in groups is removed with what is below', async () => {
  await using fixture = await ContainerFixture.create();
  const place = placeCgroup(layoutOf(fixture), {
    parent: '/carve',
    engine: fixture.engine,
    name: 'left',
    resources: {},
    devices: 'shared',
    isParentReady: true,
  });
  for (const directory of directoriesOf(place)) mkdirSync(`${directory}/a/b`, { recursive: true });
  await removeCgroup(place);
  for (const directory of directoriesOf(place)) assert.ok(!existsSync(directory), directory);
  await removeCgroup(place);
});

test('a time namespace shows another uptime', async () => {
  await using fixture = await ContainerFixture.create();
  const output = await fixture.output({
    command: 'cat /proc/uptime',
    spec: (spec) => ({
      ...spec,
      linux: {
        ...spec.linux,
        namespaces: [...(spec.linux?.namespaces ?? []), { type: 'time' }],
        timeOffsets: { boottime: { secs: 1_000_000 }, monotonic: { secs: 1_000_000 } },
      },
    }),
  });
  const inside = Number(output.split(' ')[0]);
  const outside = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  assert.ok(inside - outside > 999_990 && inside - outside < 1_000_100, `${inside} ${outside}`);
});
