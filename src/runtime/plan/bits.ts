/** Names of capabilities and limits → the numbers of plan operations. */

import { EngineError } from '../../base/error.ts';
import { CAPABILITIES, RLIMITS } from '../../kernel/plan/flags.ts';
import type { PlanOp } from '../../kernel/plan/op.ts';
import type { PosixRlimit } from '../../spec/oci/runtime.ts';

const BITS: ReadonlyMap<string, bigint> = new Map(
  CAPABILITIES.map((name, bit) => [name, 1n << BigInt(bit)]),
);
const UNLIMITED = 2n ** 64n - 1n;

/** `1 << CAP_*` of every name that is in `grantable`; others cannot be had and are left out. */
export function capabilityBits(names: readonly string[], grantable: bigint): bigint {
  return names.reduce((bits, name) => bits | (BITS.get(name) ?? 0n), 0n) & grantable;
}

/** One bit. */
export function capabilityBit(name: (typeof CAPABILITIES)[number]): bigint {
  return BITS.get(name) ?? 0n;
}

/** Operations that set limits. Errors: `invalid` for an unknown or repeated one. */
export function rlimitOps(limits: readonly PosixRlimit[]): readonly PlanOp[] {
  const seen = new Set<string>();
  return limits.map(({ type, soft, hard }) => {
    const resource = RLIMITS.findIndex((name) => name === type);
    if (resource === -1) throw new EngineError('invalid', `Unknown limit ${JSON.stringify(type)}`);
    if (seen.has(type)) throw new EngineError('invalid', `Limit ${type} is given twice`);
    seen.add(type);
    return { op: 'rlimit', resource, soft: limitValue(soft), hard: limitValue(hard) };
  });
}

/** Negative: unlimited. */
function limitValue(value: number | bigint): bigint {
  const wide = BigInt(value);
  return wide < 0n ? UNLIMITED : BigInt.asUintN(64, wide);
}

/** Group ids as a plan carries them. */
export function groupBytes(gids: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(gids.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, gid] of gids.entries()) view.setUint32(index * 4, gid, true);
  return bytes;
}
