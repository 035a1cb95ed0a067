/**
 * Classic BPF as seccomp runs it: the few operation codes carve emits, and the
 * eight bytes of one instruction.
 *
 * Source: Linux `linux/filter.h`, `linux/bpf_common.h`; seccomp(2).
 */

/** One `struct sock_filter`. */
export interface Instruction {
  /** One of `BPF`. */
  readonly code: number;
  /** Number of instructions to skip when the condition holds, 0 to 255. */
  readonly jt: number;
  /** Number of instructions to skip when it does not, 0 to 255. */
  readonly jf: number;
  /** Operand, unsigned 32-bit. */
  readonly k: number;
}

/** Operation codes, named as in the kernel's headers. */
export const BPF = {
  /** A = the 32-bit word of `struct seccomp_data` at offset k. */
  LD_W_ABS: 0x20,
  /** A &= k. */
  ALU_AND_K: 0x54,
  /** Skip k instructions. */
  JMP_JA: 0x05,
  JMP_JEQ_K: 0x15,
  JMP_JGT_K: 0x25,
  JMP_JGE_K: 0x35,
  /** A & k ≠ 0. */
  JMP_JSET_K: 0x45,
  RET_K: 0x06,
} as const;

/** Offsets in `struct seccomp_data`, in bytes, on a little-endian machine. */
export const SECCOMP_DATA = {
  nr: 0,
  arch: 4,
  /** Low half of argument 0; the high half is 4 bytes further, the next argument 8. */
  args: 16,
} as const;

/** Return values of a filter; the low 16 bits are data. Source: `linux/seccomp.h`. */
export const SECCOMP_RET = {
  KILL_PROCESS: 0x80000000,
  KILL_THREAD: 0,
  TRAP: 0x00030000,
  ERRNO: 0x00050000,
  USER_NOTIF: 0x7fc00000,
  TRACE: 0x7ff00000,
  LOG: 0x7ffc0000,
  ALLOW: 0x7fff0000,
} as const;

/** Greatest number of instructions that the kernel takes (BPF_MAXINSNS). */
export const MAX_INSTRUCTIONS = 4096;

/** Bytes of one instruction. */
const INSTRUCTION_BYTES = 8;

/** `struct sock_filter[]`, little endian. */
export function encodeFilter(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, instruction] of program.entries()) {
    const at = index * INSTRUCTION_BYTES;
    view.setUint16(at, instruction.code, true);
    view.setUint8(at + 2, instruction.jt);
    view.setUint8(at + 3, instruction.jf);
    view.setUint32(at + 4, instruction.k, true);
  }
  return bytes;
}

/** The inverse of {@link encodeFilter}. */
export function decodeFilter(bytes: Uint8Array): readonly Instruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const program: Instruction[] = [];
  for (let at = 0; at + INSTRUCTION_BYTES <= bytes.byteLength; at += INSTRUCTION_BYTES) {
    program.push({
      code: view.getUint16(at, true),
      jt: view.getUint8(at + 2),
      jf: view.getUint8(at + 3),
      k: view.getUint32(at + 4, true),
    });
  }
  return program;
}
