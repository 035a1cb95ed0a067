/**
 * Binary search over system call numbers: ranges of equal treatment and the
 * comparisons that find one.
 *
 * **Invariant:** ranges cover every 32-bit number, in order, without a gap;
 * neighbours differ.
 */

import type { Assembler, Target } from './assemble.ts';
import { sameTarget } from './assemble.ts';
import { BPF } from './instruction.ts';

/** Numbers from `from` up to the next range. */
export interface Range {
  /** First number of the range. */
  readonly from: number;
  readonly target: Target;
}

/** Ranges of the numbers that `targets` has; all others go to `otherwise`. */
export function toRanges(
  targets: ReadonlyMap<number, Target>,
  otherwise: Target,
): readonly Range[] {
  const ranges: Range[] = [];
  const add = (from: number, target: Target): void => {
    const last = ranges.at(-1);
    if (last === undefined || !sameTarget(last.target, target)) ranges.push({ from, target });
  };
  let next = 0;
  for (const [number, target] of [...targets].sort(([a], [b]) => a - b)) {
    if (number > next || ranges.length === 0) add(next, number === next ? target : otherwise);
    add(number, target);
    next = number + 1;
  }
  add(next, otherwise);
  return ranges;
}

/** Code that finds the range of A. */
export function assembleRanges(assembler: Assembler, ranges: readonly Range[]): Target {
  const [first] = ranges;
  if (first === undefined) throw new Error('no range');
  if (ranges.length === 1) return first.target;
  const middle = ranges.length >>> 1;
  const upper = assembleRanges(assembler, ranges.slice(middle));
  const lower = assembleRanges(assembler, ranges.slice(0, middle));
  const from = ranges[middle]?.from ?? 0;
  return assembler.branch(BPF.JMP_JGE_K, from, { yes: upper, no: lower });
}
