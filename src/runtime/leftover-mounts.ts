/**
 * Mounts in directories that are the engine's alone. It makes none there that
 * the host sees, so what is mounted there was left, or put, by somebody else;
 * a deletion would go through it.
 *
 * **Invariant:** only what is strictly below one of the given directories is
 * detached; a directory may itself be a mount of the operator's.
 *
 * Source: proc_pid_mountinfo(5), umount(2).
 */

import { readFileSync, realpathSync } from 'node:fs';
import type { HostPath } from '../base/brand.ts';
import type { Chisel } from '../kernel/chisel.ts';
import { CLONE } from '../kernel/plan/flags.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { parseMountInfo } from '../kernel/procfs.ts';
import { identify } from './machine.ts';
import type { ProcessIdentity } from './runtime.ts';

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const SLOT = 0;

/** Mount points strictly below the places, the last made first: each is free when its turn comes. Pure. */
export function mountsBelow(mountInfo: string, places: readonly string[]): readonly string[] {
  return parseMountInfo(mountInfo)
    .map(({ mountPoint }) => mountPoint)
    .filter((point) => places.some((place) => point.startsWith(`${place}/`)))
    .toReversed();
}

/** Operations that detach mounts in the namespace of a process. */
export function planDetach(points: readonly string[], owner: ProcessIdentity): readonly PlanOp[] {
  return [
    { op: 'pidfd', slot: SLOT, pid: owner.pid, startTicks: owner.startTicks },
    { op: 'setns', slot: SLOT, flags: CLONE.CLONE_NEWNS },
    ...points.map((path): PlanOp => ({ op: 'umount', path, flags: MNT_DETACH | UMOUNT_NOFOLLOW })),
  ];
}

/** Detach what is mounted below the places, before anything in them is deleted; what was. A place may be absent. Errors: those of the chisel. */
export async function detachMounts(
  chisel: Pick<Chisel, 'apply'>,
  places: readonly HostPath[],
): Promise<readonly string[]> {
  const owner = identify(process.pid);
  if (owner === undefined) return [];
  const points = mountsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), places.flatMap(realOf));
  if (points.length === 0) return [];
  await chisel.apply(planDetach(points, owner), {
    failure: `Cannot detach ${points[0]}, which is mounted in a directory of the engine's own`,
  });
  return points;
}

/** As the kernel shows it. */
function realOf(place: HostPath): readonly string[] {
  try {
    return [realpathSync(place)];
  } catch {
    return [];
  }
}
