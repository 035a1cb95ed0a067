/**
 * One condition on one argument of a call: its normal form, its meaning
 * (`holds`, the reference in tests) and its code.
 *
 * A filter loads 32 bits at a time, so a 64-bit comparison is two.
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Seccomp"; libseccomp
 * seccomp_rule_add(3).
 */

import type { SeccompArgument } from '../../spec/oci/seccomp.ts';
import type { Assembler, Target } from './assemble.ts';
import { BPF, SECCOMP_DATA } from './instruction.ts';

/** `(argument & mask) op value`, unsigned. `isNegated` turns the result round. */
export interface Condition {
  /** Position of the argument, 0 to 5. */
  readonly index: number;
  readonly op: 'eq' | 'ge' | 'gt';
  /** Bits compared; all of them unless `op` is `eq`. */
  readonly mask: bigint;
  /** Unsigned 64-bit. */
  readonly value: bigint;
  readonly isNegated: boolean;
  /** The kernel reads the low 32 bits only. */
  readonly is32Bit: boolean;
}

const ALL = 0xffff_ffff_ffff_ffffn;
const LOW = 0xffff_ffffn;
const LOW_NUMBER = 0xffffffff;

/** Normal form of an OCI argument. Precondition: checked by `check-seccomp.ts`. */
export function toCondition(argument: SeccompArgument, is32Bit: boolean): Condition {
  const { index } = argument;
  const value = narrow(BigInt.asUintN(64, BigInt(argument.value)), is32Bit);
  const base = { index, mask: is32Bit ? LOW : ALL, value, is32Bit };
  switch (argument.op) {
    case 'SCMP_CMP_EQ':
      return { ...base, op: 'eq', isNegated: false };
    case 'SCMP_CMP_NE':
      return { ...base, op: 'eq', isNegated: true };
    case 'SCMP_CMP_GE':
      return { ...base, op: 'ge', isNegated: false };
    case 'SCMP_CMP_LT':
      return { ...base, op: 'ge', isNegated: true };
    case 'SCMP_CMP_GT':
      return { ...base, op: 'gt', isNegated: false };
    case 'SCMP_CMP_LE':
      return { ...base, op: 'gt', isNegated: true };
    case 'SCMP_CMP_MASKED_EQ': {
      const datum = narrow(BigInt.asUintN(64, BigInt(argument.valueTwo ?? 0)), is32Bit);
      return { ...base, op: 'eq', mask: value, value: datum, isNegated: false };
    }
  }
}

/** A negative `int` may be written with its sign in the upper half. */
function narrow(value: bigint, is32Bit: boolean): bigint {
  return is32Bit && value >> 31n === ALL >> 31n ? value & LOW : value;
}

/** True when `argument` (unsigned 64-bit, as in the register) meets the condition. */
export function holds(condition: Condition, argument: bigint): boolean {
  const seen = condition.is32Bit ? argument & LOW : argument;
  const { mask, value, op } = condition;
  const result = op === 'eq' ? (seen & mask) === value : op === 'ge' ? seen >= value : seen > value;
  return result !== condition.isNegated;
}

/** Code that goes to `to.yes` when the condition holds, else to `to.no`. */
export function assembleCondition(
  assembler: Assembler,
  condition: Condition,
  to: { readonly yes: Target; readonly no: Target },
): Target {
  const ends = condition.isNegated ? { yes: to.no, no: to.yes } : to;
  return condition.op === 'eq'
    ? assembleEqual(assembler, condition, ends)
    : assembleOrder(assembler, condition, ends);
}

function assembleEqual(
  assembler: Assembler,
  { index, mask, value, is32Bit }: Condition,
  to: { readonly yes: Target; readonly no: Target },
): Target {
  const seen = is32Bit ? mask & LOW : mask;
  // A bit that the mask drops can never be seen.
  if ((value & ~seen) !== 0n) return to.no;
  const low = half(
    assembler,
    { offset: lowOffset(index), mask: seen & LOW, value: value & LOW },
    to,
  );
  return half(
    assembler,
    { offset: highOffset(index), mask: seen >> 32n, value: value >> 32n },
    { yes: low, no: to.no },
  );
}

/** `(word & mask) = value` for one 32-bit half. */
function half(
  assembler: Assembler,
  word: { readonly offset: number; readonly mask: bigint; readonly value: bigint },
  to: { readonly yes: Target; readonly no: Target },
): Target {
  if (word.mask === 0n) return to.yes;
  const mask = Number(word.mask);
  const test = assembler.branch(BPF.JMP_JEQ_K, Number(word.value), to);
  const masked = mask === LOW_NUMBER ? test : assembler.and(mask, test);
  return assembler.load(word.offset, masked);
}

function assembleOrder(
  assembler: Assembler,
  { index, value, op, is32Bit }: Condition,
  to: { readonly yes: Target; readonly no: Target },
): Target {
  if (op === 'ge' && value === 0n) return to.yes;
  if (is32Bit && value > LOW) return to.no;
  const code = op === 'ge' ? BPF.JMP_JGE_K : BPF.JMP_JGT_K;
  const test = assembler.branch(code, Number(value & LOW), to);
  const low = assembler.load(lowOffset(index), test);
  if (is32Bit) return low;
  const high = Number(value >> 32n);
  const equal = assembler.branch(BPF.JMP_JEQ_K, high, {
    yes: low,
    no: high === 0 ? to.yes : to.no,
  });
  const above =
    high === 0 ? equal : assembler.branch(BPF.JMP_JGT_K, high, { yes: to.yes, no: equal });
  return assembler.load(highOffset(index), above);
}

function lowOffset(index: number): number {
  return SECCOMP_DATA.args + index * 8;
}

function highOffset(index: number): number {
  return lowOffset(index) + 4;
}
