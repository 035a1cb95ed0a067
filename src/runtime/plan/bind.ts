/**
 * Binds: a tree of the host, cloned as a detached mount, changed, then
 * attached. The clone is what is attached; the source path is looked up once.
 *
 * Source: open_tree(2), mount_setattr(2); OCI runtime-spec 1.3 config.md "Mounts".
 */

import { EngineError } from '../../base/error.ts';
import { CLONE, MOUNT_ATTR, MS, O } from '../../kernel/plan/flags.ts';
import type { OciMount } from '../../spec/oci/runtime.ts';
import type { PlanBuilder } from './builder.ts';
import type { PlannedMount } from './context.ts';
import type { MountOptions } from './mount-options.ts';
import { idMapText } from './namespaces.ts';

/** `attach` makes a missing target alike the mount's root: a file or a directory. */
export const CREATE_ALIKE = 3;

/** Clone and change the source of a bind; its slot. Errors: `invalid`. */
export function prepareBind(builder: PlanBuilder, planned: PlannedMount): number {
  const { options, destination } = planned;
  if (options.data.length > 0) {
    throw new EngineError(
      'invalid',
      `Invalid option ${JSON.stringify(options.data[0])} of the bind on ${destination}`,
    );
  }
  const isDeep = options.bind === 'rbind';
  const slot = cloneSource(builder, planned);
  planIdMap(builder, slot, planned);
  for (const change of changesOf(options, isDeep)) {
    builder.push({ op: 'mount-attr', slot, ...change });
  }
  return slot;
}

function cloneSource(builder: PlanBuilder, planned: PlannedMount): number {
  const { mount, options, processSlot } = planned;
  const { source = '' } = mount;
  if (!source.startsWith('/')) {
    throw new EngineError(
      'invalid',
      `Invalid source ${JSON.stringify(source.slice(0, 200))} of a bind`,
    );
  }
  const recursive = options.bind === 'rbind' ? 1 : 0;
  if (processSlot !== undefined) return cloneForeign(builder, { processSlot, source, recursive });
  const { subpath = '' } = mount;
  if (subpath !== '') return cloneBelow(builder, { source, subpath, recursive });
  const slot = builder.take();
  builder.push({ op: 'open-tree', slot, path: source, recursive });
  return slot;
}

/** A part of a tree that somebody else writes: nothing in there can lead out of it. */
function cloneBelow(
  builder: PlanBuilder,
  from: { readonly source: string; readonly subpath: string; readonly recursive: number },
): number {
  const top = builder.take();
  const slot = builder.take();
  const flags = Number(O.O_PATH | O.O_DIRECTORY);
  builder.push(
    { op: 'open', slot: top, path: from.source, flags },
    { op: 'open-tree', slot, dir: top, path: from.subpath, recursive: from.recursive },
  );
  builder.release(top);
  return slot;
}

/** A path that another process sees: enter its mount namespace, clone, come back. */
function cloneForeign(
  builder: PlanBuilder,
  from: {
    readonly processSlot: number;
    readonly source: string;
    readonly recursive: number;
  },
): number {
  const own = builder.take();
  const root = builder.take();
  const slot = builder.take();
  const flags = CLONE.CLONE_NEWNS;
  builder.push(
    { op: 'open', slot: own, path: '/proc/self/ns/mnt', flags: 0 },
    { op: 'setns', slot: from.processSlot, flags },
    { op: 'open', slot: root, path: '/', flags: Number(O.O_PATH | O.O_DIRECTORY) },
    // Below the other's root: nothing it made can lead out of that.
    { op: 'open-tree', slot, dir: root, path: from.source, recursive: from.recursive },
    { op: 'setns', slot: own, flags },
  );
  for (const used of [own, root]) builder.release(used);
  return slot;
}

/**
 * The namespace that says how ids are shown; its slot, `undefined` where they
 * are shown as they are. Before the clone: in a new pid namespace nobody has a
 * number that /proc knows. Errors: `invalid`.
 */
export function openIdMap(
  builder: PlanBuilder,
  mount: OciMount,
  options: MountOptions,
): number | undefined {
  const { uidMappings, gidMappings } = mount;
  if (uidMappings === undefined && gidMappings === undefined) {
    if (options.idmap === undefined) return undefined;
    throw new EngineError('invalid', `The bind on ${mount.destination} has no id mappings`);
  }
  if (uidMappings === undefined || gidMappings === undefined) {
    throw new EngineError(
      'invalid',
      `The bind on ${mount.destination} has mappings of users or groups only`,
    );
  }
  const slot = builder.take();
  const [uidMap, gidMap] = [idMapText(uidMappings), idMapText(gidMappings)];
  builder.push({ op: 'userns', slot, uidMap, gidMap });
  return slot;
}

/** Ids of the files are shown as other ids. */
function planIdMap(builder: PlanBuilder, slot: number, planned: PlannedMount): void {
  const { usernsSlot: userns, options } = planned;
  if (userns === undefined) return;
  builder.push({
    op: 'mount-attr',
    slot,
    set: MOUNT_ATTR.MOUNT_ATTR_IDMAP,
    clear: 0n,
    propagation: 0n,
    userns,
    recursive: options.idmap === 'ridmap' ? 1 : 0,
  });
  builder.release(userns);
}

interface AttributeChange {
  readonly set: bigint;
  readonly clear: bigint;
  readonly propagation: bigint;
  readonly recursive: number;
}

/**
 * One change of the whole tree and one of its top, as few as say it all. A
 * clone keeps the propagation of its source, so that is always set.
 */
function changesOf(options: MountOptions, isDeep: boolean): readonly AttributeChange[] {
  const { set, clear, setDeep, clearDeep } = options;
  const propagation = options.propagation === 0n ? MS.MS_PRIVATE : options.propagation;
  if (!isDeep) {
    return [{ set: set | setDeep, clear: clear | clearDeep, propagation, recursive: 0 }];
  }
  const isPropagationDeep = options.propagation === 0n || options.isPropagationDeep;
  const all = {
    set: setDeep,
    clear: clearDeep,
    propagation: isPropagationDeep ? propagation : MS.MS_PRIVATE,
    recursive: 1,
  };
  const top = { set, clear, propagation: isPropagationDeep ? 0n : propagation, recursive: 0 };
  const hasTop = top.set !== 0n || top.clear !== 0n || top.propagation !== 0n;
  return hasTop ? [all, top] : [all];
}
