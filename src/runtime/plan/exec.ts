/**
 * The plan of an exec: enter a running container and become a process that is
 * held to the same policy as the container's own. Pure.
 *
 * The pid namespace is entered before the clone, so that one fork is enough;
 * everything else by one setns of the container's pidfd.
 *
 * Source: setns(2); security matrix R2, R27.
 */

import { EngineError } from '../../base/error.ts';
import { unifiedDirectory } from '../../kernel/cgroup/place.ts';
import { O } from '../../kernel/plan/flags.ts';
import type { PlanOp } from '../../kernel/plan/op.ts';
import type { NamespaceType, Spec } from '../../spec/oci/runtime.ts';
import { PlanBuilder, SLOT } from './builder.ts';
import { cloneCgroup, planEnterV1 } from './cgroups.ts';
import type { ExecPlanInput } from './input.ts';
import { NAMESPACE_FLAGS } from './namespaces.ts';
import { planSelf } from './proc.ts';
import { planProcess } from './process.ts';

const DIRECTORY = Number(O.O_PATH | O.O_DIRECTORY);

/** The plan. Errors: `invalid` and `unsupported` with one sentence. */
export function planExec(input: ExecPlanInput): readonly PlanOp[] {
  const { spec, process, target, cgroup } = input;
  const builder = new PlanBuilder();
  const types = new Set((spec.linux?.namespaces ?? []).map(({ type }) => type));
  const container = builder.take();
  builder.push({ op: 'pidfd', slot: container, pid: target.pid, startTicks: target.startTicks });
  if (types.has('pid')) {
    builder.push({ op: 'setns', slot: container, flags: NAMESPACE_FLAGS.pid });
  }
  const unified = cgroup === undefined ? undefined : unifiedDirectory(cgroup);
  if (unified !== undefined) {
    builder.push({ op: 'open', slot: SLOT.cgroup, path: unified, flags: Number(O.O_DIRECTORY) });
  }
  builder.push({
    op: 'clone',
    flags: 0n,
    cgroup: cloneCgroup(cgroup),
    uidMap: '',
    gidMap: '',
    denySetgroups: 0,
  });
  planEnterV1(builder, cgroup);
  // The host's procfs, from before the container's mounts are entered.
  builder.push({ op: 'open', slot: SLOT.proc, path: '/proc', flags: DIRECTORY });
  planSelf(builder, process);
  builder.push({ op: 'setns', slot: container, flags: joinFlags(types) });
  if (process.terminal === true) planConsole(builder, input, spec);
  planProcess(builder, {
    process,
    spec,
    isInUser: types.has('user'),
    init: false,
    features: input.features,
    compileSeccomp: input.compileSeccomp,
  });
  return builder.ops;
}

/** Every namespace of the container but the pid namespace, which children are born into. */
function joinFlags(types: ReadonlySet<NamespaceType>): bigint {
  if (!types.has('mount'))
    throw new EngineError('internal', 'The container has no mount namespace');
  return [...types]
    .filter((type) => type !== 'pid')
    .reduce((flags, type) => flags | NAMESPACE_FLAGS[type], 0n);
}

/** A console of the container's own devpts, found below its root. */
function planConsole(builder: PlanBuilder, { process }: ExecPlanInput, spec: Spec): void {
  const hasPts = (spec.mounts ?? []).some(({ destination }) => destination === '/dev/pts');
  if (!hasPts) throw new EngineError('invalid', 'A terminal needs a devpts on /dev/pts');
  builder.push(
    { op: 'open', slot: SLOT.root, path: '/', flags: DIRECTORY },
    { op: 'open', slot: SLOT.devpts, dir: SLOT.root, path: 'dev/pts', flags: DIRECTORY },
    {
      op: 'console',
      slot: SLOT.console,
      devpts: SLOT.devpts,
      rows: process.consoleSize?.height ?? 0,
      columns: process.consoleSize?.width ?? 0,
      uid: process.user.uid,
    },
  );
}
