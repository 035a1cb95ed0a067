/**
 * What a container shall not see, or not write.
 *
 * **Invariant:** each path is resolved once below the root and covered by
 * descriptor; what covers a file is a verified null device (security matrix R3).
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Masked Paths", "Readonly Paths".
 */

import { EngineError } from '../../base/error.ts';
import { SLOT } from './builder.ts';
import type { PlanContext } from './context.ts';

/** Cover the paths; missing ones are left out by the kernel's answer. Errors: `invalid` for a relative one. */
export function planMasks({ builder, input }: PlanContext): void {
  const { maskedPaths = [], readonlyPaths = [] } = input.spec.linux ?? {};
  for (const path of readonlyPaths.map(checkPath)) {
    builder.push({ op: 'readonly-path', root: SLOT.root, path });
  }
  for (const path of maskedPaths.map(checkPath)) {
    builder.push({ op: 'mask', root: SLOT.root, path, null: SLOT.null });
  }
}

function checkPath(path: string): string {
  if (path.startsWith('/') && !path.includes('\0')) return path;
  throw new EngineError('invalid', `Invalid path to hide ${JSON.stringify(path.slice(0, 200))}`);
}
