/**
 * The container's root: an overlay of its layers and writable directory, or a
 * directory as it is. It is attached on an empty directory in the container's
 * own mount namespace: the host never sees it, and when the last process is
 * gone the kernel takes it down.
 *
 * Source: Linux filesystems/overlayfs.rst; pivot_root(2).
 */

import { MOUNT_ATTR, MS } from '../../kernel/plan/flags.ts';
import { SLOT } from './builder.ts';
import type { PlanContext } from './context.ts';

/**
 * The writable directory stays a plain change set, which `diff` and `commit`
 * can read: no redirects, no metadata-only copies, no index.
 */
export const OVERLAY_OPTIONS: readonly string[] = ['index=off', 'metacopy=off', 'redirect_dir=off'];

/** Make the root as a detached mount in `SLOT.root`. */
export function planRoot({ builder, input }: PlanContext): void {
  const { root, features } = input;
  if (root.kind === 'overlay') {
    const { lower, upper, work } = root;
    const options = features.isRootless ? [...OVERLAY_OPTIONS, 'userxattr'] : OVERLAY_OPTIONS;
    builder.push({ op: 'overlay', slot: SLOT.root, lower, upper, work, options, attrs: 0n });
    return;
  }
  const propagation = MS.MS_PRIVATE;
  builder.push(
    { op: 'open-tree', slot: SLOT.root, path: root.path, recursive: 1 },
    { op: 'mount-attr', slot: SLOT.root, set: 0n, clear: 0n, propagation, recursive: 1 },
  );
}

/** Attach it, so that mounts can be attached below it. */
export function planStage({ builder, input }: PlanContext): void {
  builder.push({ op: 'attach', slot: SLOT.root, path: input.stageDir, create: 0 });
}

/** After all is made in it. */
export function planReadonlyRoot({ builder, input }: PlanContext): void {
  if (input.spec.root?.readonly !== true) return;
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
