/**
 * Control groups of a container: made and limited before the process exists,
 * entered at its birth (version 2) or as its first act (version 1), removed
 * when it is gone.
 *
 * Source: Linux cgroup-v2.rst, cgroup-v1/*.rst; clone(2) CLONE_INTO_CGROUP.
 */

import { deviceProgram, encodeEbpf } from '../../kernel/bpf/device-program.ts';
import { deviceWritesV1, isDefaultDeviceRules } from '../../kernel/cgroup/devices.ts';
import { limitWrites } from '../../kernel/cgroup/limits.ts';
import type { CgroupPlace, PlaceRequest } from '../../kernel/cgroup/place.ts';
import { directoriesOf, unifiedDirectory } from '../../kernel/cgroup/place.ts';
import { enableText } from '../../kernel/cgroup/limit-values.ts';
import { O } from '../../kernel/plan/flags.ts';
import type { PlanOp } from '../../kernel/plan/op.ts';
import { EngineError } from '../../base/error.ts';
import type { LinuxResources } from '../../spec/oci/resources.ts';
import type { Spec } from '../../spec/oci/runtime.ts';
import type { PlanBuilder } from './builder.ts';
import { SLOT } from './builder.ts';

const DIRECTORY_MODE = 0o755;
/** The writer's own number, for files of tasks. */
const ITSELF = '0';
const KILL: Uint8Array = new TextEncoder().encode('1');
/** The kernel lets go of a group a moment after its last process. */
const REMOVE_BUSY_MS = 2000;
/** Parent of every engine's groups: made at its start, with the shared device list. */
export const ENGINE_PARENT = '/carve';

/** Where the container of this configuration goes. Errors: `invalid` path. */
export function cgroupRequest(spec: Spec): PlaceRequest {
  const path = spec.linux?.cgroupsPath ?? '';
  const components = path.split('/').filter((each) => each !== '');
  const [name, engine] = components.toReversed();
  if (name === undefined || engine === undefined) {
    throw new EngineError('invalid', `Invalid cgroups path ${JSON.stringify(path.slice(0, 200))}`);
  }
  const parent = `/${components.slice(0, -2).join('/')}`;
  const resources = spec.linux?.resources ?? {};
  const isParentReady = parent === ENGINE_PARENT;
  const isShared = isParentReady && isDefaultDeviceRules(resources.devices ?? []);
  return { parent, engine, name, resources, devices: isShared ? 'shared' : 'own', isParentReady };
}

/** Make and limit the groups; opens the version 2 directory into `SLOT.cgroup`. Before the clone. */
export function planCgroups(
  builder: PlanBuilder,
  place: CgroupPlace,
  resources: LinuxResources,
): void {
  for (const path of place.ancestors) {
    builder.push({ op: 'mkdir', path, mode: DIRECTORY_MODE });
    if (place.version === 2 && place.controllers.length > 0) {
      builder.write(`${path}/cgroup.subtree_control`, enableText(place.controllers));
    }
  }
  for (const path of directoriesOf(place)) {
    builder.push({ op: 'mkdir', path, mode: DIRECTORY_MODE });
  }
  for (const { controller, file, value, isOptional } of limitWrites(place.version, resources)) {
    const directory = place.version === 2 ? place.directory : place.directories[controller];
    if (directory === undefined) {
      throw new EngineError('unsupported', `This machine has no control group for ${controller}`);
    }
    builder.write(`${directory}/${file}`, value, { skipMissing: isOptional });
  }
  const unified = unifiedDirectory(place);
  if (unified !== undefined) {
    builder.push({ op: 'open', slot: SLOT.cgroup, path: unified, flags: Number(O.O_DIRECTORY) });
  }
  planDevices(builder, place, resources);
}

/** Rules of its own; others have the engine's. */
function planDevices(builder: PlanBuilder, place: CgroupPlace, resources: LinuxResources): void {
  const rules = resources.devices ?? [];
  if (place.version === 1) {
    const directory = place.directories['devices'];
    if (directory === undefined) return;
    for (const { file, value } of deviceWritesV1(rules)) {
      builder.write(`${directory}/${file}`, value);
    }
    return;
  }
  // A group of its own that is allowed everything needs no program.
  if (place.devices === 'shared' || rules.every(({ allow }) => allow)) return;
  const program = encodeEbpf(deviceProgram(rules));
  builder.push({ op: 'cgroup-device', cgroup: SLOT.cgroup, program });
}

/** Slot for `clone`'s `cgroup`; `undefined` without a version 2 tree. */
export function cloneCgroup(place: CgroupPlace | undefined): number | undefined {
  if (place === undefined || unifiedDirectory(place) === undefined) return undefined;
  return SLOT.cgroup;
}

/** Files whose writer enters its version 1 groups. */
export function taskFiles(place: CgroupPlace | undefined): readonly string[] {
  if (place?.version !== 1) return [];
  const directories = new Set(Object.values(place.directories));
  if (place.sharedDevices !== undefined) directories.add(place.sharedDevices);
  return [...directories].map((directory) => `${directory}/tasks`);
}

/** Open them before the clone: in a user namespace the child could not. Their slots. */
export function openTaskFiles(
  builder: PlanBuilder,
  place: CgroupPlace | undefined,
): readonly number[] {
  return taskFiles(place).map((path) => {
    const slot = builder.take();
    builder.push({ op: 'open', slot, path, flags: Number(O.O_WRONLY) });
    return slot;
  });
}

/** The child enters its version 1 groups; a single task that moves itself needs no global lock. */
export function planEnterV1(
  builder: PlanBuilder,
  place: CgroupPlace | undefined,
  opened: readonly number[] = [],
): void {
  for (const dir of opened) {
    builder.write('', ITSELF, { dir });
    builder.release(dir);
  }
  if (opened.length > 0) return;
  for (const path of taskFiles(place)) builder.write(path, ITSELF);
}

/** What is done when the process is gone, whatever fails. */
export function planAfter(place: CgroupPlace | undefined, spec: Spec): readonly PlanOp[] {
  if (place === undefined) return [];
  const ops: PlanOp[] = [];
  const unified = unifiedDirectory(place);
  const namespaces = spec.linux?.namespaces ?? [];
  const hasOwnPids = namespaces.some(({ type, path }) => type === 'pid' && path === undefined);
  if (!hasOwnPids && unified !== undefined) {
    // Without a pid namespace that ends with its first process, others may live on.
    const data = KILL;
    ops.push({ op: 'write', path: `${unified}/cgroup.kill`, data, skipMissing: 1 });
  }
  for (const path of directoriesOf(place)) ops.push({ op: 'rmdir', path, busyMs: REMOVE_BUSY_MS });
  return ops;
}
