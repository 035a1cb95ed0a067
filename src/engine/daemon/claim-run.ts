/**
 * Whose run directory this is. What runs is found there by container id, and
 * what no container of an engine's root needs is swept: two roots must never
 * share one.
 *
 * **Invariant:** a run directory says which root it belongs to from its first
 * use until it vanishes (with the boot), whether that root's daemon lives or not.
 */

import { existsSync, linkSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import type { HostPath } from '../../base/brand.ts';
import { EngineError } from '../../base/error.ts';

/**
 * Say that `run` belongs to `root`; idempotent. A claim of a root that is no
 * more is taken over. Precondition: the caller holds the lock on `root`.
 * Errors: `in-use` when it is another root's.
 */
export function claimRunDirectory(run: HostPath, root: HostPath): void {
  const claim = `${run}/root`;
  const ours = realpathSync(root);
  const temporary = `${claim}.${process.pid}`;
  writeFileSync(temporary, `${ours}\n`, { mode: 0o600 });
  try {
    // A link, so that of two engines that come together one finds the whole name of the other.
    for (let attempt = 0; !linked(temporary, claim); attempt++) {
      const owner = readOwner(claim);
      if (owner === ours) return;
      if (attempt > 0 || (owner !== undefined && existsSync(`${owner}/state.db`))) {
        throw new EngineError(
          'in-use',
          `Cannot use ${run}: it belongs to the engine with root ${owner ?? 'unknown'}`,
          { hint: 'Start this one with another --run' },
        );
      }
      rmSync(claim, { force: true });
    }
  } finally {
    rmSync(temporary, { force: true });
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function readOwner(claim: string): string | undefined {
  try {
    return readFileSync(claim, 'utf8').trimEnd();
  } catch {
    return undefined;
  }
}
