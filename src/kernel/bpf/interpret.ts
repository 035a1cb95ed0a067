/**
 * Runs a filter as the kernel does: for tests, and to explain a refused call.
 *
 * Source: Linux `kernel/seccomp.c` (seccomp_check_filter), `net/core/filter.c`.
 */

import { EngineError } from '../../base/error.ts';
import type { Instruction } from './instruction.ts';
import { BPF, SECCOMP_DATA } from './instruction.ts';

/** A system call as a filter sees it. */
export interface SyscallData {
  /** Number, with the x32 bit where it applies. */
  readonly nr: number;
  /** AUDIT_ARCH_* number of the caller. */
  readonly arch: number;
  /** Up to six, unsigned 64-bit; absent ones are 0. */
  readonly args: readonly bigint[];
}

const DATA_BYTES = 64;

/** The filter's return value, unsigned 32-bit. Errors: `invalid` when the kernel would refuse the program. */
export function interpretFilter(program: readonly Instruction[], data: SyscallData): number {
  return runFilter(program, data).value;
}

/** How a filter ended. */
export interface FilterResult {
  /** Its return value, 32 bits. */
  readonly value: number;
  /** Number of instructions that ran. */
  readonly steps: number;
}

/** As {@link interpretFilter}, with the number of instructions that ran. */
export function runFilter(program: readonly Instruction[], data: SyscallData): FilterResult {
  const memory = encodeData(data);
  let a = 0;
  let steps = 0;
  for (let at = 0; ; at++) {
    const instruction = program[at];
    if (instruction === undefined) throw refuse(`it runs past its end at ${at}`);
    const { code, k, jt, jf } = instruction;
    steps++;
    switch (code) {
      case BPF.RET_K:
        return { value: k, steps };
      case BPF.LD_W_ABS:
        if (k % 4 !== 0 || k >= DATA_BYTES) throw refuse(`it loads from offset ${k}`);
        a = memory.getUint32(k, true);
        break;
      case BPF.ALU_AND_K:
        a = (a & k) >>> 0;
        break;
      case BPF.JMP_JA:
        at += k;
        break;
      default:
        at += compare(code, a, k) ? jt : jf;
    }
  }
}

function compare(code: number, a: number, k: number): boolean {
  switch (code) {
    case BPF.JMP_JEQ_K:
      return a === k;
    case BPF.JMP_JGT_K:
      return a > k;
    case BPF.JMP_JGE_K:
      return a >= k;
    case BPF.JMP_JSET_K:
      return (a & k) !== 0;
    default:
      throw refuse(`it has the operation 0x${code.toString(16)}`);
  }
}

function encodeData({ nr, arch, args }: SyscallData): DataView {
  const view = new DataView(new ArrayBuffer(DATA_BYTES));
  view.setUint32(SECCOMP_DATA.nr, nr, true);
  view.setUint32(SECCOMP_DATA.arch, arch, true);
  for (const [index, value] of args.entries()) {
    view.setBigUint64(SECCOMP_DATA.args + index * 8, value, true);
  }
  return view;
}

function refuse(what: string): EngineError {
  return new EngineError('invalid', `The kernel would refuse the seccomp filter: ${what}`);
}
