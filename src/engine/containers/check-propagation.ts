/**
 * Mounts that pass from the host to a container and back need a mount on the
 * host that passes them on: elsewhere the kernel would give a bind that never
 * does, in silence. Source: mount_namespaces(7); docker's sentences.
 */

import { readFileSync, realpathSync } from 'node:fs';
import { EngineError } from '../../base/error.ts';
import { parseMountInfo, type MountEntry } from '../../kernel/procfs.ts';
import type { ContainerMount } from './mount.ts';

/** Errors: `invalid` for a bind whose source is on a mount that cannot pass on what it asks for. */
export function checkPropagation(mounts: readonly ContainerMount[]): void {
  const wishes = mounts.filter(
    ({ type, propagation }) => type === 'bind' && /shared|slave/.test(propagation),
  );
  if (wishes.length === 0) return;
  const table = parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'));
  for (const { source, propagation } of wishes) {
    const refusal = propagationRefusal(table, { path: realpathSync(source), propagation });
    if (refusal !== undefined) throw new EngineError('invalid', refusal);
  }
}

/** Why a bind of `path`, all its links resolved, cannot have this propagation; `undefined` when it can. */
export function propagationRefusal(
  table: readonly MountEntry[],
  { path, propagation }: { readonly path: string; readonly propagation: string },
): string | undefined {
  const mount = mountOf(table, path);
  const isShared = mount?.optional.some((each) => each.startsWith('shared:')) === true;
  const isSlave = mount?.optional.some((each) => each.startsWith('master:')) === true;
  const where = `path ${path} is mounted on ${mount?.mountPoint ?? '/'} but it is not a`;
  if (propagation.endsWith('shared')) return isShared ? undefined : `${where} shared mount`;
  return isShared || isSlave ? undefined : `${where} shared or slave mount`;
}

/** The deepest mount that holds a path; of two on one place, the later. */
function mountOf(table: readonly MountEntry[], path: string): MountEntry | undefined {
  return table
    .filter(({ mountPoint: point }) => isAtOrBelow(path, point))
    .reduce<MountEntry | undefined>(
      (best, each) =>
        best === undefined || each.mountPoint.length >= best.mountPoint.length ? each : best,
      undefined,
    );
}

function isAtOrBelow(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}
