/**
 * Reading one file of a container: the plan, and its reply.
 *
 * The layers of a container that does not run are stacked read-only, its
 * writable directory on top as one more: so nothing is written, and a mount
 * that uses these directories meanwhile is not disturbed. The mount is never
 * attached anywhere; it vanishes with the process that runs the plan.
 *
 * Source: Linux overlayfs.rst "Multiple lower layers"; openat2(2) RESOLVE_IN_ROOT.
 */

import { EngineError } from '../base/error.ts';
import { O } from '../kernel/plan/flags.ts';
import type { Plan } from '../kernel/plan/op.ts';
import type { ProcessRoot, RootSource } from './runtime.ts';

const ROOT = 0;
const PIDFD = 1;
/** Absent, or something that is not a regular file: ENOENT, ENOTDIR, EISDIR, EINVAL, ELOOP. */
const NOT_A_FILE: ReadonlySet<number> = new Set([2, 20, 21, 22, 40]);
const EFBIG = 27;

/** A plan whose last operation reads `path`. Pure. */
export function planReadFile(
  place: RootSource | ProcessRoot,
  path: string,
  maxBytes: number,
): Plan {
  return [...openRoot(place), { op: 'read', root: ROOT, path, maxBytes }];
}

/** Operations that open the root into slot 0. */
export function openRoot(place: RootSource | ProcessRoot): Plan {
  const flags = Number(O.O_PATH | O.O_DIRECTORY);
  switch (place.kind) {
    case 'bind':
      return [{ op: 'open', slot: ROOT, dir: undefined, path: place.path, flags }];
    case 'overlay':
      return [
        {
          op: 'overlay',
          slot: ROOT,
          lower: [place.upper, ...place.lower],
          upper: '',
          work: '',
          options: [],
          attrs: 0n,
        },
      ];
    case 'process': {
      const { pid, startTicks } = place.process;
      // Not by joining its mount namespace: there /proc would be the container's. The check
      // comes after the open: who had the pid with this start time then had it all along.
      return [
        { op: 'open', slot: ROOT, dir: undefined, path: `/proc/${pid}/root`, flags },
        { op: 'pidfd', slot: PIDFD, pid, startTicks },
      ];
    }
  }
}

/** Bytes of the file; `undefined` when absent or not a regular file. Errors: `exhausted`, `internal`. */
export function decodeReadReply(reply: Uint8Array, path: string): Uint8Array | undefined {
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  const errno = view.getInt32(0, true);
  if (errno === 0) return reply.subarray(8, 8 + view.getUint32(4, true));
  if (errno === EFBIG) throw new EngineError('exhausted', `Cannot read ${path}: it is too large`);
  if (NOT_A_FILE.has(errno)) return undefined;
  throw new EngineError('internal', `Cannot read ${path}: error ${errno}`, { details: { errno } });
}
