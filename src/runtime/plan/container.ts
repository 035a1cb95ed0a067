/**
 * The plan of a container's start: what the monitor does, the clone, and what
 * the new process does until its execve. Pure.
 *
 * Order after the clone: namespaces and groups are entered; what is written
 * to /proc is written; the root is made and filled with mounts; paths are
 * hidden; names and network; then the root becomes the root, and the process
 * its program.
 *
 * Source: OCI runtime-spec 1.3 runtime.md "Lifecycle"; security matrix R1–R20.
 */

import { EngineError } from '../../base/error.ts';
import { oomFile } from '../../kernel/cgroup/place.ts';
import { CLONE, MS } from '../../kernel/plan/flags.ts';
import type { PlanOp } from '../../kernel/plan/op.ts';
import type { OciProcess, Spec } from '../../spec/oci/runtime.ts';
import { groupBytes } from './bits.ts';
import { PlanBuilder, SLOT } from './builder.ts';
import { cloneCgroup, openTaskFiles, planCgroups, planEnterV1 } from './cgroups.ts';
import type { PlanContext } from './context.ts';
import { isDevMount, planConsole, planHostNull } from './dev.ts';
import type { ContainerPlanInput } from './input.ts';
import { planLoopback } from './loopback.ts';
import { planMasks } from './masks.ts';
import {
  type HostSources,
  isShared,
  planMounts,
  prepareEarly,
  prepareParts,
  readMounts,
} from './mounts.ts';
import { idMapText, planBeforeClone, planJoins, planNamespaces } from './namespaces.ts';
import { planProc } from './proc.ts';
import { ProcessSlots } from './process-slots.ts';
import { planProcess } from './process.ts';
import { openCallersNetwork, prepareRemote } from './remote.ts';
import { planReadonlyRoot, planRoot, planStage } from './root.ts';

const DIRECTORY_MODE = 0o755;

/** The plan. Errors: `invalid` and `unsupported` with one sentence. */
export function planContainer(input: ContainerPlanInput): readonly PlanOp[] {
  const process = checkSpec(input.spec);
  const builder = new PlanBuilder();
  const { cgroup } = input;
  builder.push({
    op: 'monitor',
    ...input.monitor,
    tty: process.terminal === true ? 1 : 0,
    oomPath: cgroup === undefined ? '' : oomFile(cgroup),
  });
  if (cgroup !== undefined) planCgroups(builder, cgroup, input.spec.linux?.resources ?? {});
  const context = planCaller(builder, input);
  planChild(context, process);
  return builder.ops;
}

/** What is done before the clone, the clone, and the new process' first acts in the caller's place. */
function planCaller(builder: PlanBuilder, input: ContainerPlanInput): PlanContext {
  const processes = new ProcessSlots(builder);
  const mounts = readMounts(processes, input.spec, hostSources(input));
  const namespaces = planNamespaces(processes, input.spec);
  planHostMounts(builder, input, mounts.some(isShared));
  const hasOwnDev = mounts.some(isDevMount);
  const network = openCallersNetwork(builder, mounts, namespaces);
  const found: PlanContext = { builder, input, namespaces, mounts, hasOwnDev, ...network };
  let context = found;
  let taskSlots: readonly number[] = [];
  if (namespaces.isInUser) {
    // With the caller's rights: layers, sources and groups are not the container's to open.
    planRoot(context);
    context = prepareEarly(context, () => true);
    taskSlots = openTaskFiles(builder, input.cgroup);
  }
  planBeforeClone(builder, input.spec, namespaces);
  if (input.network !== undefined) builder.push(...input.network.before);
  builder.push({
    op: 'clone',
    flags: namespaces.cloneFlags,
    cgroup: cloneCgroup(input.cgroup),
    uidMap: namespaces.hasNewUser ? idMapText(input.spec.linux?.uidMappings ?? []) : '',
    gidMap: namespaces.hasNewUser ? idMapText(input.spec.linux?.gidMappings ?? []) : '',
    denySetgroups: namespaces.hasNewUser && input.features.isRootless ? 1 : 0,
  });
  if (namespaces.hasNewUser) {
    builder.push({ op: 'identity', uid: 0, gid: 0, groups: groupBytes([]) });
  }
  planEnterV1(builder, input.cgroup, taskSlots);
  return context;
}

function hostSources({ features, monitor }: ContainerPlanInput): HostSources | undefined {
  const { hostMounts, hidesMounts } = features;
  if (hostMounts === undefined || !hidesMounts) return undefined;
  return { process: hostMounts, own: [monitor.runDir, monitor.stateDir] };
}

/** Mounts that are to reach the host are cloned from the host's own namespace. */
function planHostMounts(builder: PlanBuilder, input: ContainerPlanInput, hasShared: boolean): void {
  if (!hasShared) return;
  const host = input.features.hostMounts;
  if (host === undefined) {
    throw new EngineError(
      'unsupported',
      'Cannot share mounts with the host: its namespace is not known',
    );
  }
  const slot = builder.take();
  builder.push(
    { op: 'pidfd', slot, pid: host.pid, startTicks: host.startTicks },
    { op: 'setns', slot, flags: CLONE.CLONE_NEWNS },
  );
  builder.release(slot);
}

/** What the new process does. */
function planChild(before: PlanContext, process: OciProcess): void {
  const { builder, input, namespaces } = before;
  const { spec, network } = input;
  planJoins(builder, namespaces);
  if (namespaces.hasNewCgroup) builder.push({ op: 'unshare', flags: CLONE.CLONE_NEWCGROUP });
  const context = planOwnMounts(before);
  planProc(context);
  // While the settings below /proc/sys can be written.
  if (namespaces.own.has('network')) planLoopback(builder);
  if (network !== undefined) builder.push(...network.inside);
  if (!namespaces.isInUser) planRoot(context);
  const ready = prepareParts(prepareRemote(context));
  planStage(ready);
  planMounts(ready);
  if (!context.hasOwnDev) planHostNull(builder);
  planConsole(context);
  planMasks(context);
  planNames(builder, spec, namespaces.own.has('uts'));
  planCwd(builder, process.cwd);
  planReadonlyRoot(context);
  builder.push({ op: 'pivot', slot: SLOT.root });
  planRootPropagation(builder, spec);
  planProcess(builder, {
    process,
    spec,
    isInUser: namespaces.isInUser,
    init: input.init,
    features: input.features,
    compileSeccomp: input.compileSeccomp,
  });
}

/** Trees in the host's peer groups are cloned; then nothing of this namespace reaches the host. */
function planOwnMounts(context: PlanContext): PlanContext {
  if (!context.mounts.some(isShared)) return context;
  const prepared = prepareEarly(context, isShared);
  context.builder.push({ op: 'propagation', path: '/', flags: MS.MS_SLAVE | MS.MS_REC });
  return prepared;
}

function planNames(builder: PlanBuilder, spec: Spec, hasOwnUts: boolean): void {
  const { hostname = '', domainname = '' } = spec;
  if ((hostname !== '' || domainname !== '') && !hasOwnUts) {
    throw new EngineError('invalid', 'A host name needs a UTS namespace of its own');
  }
  if (hostname !== '') builder.push({ op: 'sethostname', name: hostname });
  if (domainname !== '') builder.push({ op: 'setdomainname', name: domainname });
}

/** A working directory that the image does not have is made. */
function planCwd(builder: PlanBuilder, cwd: string): void {
  if (cwd === '/') return;
  builder.push({ op: 'mkdirs', root: SLOT.root, path: cwd, mode: DIRECTORY_MODE, uid: 0, gid: 0 });
}

/** The root is private unless asked otherwise; pivot_root refuses a shared one, so this comes after. */
function planRootPropagation(builder: PlanBuilder, spec: Spec): void {
  const asked = spec.linux?.rootfsPropagation;
  if (asked === undefined || asked === 'private' || asked === 'rprivate') return;
  const isDeep = asked === 'rshared' || asked === 'rslave';
  const name = isDeep ? asked.slice(1) : asked;
  const flag = name === 'shared' ? MS.MS_SHARED : name === 'slave' ? MS.MS_SLAVE : MS.MS_UNBINDABLE;
  builder.push({ op: 'propagation', path: '/', flags: isDeep ? flag | MS.MS_REC : flag });
}

function checkSpec(spec: Spec): OciProcess {
  if (spec.process === undefined) throw new EngineError('invalid', 'There is no process to run');
  const hooks = Object.values(spec.hooks ?? {}).flat();
  if (hooks.length > 0) throw new EngineError('unsupported', 'Hooks are not there yet');
  if ((spec.linux?.mountLabel ?? '') !== '') {
    throw new EngineError('unsupported', 'SELinux labels of mounts are not there yet');
  }
  return spec.process;
}
