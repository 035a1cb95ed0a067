/**
 * What a container sees in /sys/fs/cgroup: its own groups.
 *
 * Version 2: the tree, whose root is the container's group in its cgroup
 * namespace. Version 1: a tmpfs with a bind of the container's own directory
 * per tree, whatever the namespace.
 *
 * Source: cgroup_namespaces(7); runc's layout for version 1.
 */

import { MOUNT_ATTR, MS } from '../../kernel/plan/flags.ts';
import type { V1Place } from '../../kernel/cgroup/place.ts';
import { SLOT } from './builder.ts';
import type { PlanContext, PlannedMount } from './context.ts';

const READONLY = MOUNT_ATTR.MOUNT_ATTR_RDONLY;

/** Without control groups of its own a container sees none. */
export function planCgroupMount(context: PlanContext, planned: PlannedMount): void {
  const place = context.input.cgroup;
  if (place === undefined) return;
  if (place.version === 1) planV1(context, planned, place);
  else planV2(context, planned);
}

function planV2(
  { builder, namespaces }: PlanContext,
  { options, destination }: PlannedMount,
): void {
  const slot = builder.take();
  const attrs = options.set;
  if (namespaces.isInUser && !namespaces.hasNewCgroup) {
    builder.push(
      { op: 'open-tree', slot, path: '/sys/fs/cgroup', recursive: 1 },
      { op: 'mount-attr', slot, set: attrs, clear: 0n, propagation: MS.MS_PRIVATE, recursive: 1 },
    );
  } else {
    builder.push({ op: 'fsmount', slot, fsType: 'cgroup2', source: 'cgroup', options: [], attrs });
  }
  builder.push({ op: 'attach', slot, root: SLOT.root, path: destination, create: 1 });
  builder.release(slot);
}

function planV1(
  { builder }: PlanContext,
  { options, destination }: PlannedMount,
  place: V1Place,
): void {
  const top = builder.take();
  const attrs = options.set & ~READONLY;
  builder.push(
    { op: 'fsmount', slot: top, fsType: 'tmpfs', source: 'tmpfs', options: ['mode=755'], attrs },
    { op: 'attach', slot: top, root: SLOT.root, path: destination, create: 1 },
  );
  for (const { name, directory, links } of treesOf(place)) {
    const slot = builder.take();
    builder.push(
      { op: 'open-tree', slot, path: directory, recursive: 0 },
      {
        op: 'mount-attr',
        slot,
        set: options.set,
        clear: 0n,
        propagation: MS.MS_PRIVATE,
        recursive: 0,
      },
      { op: 'attach', slot, root: top, path: name, create: 1 },
    );
    builder.release(slot);
    for (const link of links) builder.push({ op: 'symlink', dir: top, name: link, target: name });
  }
  if ((options.set & READONLY) !== 0n) {
    builder.push({
      op: 'mount-attr',
      slot: top,
      set: READONLY,
      clear: 0n,
      propagation: 0n,
      recursive: 0,
    });
  }
  builder.release(top);
}

/** The trees the container has groups in: directory name under /sys/fs/cgroup, and names of co-mounted controllers. */
function treesOf(place: V1Place): readonly {
  readonly name: string;
  readonly directory: string;
  readonly links: readonly string[];
}[] {
  const controllers = new Map<string, string[]>();
  for (const [controller, directory] of Object.entries(place.directories)) {
    controllers.set(directory, [...(controllers.get(directory) ?? []), controller]);
  }
  return [...controllers].map(([directory, names]) => {
    const tree = place.trees[names[0] ?? ''] ?? names;
    const name = tree.join(',');
    return { name, directory, links: tree.length > 1 ? tree : [] };
  });
}
