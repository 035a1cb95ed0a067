/**
 * The mounts of a container, in the order of its configuration: each is made
 * as a descriptor, then attached at a path that is resolved once below the
 * container's root.
 *
 * Source: OCI runtime-spec 1.3 config.md "Mounts"; security matrix R5, R6.
 */

import { EngineError } from '../../base/error.ts';
import { MOUNT_ATTR, MS } from '../../kernel/plan/flags.ts';
import type { ProcessIdentity } from '../runtime.ts';
import type { OciMount, Spec } from '../../spec/oci/runtime.ts';
import { CREATE_ALIKE, openIdMap, prepareBind } from './bind.ts';
import { type PlanBuilder, SLOT } from './builder.ts';
import { planCgroupMount } from './cgroup-mount.ts';
import type { PlanContext, PlannedMount } from './context.ts';
import { isDevMount, planDev } from './dev.ts';
import { parseMountOptions } from './mount-options.ts';
import type { ProcessSlots } from './process-slots.ts';
import { isProcMount, planOrdinaryDirectory, planProcMount } from './proc.ts';

const DEV_DEFAULT: OciMount = {
  destination: '/dev',
  type: 'tmpfs',
  source: 'tmpfs',
  options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
};

/**
 * Read the options of every mount, and open the processes whose files are
 * mounted. A /dev of our own is added where there is none. Errors: `invalid`.
 */
export function readMounts(
  processes: ProcessSlots,
  spec: Spec,
  host?: HostSources,
): readonly PlannedMount[] {
  const mounts = spec.mounts ?? [];
  const hasDev = mounts.some(({ destination }) => checkDestination(destination) === '/dev');
  const all = hasDev ? mounts : [DEV_DEFAULT, ...mounts];
  return all.map((mount) => {
    const options = parseMountOptions(mount.options ?? []);
    const usernsSlot = openIdMap(processes.builder, mount, options);
    const owner = mount.process ?? ownerOf({ mount, options }, host);
    return {
      mount,
      destination: checkDestination(mount.destination),
      options,
      ...(owner === undefined ? {} : { processSlot: processes.slotOf(owner) }),
      ...(usernsSlot === undefined ? {} : { usernsSlot }),
    };
  });
}

/** Where a host keeps its later mounts to itself: who sees them, and what needs no such look. */
export interface HostSources {
  readonly process: ProcessIdentity;
  /** Directories of the engine's own. */
  readonly own: readonly string[];
}

/** The host's namespace for what the user binds, where only that has all mounts. */
function ownerOf(
  { mount, options }: Pick<PlannedMount, 'mount' | 'options'>,
  host: HostSources | undefined,
): ProcessIdentity | undefined {
  const { source = '', subpath = '' } = mount;
  // What reaches the host is cloned there already.
  if (options.bind === undefined || options.propagation === MS.MS_SHARED) return undefined;
  if (host === undefined || subpath !== '') return undefined;
  return host.own.some((place) => source.startsWith(`${place}/`)) ? undefined : host.process;
}

/** Relative is from `/`. */
function checkDestination(path: string): string {
  const components = path.split('/').filter((each) => each !== '' && each !== '.');
  if (components.length > 0 && !components.includes('..') && !path.includes('\0')) {
    return `/${components.join('/')}`;
  }
  throw new EngineError(
    'invalid',
    `Invalid mount destination ${JSON.stringify(path.slice(0, 200))}`,
  );
}

/**
 * Clone what must be cloned early: in a user namespace the sources, which its
 * root may not reach; and trees that stay in the host's peer groups.
 */
export function prepareEarly(
  context: PlanContext,
  isEarly: (mount: PlannedMount) => boolean,
): PlanContext {
  const mounts = context.mounts.map((each) => {
    const isBind = each.options.bind !== undefined && each.slot === undefined;
    if (!isBind || each.mount.process !== undefined || !isEarly(each)) return each;
    return { ...each, slot: prepareBind(context.builder, each) };
  });
  return { ...context, mounts };
}

/** True for a bind whose mounts go to the host. */
export function isShared({ options }: PlannedMount): boolean {
  return options.bind !== undefined && options.propagation === MS.MS_SHARED;
}

/**
 * Make the file systems of which only a part is mounted. They are attached on
 * the empty directory that the root will be attached on: a part can be cloned
 * only of what is attached, and all of that place is gone after the pivot.
 */
export function prepareParts(context: PlanContext): PlanContext {
  const mounts = context.mounts.map((planned) =>
    planned.slot === undefined && hasPart(planned)
      ? { ...planned, slot: planPart(context.builder, planned, context.input.stageDir) }
      : planned,
  );
  return { ...context, mounts };
}

/** True for a file system of which only a part is mounted. */
export function hasPart({ mount, options }: PlannedMount): boolean {
  return options.bind === undefined && mount.subpath !== undefined && mount.subpath !== '';
}

/** Slot of all of a new file system, not attached. */
export function planWhole(builder: PlanBuilder, planned: PlannedMount): number {
  const slot = builder.take();
  pushNew(builder, planned, slot);
  const { propagation } = planned.options;
  if (propagation !== 0n) {
    builder.push({ op: 'mount-attr', slot, set: 0n, clear: 0n, propagation, recursive: 0 });
  }
  return slot;
}

/** Slot of the part, not attached. `stage`: an empty directory of the host. */
export function planPart(builder: PlanBuilder, planned: PlannedMount, stage: string): number {
  const { mount, options } = planned;
  const whole = builder.take();
  pushNew(builder, planned, whole);
  const slot = builder.take();
  const { subpath: path = '' } = mount;
  builder.push(
    { op: 'attach', slot: whole, path: stage, create: 0 },
    { op: 'open-tree', slot, dir: whole, path, recursive: 1 },
  );
  builder.release(whole);
  const propagation = options.propagation === 0n ? MS.MS_PRIVATE : options.propagation;
  builder.push({ op: 'mount-attr', slot, set: 0n, clear: 0n, propagation, recursive: 1 });
  return slot;
}

/** Make and attach every mount. */
export function planMounts(context: PlanContext): void {
  for (const planned of context.mounts) {
    if (planned.slot !== undefined) planBind(context, planned);
    else if (isProcMount(planned)) planProcMount(context, planned);
    else if (isDevMount(planned)) planDev(context, planned);
    else if (planned.options.bind !== undefined) planBind(context, planned);
    else planFileSystem(context, planned);
  }
}

function planBind(context: PlanContext, planned: PlannedMount): void {
  const { builder } = context;
  const slot = planned.slot ?? prepareBind(builder, planned);
  attach(context, { slot, planned, create: CREATE_ALIKE });
  builder.release(slot);
}

function planFileSystem(context: PlanContext, planned: PlannedMount): void {
  const { mount, destination } = planned;
  switch (mount.type) {
    case 'cgroup':
    case 'cgroup2':
      planCgroupMount(context, planned);
      return;
    case 'sysfs':
      planSysfs(context, planned);
      return;
    case 'devpts':
      if (destination === '/dev/pts' && context.hasOwnDev) {
        planNew(context, planned, SLOT.devpts);
        return;
      }
      break;
    case undefined:
    case '':
      throw new EngineError('invalid', `The mount on ${destination} has no type`);
    default:
  }
  const slot = context.builder.take();
  planNew(context, planned, slot);
  context.builder.release(slot);
}

/** A new file system. */
function planNew(context: PlanContext, planned: PlannedMount, slot: number): void {
  const { options } = planned;
  pushNew(context.builder, planned, slot);
  if (options.propagation !== 0n) {
    const { propagation } = options;
    context.builder.push({ op: 'mount-attr', slot, set: 0n, clear: 0n, propagation, recursive: 0 });
  }
  attach(context, { slot, planned, create: 1 });
}

/** The op that makes it, detached. */
export function pushNew(builder: PlanBuilder, planned: PlannedMount, slot: number): void {
  const { mount, options } = planned;
  const fsType = mount.type ?? '';
  const attrs = options.set | options.setDeep;
  if (mount.layers !== undefined) {
    const lower = mount.layers;
    builder.push({ op: 'overlay', slot, lower, upper: '', work: '', options: options.data, attrs });
    return;
  }
  const source = mount.source ?? fsType;
  builder.push({ op: 'fsmount', slot, fsType, source, options: options.data, attrs });
}

/** sysfs shows the network namespace: in a user namespace it can be mounted only for one of its own. */
function planSysfs(context: PlanContext, planned: PlannedMount): void {
  const { builder, namespaces } = context;
  const slot = builder.take();
  if (namespaces.isInUser && !namespaces.own.has('network')) {
    const set = planned.options.set | MOUNT_ATTR.MOUNT_ATTR_RDONLY;
    const propagation = MS.MS_PRIVATE;
    builder.push(
      { op: 'open-tree', slot, path: '/sys', recursive: 1 },
      { op: 'mount-attr', slot, set, clear: 0n, propagation, recursive: 1 },
    );
    attach(context, { slot, planned, create: 1 });
  } else {
    planNew(context, planned, slot);
  }
  if (planned.destination === '/sys') planOrdinaryDirectory(builder, '/sys');
  builder.release(slot);
}

/** Below /dev from our own tmpfs, elsewhere from the root. */
function attach(
  context: PlanContext,
  what: { readonly slot: number; readonly planned: PlannedMount; readonly create: number },
): void {
  const { slot, planned, create } = what;
  const { destination } = planned;
  const isBelowDev = context.hasOwnDev && destination.startsWith('/dev/');
  context.builder.push({
    op: 'attach',
    slot,
    root: isBelowDev ? SLOT.dev : SLOT.root,
    path: isBelowDev ? destination.slice('/dev/'.length) : destination,
    create,
  });
}
