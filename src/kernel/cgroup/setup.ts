/**
 * The groups above an engine's containers, made once when the engine starts:
 * `<parent>/<engine>` and `<parent>/<engine>.devices` in every tree, the
 * controllers handed down (version 2), and the shared device list on
 * `<engine>`. The process that starts containers joins the shared list, so
 * that a container's start does not have to.
 *
 * Source: Linux cgroup-v2.rst "Top-down Constraint", cgroup-v1/{cpusets,devices}.rst.
 */

import type { HostPath } from '../../base/brand.ts';
import { hostPath } from '../../base/host-path.ts';
import { deviceProgram, encodeEbpf } from '../bpf/device-program.ts';
import { O } from '../plan/flags.ts';
import type { PlanOp } from '../plan/op.ts';
import { DEFAULT_DEVICE_RULES, deviceWritesV1 } from './devices.ts';
import type { CgroupLayout, V1Layout, V2Layout } from './layout.ts';
import { findHierarchy } from './layout.ts';
import { enableText } from './limit-values.ts';

/** Names of an engine's groups. */
export interface EngineGroup {
  /** Path below a tree's root, e.g. `/carve`. */
  readonly parent: string;
  /** One path component, unique per engine root. */
  readonly engine: string;
}

/** What was read of the trees; see `read-facts.ts`. */
export interface CgroupFacts {
  /** Version 1: CPUs and memory nodes of the cpuset tree's root. */
  readonly cpuset: { readonly cpus: string; readonly mems: string } | undefined;
  /** Version 1: devices.list of the engine's group; `undefined` when there is none yet. */
  readonly devicesList: string | undefined;
}

/** Controllers of version 1 that containers may need. */
const V1_TREES: readonly string[] = [
  'memory',
  'pids',
  'cpu',
  'cpuacct',
  'freezer',
  'devices',
  'cpuset',
  'blkio',
  'hugetlb',
  'rdma',
];
const DIRECTORY_MODE = 0o755;
const SLOT = 0;
const encoder = new TextEncoder();

/** Ops that make an engine's groups; idempotent. `starterPid`: the process that containers are forked from. */
export function planEngineCgroups(
  layout: CgroupLayout,
  group: EngineGroup,
  options: { readonly facts: CgroupFacts; readonly starterPid: number },
): readonly PlanOp[] {
  return layout.version === 2 ? planV2(layout, group) : planV1(layout, group, options);
}

/** Ops that remove an engine's empty groups, when its root is removed. */
export function planRemoveEngineCgroups(
  layout: CgroupLayout,
  group: EngineGroup,
): readonly PlanOp[] {
  const roots =
    layout.version === 2 ? [layout.mountPoint] : [...treesOf(layout), ...unifiedOf(layout)];
  return roots.flatMap((root) =>
    [enginePath(root, group), devicesPath(root, group)].map(
      (path): PlanOp => ({ op: 'rmdir', path, busyMs: 5000 }),
    ),
  );
}

function planV2(layout: V2Layout, group: EngineGroup): readonly PlanOp[] {
  const { controllers } = layout;
  const enable = (path: string): readonly PlanOp[] =>
    controllers.length === 0
      ? []
      : [write(`${path}/cgroup.subtree_control`, enableText(controllers))];
  const engine = enginePath(layout.mountPoint, group);
  const own = devicesPath(layout.mountPoint, group);
  const program = encodeEbpf(deviceProgram(DEFAULT_DEVICE_RULES));
  return [
    ...enable(layout.mountPoint),
    ...parentPaths(layout.mountPoint, group).flatMap((path) => [mkdir(path), ...enable(path)]),
    mkdir(engine),
    ...enable(engine),
    mkdir(own),
    ...enable(own),
    { op: 'open', slot: SLOT, path: engine, flags: Number(O.O_DIRECTORY) },
    { op: 'cgroup-device', cgroup: SLOT, program },
  ];
}

function planV1(
  layout: V1Layout,
  group: EngineGroup,
  options: { readonly facts: CgroupFacts; readonly starterPid: number },
): readonly PlanOp[] {
  const { facts, starterPid } = options;
  const ops: PlanOp[] = [];
  const cpuset = findHierarchy(layout, 'cpuset')?.mountPoint;
  for (const root of [...treesOf(layout), ...unifiedOf(layout)]) {
    const paths = [...parentPaths(root, group), enginePath(root, group), devicesPath(root, group)];
    for (const path of paths) {
      ops.push(mkdir(path));
      if (root === cpuset && facts.cpuset !== undefined)
        ops.push(...fillCpuset(path, facts.cpuset));
    }
  }
  const devices = findHierarchy(layout, 'devices')?.mountPoint;
  if (devices === undefined) return ops;
  const path = enginePath(devices, group);
  // The list is replaced only when it is new: between "deny all" and the
  // first "allow" a running container could not open /dev/null.
  if (facts.devicesList === undefined || facts.devicesList.startsWith('a ')) {
    for (const { file, value } of deviceWritesV1(DEFAULT_DEVICE_RULES)) {
      ops.push(write(`${path}/${file}`, value));
    }
  } else {
    ops.push(...missingDevices(path, facts.devicesList));
  }
  ops.push(write(`${path}/cgroup.procs`, String(starterPid)));
  return ops;
}

/** Entries of the default list that an older carve did not have. */
function missingDevices(path: string, list: string): readonly PlanOp[] {
  const present = new Set(list.split('\n'));
  return deviceWritesV1(DEFAULT_DEVICE_RULES)
    .filter(({ file, value }) => file === 'devices.allow' && !present.has(value))
    .map(({ file, value }) => write(`${path}/${file}`, value));
}

/** A new cpuset is empty and takes no process; below this one new ones are copies. */
function fillCpuset(
  path: string,
  cpuset: { readonly cpus: string; readonly mems: string },
): readonly PlanOp[] {
  return [
    write(`${path}/cpuset.cpus`, cpuset.cpus),
    write(`${path}/cpuset.mems`, cpuset.mems),
    write(`${path}/cgroup.clone_children`, '1'),
  ];
}

function treesOf(layout: V1Layout): readonly HostPath[] {
  const trees = V1_TREES.map((controller) => findHierarchy(layout, controller)?.mountPoint);
  return [...new Set(trees.filter((each) => each !== undefined))];
}

function unifiedOf(layout: V1Layout): readonly HostPath[] {
  return layout.unified === undefined ? [] : [layout.unified];
}

function parentPaths(root: HostPath, { parent }: EngineGroup): readonly HostPath[] {
  const components = parent.split('/').filter((name) => name !== '');
  return components.map((_, index) =>
    hostPath([root, ...components.slice(0, index + 1)].join('/')),
  );
}

/** The group of an engine's containers. */
export function enginePath(root: HostPath, group: EngineGroup): HostPath {
  return hostPath(`${parentPaths(root, group).at(-1) ?? root}/${group.engine}`);
}

function devicesPath(root: HostPath, group: EngineGroup): HostPath {
  return hostPath(`${enginePath(root, group)}.devices`);
}

function mkdir(path: string): PlanOp {
  return { op: 'mkdir', path, mode: DIRECTORY_MODE };
}

function write(path: string, value: string): PlanOp {
  return { op: 'write', path, data: encoder.encode(value), skipMissing: 0 };
}
