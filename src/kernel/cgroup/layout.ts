/**
 * Which control groups a machine has, from its own /proc. Three kinds exist:
 * version 2 alone; version 1 (one tree per controller); version 1 with a
 * version 2 tree beside it that holds no useful controller ("hybrid"). On a
 * hybrid machine the version 2 tree still freezes, kills and counts CPU time.
 *
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cgroups.rst.
 */

import type { HostPath } from '../../base/brand.ts';
import { hostPath } from '../../base/host-path.ts';
import type { MountEntry } from '../procfs.ts';

/** One tree of version 1. */
export interface V1Hierarchy {
  readonly mountPoint: HostPath;
  /** What is mounted together, e.g. `cpu` and `cpuacct`. */
  readonly controllers: readonly string[];
}

/** Version 1, maybe with a version 2 tree beside it. */
export interface V1Layout {
  readonly version: 1;
  readonly hierarchies: readonly V1Hierarchy[];
  /** Mount point of the version 2 tree; `undefined` without one. */
  readonly unified: HostPath | undefined;
}

/** Version 2 alone. */
export interface V2Layout {
  readonly version: 2;
  readonly mountPoint: HostPath;
  /** Controllers that containers' groups can have. */
  readonly controllers: readonly string[];
}

/** What a machine has. */
export type CgroupLayout = V1Layout | V2Layout;

/** Controllers of version 1 that show in the options of a mount. */
const V1_CONTROLLERS: ReadonlySet<string> = new Set([
  'blkio',
  'cpu',
  'cpuacct',
  'cpuset',
  'devices',
  'freezer',
  'hugetlb',
  'memory',
  'misc',
  'net_cls',
  'net_prio',
  'perf_event',
  'pids',
  'rdma',
]);

/** Controllers of version 2 that are handed down to containers. */
const V2_CONTROLLERS: ReadonlySet<string> = new Set([
  'cpu',
  'cpuset',
  'io',
  'memory',
  'pids',
  'hugetlb',
  'rdma',
]);

/** `undefined`: no control groups are mounted. `readControllers`: text of a version 2 directory's cgroup.controllers. */
export function cgroupLayout(
  mounts: readonly MountEntry[],
  readControllers: (mountPoint: HostPath) => string,
): CgroupLayout | undefined {
  // A later mount on the same point hides an earlier one.
  const visible = new Map(mounts.map((mount) => [mount.mountPoint, mount]));
  const hierarchies: V1Hierarchy[] = [];
  let unified: HostPath | undefined;
  const seen = new Set<string>();
  for (const mount of visible.values()) {
    if (mount.fsType === 'cgroup2') unified ??= hostPath(mount.mountPoint);
    if (mount.fsType !== 'cgroup') continue;
    const controllers = mount.superOptions.filter((option) => V1_CONTROLLERS.has(option));
    const isKnown = controllers.some((name) => seen.has(name));
    if (controllers.length === 0 || isKnown) continue;
    for (const name of controllers) seen.add(name);
    hierarchies.push({ mountPoint: hostPath(mount.mountPoint), controllers });
  }
  if (hierarchies.length > 0) return { version: 1, hierarchies, unified };
  if (unified === undefined) return undefined;
  const controllers = readControllers(unified).trim().split(' ');
  return {
    version: 2,
    mountPoint: unified,
    controllers: controllers.filter((name) => V2_CONTROLLERS.has(name)),
  };
}

/** Where version 2 is mounted, with all controllers or beside version 1; `undefined`: nowhere. */
export function unifiedMount(layout: CgroupLayout | undefined): HostPath | undefined {
  return layout?.version === 1 ? layout.unified : layout?.mountPoint;
}

/** The tree of a version 1 controller. */
export function findHierarchy(layout: V1Layout, controller: string): V1Hierarchy | undefined {
  return layout.hierarchies.find(({ controllers }) => controllers.includes(controller));
}
