/**
 * Paths in a container's writable layer that carve made as places to mount on,
 * so that `diff`, `commit` and `export` can leave them out, pure.
 */

import type { ContainerRecord } from './record.ts';

/** Mounted in every container. */
const ALWAYS = ['dev', 'proc', 'sys', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf'];

/** Without leading slash. */
export function stubsOf(record: Pick<ContainerRecord, 'mounts'>): readonly string[] {
  return [...ALWAYS, ...record.mounts.map((mount) => mount.destination.slice(1))];
}
