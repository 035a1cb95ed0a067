/**
 * Which namespaces a container makes, and which it enters.
 *
 * A joined namespace is named by a process (a pidfd, which another process with
 * its number cannot be) or by a file. A pid namespace is entered before the
 * clone, so that one fork is enough; all others after it, the user namespace first.
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Namespaces"; namespaces(7),
 * setns(2), time_namespaces(7).
 */

import { EngineError } from '../../base/error.ts';
import { CLONE } from '../../kernel/plan/flags.ts';
import type { IdMapping, LinuxNamespace, NamespaceType, Spec } from '../../spec/oci/runtime.ts';
import type { PlanBuilder } from './builder.ts';
import type { ProcessSlots } from './process-slots.ts';

/** Flag of each kind. */
export const NAMESPACE_FLAGS: Readonly<Record<NamespaceType, bigint>> = {
  user: CLONE.CLONE_NEWUSER,
  pid: CLONE.CLONE_NEWPID,
  mount: CLONE.CLONE_NEWNS,
  network: CLONE.CLONE_NEWNET,
  ipc: CLONE.CLONE_NEWIPC,
  uts: CLONE.CLONE_NEWUTS,
  cgroup: CLONE.CLONE_NEWCGROUP,
  time: CLONE.CLONE_NEWTIME,
};

/** A namespace to enter: the slot that names it and its flag. */
interface Joined {
  readonly type: NamespaceType;
  readonly slot: number;
}

/** The container's namespaces by kind of treatment. */
export interface NamespacePlan {
  /** Flags of the clone. */
  readonly cloneFlags: bigint;
  /** It is made after the groups are entered: its root is the group of that moment. */
  readonly hasNewCgroup: boolean;
  readonly joined: readonly Joined[];
  /** A user namespace of its own. */
  readonly hasNewUser: boolean;
  /** In a user namespace, its own or a joined one. */
  readonly isInUser: boolean;
  readonly types: ReadonlySet<NamespaceType>;
  /** Kinds that are new. */
  readonly own: ReadonlySet<NamespaceType>;
}

/** Sort the namespaces; opens the joined ones. Errors: `invalid` for a double one or none of mounts. */
export function planNamespaces(processes: ProcessSlots, spec: Spec): NamespacePlan {
  const list = spec.linux?.namespaces ?? [];
  const types = new Set(list.map(({ type }) => type));
  if (types.size < list.length) throw new EngineError('invalid', 'A namespace is given twice');
  const own = new Set(list.filter(({ path }) => path === undefined).map(({ type }) => type));
  if (!own.has('mount')) {
    throw new EngineError('unsupported', 'A container needs a mount namespace of its own');
  }
  const joined = openJoined(processes, list);
  const cloneFlags = [...own]
    .filter((type) => type !== 'cgroup' && !isLateTime(type, spec))
    .reduce((flags, type) => flags | NAMESPACE_FLAGS[type], 0n);
  return {
    cloneFlags,
    hasNewCgroup: own.has('cgroup'),
    joined,
    hasNewUser: own.has('user'),
    isInUser: types.has('user'),
    types,
    own,
  };
}

/** Before the clone: what children of the caller are born into. */
export function planBeforeClone(builder: PlanBuilder, spec: Spec, plan: NamespacePlan): void {
  const pid = plan.joined.find(({ type }) => type === 'pid');
  if (pid !== undefined) {
    builder.push({ op: 'setns', slot: pid.slot, flags: NAMESPACE_FLAGS.pid });
  }
  if (plan.own.has('time') && isLateTime('time', spec)) {
    // Offsets can be written only before the first process is in the namespace.
    builder.push({ op: 'unshare', flags: NAMESPACE_FLAGS.time });
    builder.write('/proc/self/timens_offsets', timeOffsets(spec));
  }
}

/** After the clone: enter what is not new. */
export function planJoins(builder: PlanBuilder, plan: NamespacePlan): void {
  const rest = plan.joined.filter(({ type }) => type !== 'pid');
  const user = rest.filter(({ type }) => type === 'user');
  for (const { slot, type } of [...user, ...rest.filter((each) => each.type !== 'user')]) {
    builder.push({ op: 'setns', slot, flags: NAMESPACE_FLAGS[type] });
  }
}

function openJoined(processes: ProcessSlots, list: readonly LinuxNamespace[]): readonly Joined[] {
  return list.flatMap(({ type, path, process }) => {
    if (path === undefined) return [];
    if (process !== undefined) return [{ type, slot: processes.slotOf(process) }];
    const slot = processes.builder.take();
    processes.builder.push({ op: 'open', slot, path: checkNamespacePath(path), flags: 0 });
    return [{ type, slot }];
  });
}

function checkNamespacePath(path: string): string {
  if (path.startsWith('/') && !path.includes('\0')) return path;
  throw new EngineError('invalid', `Invalid namespace path ${JSON.stringify(path.slice(0, 200))}`);
}

function isLateTime(type: NamespaceType, spec: Spec): boolean {
  return type === 'time' && Object.keys(spec.linux?.timeOffsets ?? {}).length > 0;
}

function timeOffsets(spec: Spec): string {
  return Object.entries(spec.linux?.timeOffsets ?? {})
    .map(([clock, { secs = 0, nanosecs = 0 }]) => {
      if (!/^(monotonic|boottime)$/.test(clock)) {
        throw new EngineError('invalid', `Invalid clock ${JSON.stringify(clock.slice(0, 40))}`);
      }
      return `${clock} ${secs} ${nanosecs}\n`;
    })
    .join('');
}

/** Lines of a uid_map or gid_map. Errors: `invalid` without any. */
export function idMapText(mappings: readonly IdMapping[]): string {
  if (mappings.length === 0) {
    throw new EngineError('invalid', 'A user namespace needs mappings of users and groups');
  }
  return mappings
    .map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`)
    .join('');
}
