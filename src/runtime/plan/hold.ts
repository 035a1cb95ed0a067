/**
 * The plan of a root without a container in it: its layers and its binds,
 * mounted in a namespace that one idle process keeps, so that files can be
 * looked at and written as the container would see them.
 *
 * For reading, what is written (mount points that are missing) goes to a tmpfs:
 * the container's own directories are only ever layers below, and a container
 * that starts meanwhile is not disturbed. Pure.
 *
 * Source: Linux filesystems/overlayfs.rst; mount_namespaces(7).
 */

import type { HostPath } from '../../base/brand.ts';
import { CLONE, MOUNT_ATTR, MS } from '../../kernel/plan/flags.ts';
import type { PlanOp } from '../../kernel/plan/op.ts';
import type { Spec } from '../../spec/oci/runtime.ts';
import type { ProcessIdentity, RootSource } from '../runtime.ts';
import { CREATE_ALIKE, prepareBind } from './bind.ts';
import { PlanBuilder, SLOT } from './builder.ts';
import type { PlannedMount } from './context.ts';
import { planPart, pushNew, readMounts } from './mounts.ts';
import { ProcessSlots } from './process-slots.ts';
import { OVERLAY_OPTIONS } from './root.ts';

/** Bytes of log that an idle process does not write. */
const LOG_BYTES = 65_536n;
const PRIVATE_MODE = 0o700;

/** What is held, and by whom. */
export interface HoldPlanInput {
  /** Only its binds, what else is lasting, and whether the root is read-only count. */
  readonly spec: Spec;
  readonly root: RootSource;
  /** False: nothing that is written reaches the root's own directories. */
  readonly isWritable: boolean;
  /** Directories (0700) of the monitor. */
  readonly runDir: HostPath;
  readonly stateDir: HostPath;
  /** An empty directory to mount on. */
  readonly stageDir: HostPath;
  readonly chiselPath: HostPath;
  /** It ends with this process. */
  readonly owner: ProcessIdentity;
  /** Only the owner sees what the host mounted since: see `PlanFeatures`. */
  readonly hidesMounts: boolean;
  readonly title: string;
}

/** The plan. Errors: `invalid` and `unsupported` with one sentence. */
export function planHold(input: HoldPlanInput): readonly PlanOp[] {
  const builder = new PlanBuilder();
  const { runDir, stateDir, title, owner } = input;
  builder.push(
    {
      op: 'monitor',
      runDir,
      stateDir,
      logKind: 0,
      logMaxBytes: LOG_BYTES,
      logMaxFiles: 1,
      tty: 0,
      openStdin: 0,
      stdinOnce: 0,
      expectedClients: 0,
      startMs: 30_000,
      oomPath: '',
      title,
    },
    {
      op: 'clone',
      flags: CLONE.CLONE_NEWNS,
      cgroup: undefined,
      uidMap: '',
      gidMap: '',
      denySetgroups: 0,
    },
    { op: 'propagation', path: '/', flags: MS.MS_PRIVATE | MS.MS_REC },
  );
  const mounts = prepareLasting(builder, input);
  planHeldRoot(builder, input);
  attachLasting(builder, mounts);
  if (input.isWritable && input.spec.root?.readonly === true) {
    const set = MOUNT_ATTR.MOUNT_ATTR_RDONLY;
    builder.push({
      op: 'mount-attr',
      slot: SLOT.root,
      set,
      clear: 0n,
      propagation: 0n,
      recursive: 0,
    });
  }
  builder.push(
    { op: 'no-new-privs' },
    { op: 'stdio', uid: 0, gid: 0 },
    { op: 'close-fds' },
    {
      op: 'exec',
      argv: [input.chiselPath, 'hold', String(owner.pid), String(owner.startTicks)],
      env: [],
      search: [],
      init: 0,
    },
  );
  return builder.ops;
}

/** Where the root is, in the namespace of the process that holds it. */
export function heldPath({
  stageDir,
  isWritable,
}: Pick<HoldPlanInput, 'stageDir' | 'isWritable'>): string {
  return isWritable ? stageDir : `${stageDir}/root`;
}

function planHeldRoot(builder: PlanBuilder, input: HoldPlanInput): void {
  const { root, stageDir, isWritable } = input;
  const path = heldPath(input);
  if (!isWritable) {
    const upper = `${stageDir}/upper`;
    const work = `${stageDir}/work`;
    planScratch(builder, [upper, work, path], stageDir);
    const lower = root.kind === 'bind' ? [root.path] : [root.upper, ...root.lower];
    planOverlay(builder, { lower, upper, work });
  } else if (root.kind === 'bind') {
    const propagation = MS.MS_PRIVATE;
    builder.push(
      { op: 'open-tree', slot: SLOT.root, path: root.path, recursive: 1 },
      { op: 'mount-attr', slot: SLOT.root, set: 0n, clear: 0n, propagation, recursive: 1 },
    );
  } else {
    planOverlay(builder, root);
  }
  builder.push({ op: 'attach', slot: SLOT.root, path, create: 0 });
}

function planOverlay(
  builder: PlanBuilder,
  {
    lower,
    upper,
    work,
  }: { readonly lower: readonly string[]; readonly upper: string; readonly work: string },
): void {
  const options = OVERLAY_OPTIONS;
  builder.push({ op: 'overlay', slot: SLOT.root, lower, upper, work, options, attrs: 0n });
}

/** Directories that vanish with the namespace. */
function planScratch(builder: PlanBuilder, paths: readonly string[], stageDir: HostPath): void {
  const slot = builder.take();
  builder.push(
    {
      op: 'fsmount',
      slot,
      fsType: 'tmpfs',
      source: 'scratch',
      options: ['mode=0700', 'size=16m'],
      attrs: 0n,
    },
    { op: 'attach', slot, path: stageDir, create: 0 },
    ...paths.map((path): PlanOp => ({ op: 'mkdir', path, mode: PRIVATE_MODE })),
  );
  builder.release(slot);
}

/** Mounts whose files are there without the container, ready to be attached. */
function prepareLasting(builder: PlanBuilder, input: HoldPlanInput): readonly PlannedMount[] {
  const { spec, stageDir, hidesMounts, owner, runDir, stateDir } = input;
  const mounts = (spec.mounts ?? []).filter(
    ({ process, isLasting }) => process === undefined || isLasting === true,
  );
  const host = hidesMounts ? { process: owner, own: [runDir, stateDir] } : undefined;
  const planned = readMounts(new ProcessSlots(builder), { ...spec, mounts }, host);
  return planned.flatMap((each) => {
    if (each.options.bind !== undefined) return [each];
    if (each.mount.isLasting !== true) return [];
    // On the stage while it is empty.
    const isPart = (each.mount.subpath ?? '') !== '';
    return [isPart ? { ...each, slot: planPart(builder, each, stageDir) } : each];
  });
}

function attachLasting(builder: PlanBuilder, mounts: readonly PlannedMount[]): void {
  for (const planned of mounts) {
    const slot = planned.slot ?? prepareWhole(builder, planned);
    const { destination: path } = planned;
    builder.push({ op: 'attach', slot, root: SLOT.root, path, create: CREATE_ALIKE });
    builder.release(slot);
  }
}

function prepareWhole(builder: PlanBuilder, planned: PlannedMount): number {
  if (planned.options.bind !== undefined) return prepareBind(builder, planned);
  const slot = builder.take();
  pushNew(builder, planned, slot);
  return slot;
}
