/**
 * `--ulimit` → limits of getrlimit(2), pure.
 *
 * Source: getrlimit(2); Engine API `Ulimit`; docker/go-units for the names.
 */

import { EngineError } from '../../../base/error.ts';
import { RLIMITS } from '../../../kernel/plan/flags.ts';
import type { Ulimit } from '../../../spec/docker/container.ts';
import type { PosixRlimit } from '../../../spec/oci/runtime.ts';

/** Open files unless told otherwise: systemd's default, safe for programs that use select(2). */
const OPEN_FILES_SOFT = 1024;
const OPEN_FILES_HARD = 524_288;
const UNLIMITED = 2n ** 64n - 1n;

/** Defaults and the request's. `openFilesMax`: what carve may give. Errors: `invalid`. */
export function containerRlimits(
  ulimits: readonly Ulimit[],
  openFilesMax: number,
): readonly PosixRlimit[] {
  const hard = Math.min(OPEN_FILES_HARD, openFilesMax);
  const limits = new Map<string, PosixRlimit>([
    ['RLIMIT_NOFILE', { type: 'RLIMIT_NOFILE', soft: Math.min(OPEN_FILES_SOFT, hard), hard }],
  ]);
  for (const ulimit of ulimits) {
    const limit = toRlimit(ulimit);
    limits.set(limit.type, limit);
  }
  return [...limits.values()];
}

function toRlimit({ Name: name = '', Soft: soft = 0, Hard: hard = 0 }: Ulimit): PosixRlimit {
  const type = `RLIMIT_${name.toUpperCase()}`;
  if (!RLIMITS.some((each) => each === type)) {
    throw new EngineError('invalid', `invalid ulimit type: ${JSON.stringify(name.slice(0, 40))}`);
  }
  const values = { soft: limitValue(name, soft), hard: limitValue(name, hard) };
  if (values.soft > values.hard) {
    throw new EngineError(
      'invalid',
      `ulimit soft limit must be less than or equal to hard limit: ${name} ${soft} > ${hard}`,
    );
  }
  return { type, ...values };
}

/** -1 is no limit. */
function limitValue(name: string, value: number): bigint {
  if (value === -1) return UNLIMITED;
  if (Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new EngineError('invalid', `invalid ulimit ${name}: ${value} is not a limit`);
}
