/**
 * File systems whose files are on another machine. The kernel reaches their
 * server through the network namespace of the process that mounts them, for as
 * long as they are mounted; a container's own has no way there while it is made,
 * or never. So the new process mounts them in the network it came from. Pure.
 *
 * Source: nfs(5), mount.cifs(8); network_namespaces(7).
 */

import { EngineError } from '../../base/error.ts';
import { CLONE } from '../../kernel/plan/flags.ts';
import type { PlanBuilder } from './builder.ts';
import type { PlanContext, PlannedMount } from './context.ts';
import { hasPart, planPart, planWhole } from './mounts.ts';
import type { NamespacePlan } from './namespaces.ts';

const REMOTE: ReadonlySet<string> = new Set(['9p', 'afs', 'ceph', 'cifs', 'nfs', 'nfs4', 'smb3']);
const OWN_NETWORK = '/proc/self/ns/net';

function isRemote({ mount, options }: PlannedMount): boolean {
  return options.bind === undefined && REMOTE.has(mount.type ?? '');
}

/**
 * Slot of the caller's network, when a mount asks for it. Precondition:
 * the plan is before its clone. Errors: `unsupported` in a user namespace, which
 * cannot come back to it.
 */
export function openCallersNetwork(
  builder: PlanBuilder,
  mounts: readonly PlannedMount[],
  namespaces: NamespacePlan,
): Pick<PlanContext, 'callersNetwork'> {
  const first = mounts.find(isRemote);
  if (first === undefined || !namespaces.types.has('network')) return {};
  if (namespaces.isInUser) {
    throw new EngineError(
      'unsupported',
      `Cannot mount ${first.mount.type ?? ''} on ${first.destination}: the container is in a user namespace`,
    );
  }
  const slot = builder.take();
  builder.push({ op: 'open', slot, path: OWN_NETWORK, flags: 0 });
  return { callersNetwork: slot };
}

/** Make them, and come back to the container's network. */
export function prepareRemote(context: PlanContext): PlanContext {
  const { builder, callersNetwork, input } = context;
  if (callersNetwork === undefined) return context;
  const own = builder.take();
  const flags = CLONE.CLONE_NEWNET;
  builder.push(
    { op: 'open', slot: own, path: OWN_NETWORK, flags: 0 },
    { op: 'setns', slot: callersNetwork, flags },
  );
  const mounts = context.mounts.map((each) => {
    if (!isRemote(each)) return each;
    const slot = hasPart(each) ? planPart(builder, each, input.stageDir) : planWhole(builder, each);
    return { ...each, slot };
  });
  builder.push({ op: 'setns', slot: own, flags });
  builder.release(own);
  builder.release(callersNetwork);
  return { ...context, mounts };
}
