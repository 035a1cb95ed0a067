/**
 * An assembler that writes a program from its end: every jump goes forward in
 * a filter, so its target is always known when the jump is written, and equal
 * tails (`return ALLOW`) are shared instead of copied.
 *
 * **Invariant:** a conditional jump never skips more than 255 instructions; a
 * target out of reach gets a copy (a return) or a plain jump to it nearby.
 */

import type { Instruction } from './instruction.ts';
import { BPF } from './instruction.ts';

/** Where a jump goes: an instruction already written, or a return value. */
export type Target =
  | {
      /** Index in the order of writing. */
      readonly at: number;
    }
  | {
      /** 32 bits. */
      readonly value: number;
    };

/** Skips of a conditional jump fit 8 bits; one place is kept for a jump in between. */
const REACH = 254;

/** Writes one program backwards. */
export class Assembler {
  /** In reverse: index 0 is the last instruction of the program. */
  readonly #reversed: Instruction[] = [];
  /** Return value → index of the nearest instruction that returns it. */
  readonly #returns = new Map<number, number>();

  /** Number of instructions so far. */
  get size(): number {
    return this.#reversed.length;
  }

  /** A target that is reached by falling through from the next instruction written. */
  next(target: Target): Target {
    const index = 'at' in target ? target.at : this.#returns.get(target.value);
    if (index !== undefined && index === this.#reversed.length - 1) return { at: index };
    if ('value' in target) return { at: this.#return(target.value) };
    return { at: this.#push({ code: BPF.JMP_JA, jt: 0, jf: 0, k: this.#distance(target.at) }) };
  }

  /** `A = data[offset]`, then go on at `then`. */
  load(offset: number, then: Target): Target {
    this.next(then);
    return { at: this.#push({ code: BPF.LD_W_ABS, jt: 0, jf: 0, k: offset }) };
  }

  /** `A &= mask`, then go on at `then`. */
  and(mask: number, then: Target): Target {
    this.next(then);
    return { at: this.#push({ code: BPF.ALU_AND_K, jt: 0, jf: 0, k: mask >>> 0 }) };
  }

  /** Compare A with `k` by `code`: to `yes` when it holds, else to `no`. */
  branch(code: number, k: number, to: { readonly yes: Target; readonly no: Target }): Target {
    if (sameTarget(to.yes, to.no)) return to.yes;
    // Bringing `no` near adds one instruction at most, so `yes` stays in reach.
    const yes = this.#near(to.yes);
    const no = this.#near(to.no);
    const jump = { code, jt: this.#distance(yes), jf: this.#distance(no), k: k >>> 0 };
    return { at: this.#push(jump) };
  }

  /** The program, first instruction first; `entry` is where it starts. */
  finish(entry: Target): readonly Instruction[] {
    this.next(entry);
    return this.#reversed.toReversed();
  }

  /** Index of an instruction within reach of the next one that does what `target` does. */
  #near(target: Target): number {
    const index = 'at' in target ? target.at : this.#returns.get(target.value);
    if (index !== undefined && this.#distance(index) <= REACH) return index;
    if ('value' in target) return this.#return(target.value);
    return this.#push({ code: BPF.JMP_JA, jt: 0, jf: 0, k: this.#distance(target.at) });
  }

  #return(value: number): number {
    const index = this.#push({ code: BPF.RET_K, jt: 0, jf: 0, k: value >>> 0 });
    this.#returns.set(value, index);
    return index;
  }

  /** Instructions between the next one written and the one at `index`. */
  #distance(index: number): number {
    return this.#reversed.length - index - 1;
  }

  #push(instruction: Instruction): number {
    return this.#reversed.push(instruction) - 1;
  }
}

/** True when both go to the same place. */
export function sameTarget(a: Target, b: Target): boolean {
  if ('at' in a) return 'at' in b && a.at === b.at;
  return 'value' in b && a.value === b.value;
}
