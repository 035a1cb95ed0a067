/**
 * Device rules → the eBPF program that a cgroup v2 directory runs at every
 * open and mknod of a device (BPF_PROG_TYPE_CGROUP_DEVICE).
 *
 * Meaning: for each requested right (read, write, mknod) the *last* rule that
 * matches the device and names the right decides; no rule: refused. All
 * requested rights must be given.
 *
 * Source: Linux `linux/bpf.h` (`struct bpf_cgroup_dev_ctx`, BPF_DEVCG_*);
 * OCI runtime-spec 1.3 config-linux.md "Allowed Device list".
 */

import type { LinuxDeviceRule } from '../../spec/oci/resources.ts';

/** One 8-byte `struct bpf_insn`. */
export interface EbpfInstruction {
  /** One of `EBPF`. */
  readonly code: number;
  /** Number of the destination register, 0 to 10. */
  readonly dst: number;
  /** Number of the source register, 0 to 10. */
  readonly src: number;
  /** Signed 16-bit: bytes (loads) or instructions to skip (jumps). */
  readonly offset: number;
  /** Operand, signed 32-bit. */
  readonly imm: number;
}

/** Operation codes used here. */
export const EBPF = {
  /** dst = *(u32 *)(src + offset) */
  LDX_W: 0x61,
  /** dst = *(u64 *)(src + offset) */
  LDX_DW: 0x79,
  /** *(u32 *)(dst + offset) = src */
  STX_W: 0x63,
  /** dst = the immediate of this instruction and of the next; src 1: the hash table of that number. */
  LD_IMM64: 0x18,
  MOV64_X: 0xbf,
  ADD64_K: 0x07,
  /** Helper number imm: r0 = f(r1, r2, …) */
  CALL: 0x85,
  JEQ64_K: 0x15,
  JNE64_K: 0x55,
  JNE64_X: 0x5d,
  MOV32_X: 0xbc,
  MOV64_K: 0xb7,
  AND32_K: 0x54,
  RSH32_K: 0x74,
  /** if (u32)dst ≠ imm skip offset */
  JNE32_K: 0x56,
  /** if (u32)dst & imm skip offset */
  JSET32_K: 0x46,
  /** Skip offset instructions. */
  JA: 0x05,
  EXIT: 0x95,
} as const;

/** Rights of a request. */
export const DEVICE_ACCESS = { m: 1, r: 2, w: 4 } as const;
/** Read, write and mknod. */
export const ALL_RIGHTS = 7;
/** Kinds of device. */
export const DEVICE_TYPE = { b: 1, c: 2 } as const;

const RESULT = 0;
const CONTEXT = 1;
const TYPE = 2;
const RIGHTS = 3;
const MAJOR = 4;
const MINOR = 5;

const REFUSED = 0;
const GRANTED = 1;

/** The rights that a rule is about, as bits of {@link DEVICE_ACCESS}; absent: all. */
export function accessBits(access: string | undefined): number {
  if (access === undefined || access === '') return ALL_RIGHTS;
  let bits = 0;
  for (const letter of access) {
    if (letter === 'r' || letter === 'w' || letter === 'm') bits |= DEVICE_ACCESS[letter];
  }
  return bits;
}

/** The program for these rules. */
export function deviceProgram(rules: readonly LinuxDeviceRule[]): readonly EbpfInstruction[] {
  const program: EbpfInstruction[] = [
    load(TYPE, 0),
    { code: EBPF.MOV32_X, dst: RIGHTS, src: TYPE, offset: 0, imm: 0 },
    immediate(EBPF.RSH32_K, RIGHTS, 16),
    immediate(EBPF.AND32_K, TYPE, 0xffff),
    load(MAJOR, 4),
    load(MINOR, 8),
  ];
  for (const rule of rules.toReversed()) program.push(...ruleCode(rule));
  program.push(...result(REFUSED));
  return program;
}

/** Code of one rule: skipped whole when the device does not match. */
function ruleCode(rule: LinuxDeviceRule): readonly EbpfInstruction[] {
  const bits = accessBits(rule.access);
  const body: readonly EbpfInstruction[] = rule.allow
    ? [
        // Strike the granted rights from the request; nothing left: granted.
        immediate(EBPF.AND32_K, RIGHTS, ~bits & ALL_RIGHTS),
        over(2, immediate(EBPF.JNE32_K, RIGHTS, 0)),
        ...result(GRANTED),
      ]
    : [
        over(1, immediate(EBPF.JSET32_K, RIGHTS, bits)),
        over(2, immediate(EBPF.JA, 0, 0)),
        ...result(REFUSED),
      ];
  const type = rule.type ?? 'a';
  const tests: (readonly [register: number, value: number])[] = [];
  if (type !== 'a') tests.push([TYPE, DEVICE_TYPE[type]]);
  if (rule.major !== undefined && rule.major >= 0) tests.push([MAJOR, rule.major]);
  if (rule.minor !== undefined && rule.minor >= 0) tests.push([MINOR, rule.minor]);
  const checks = tests.map(([register, value], index) =>
    over(tests.length - index - 1 + body.length, immediate(EBPF.JNE32_K, register, value)),
  );
  return [...checks, ...body];
}

function load(register: number, offset: number): EbpfInstruction {
  return { code: EBPF.LDX_W, dst: register, src: CONTEXT, offset, imm: 0 };
}

function immediate(code: number, dst: number, imm: number): EbpfInstruction {
  return { code, dst, src: 0, offset: 0, imm };
}

/** A jump over `offset` instructions when `test` holds. */
function over(offset: number, test: EbpfInstruction): EbpfInstruction {
  return { ...test, offset };
}

function result(value: number): readonly EbpfInstruction[] {
  return [
    immediate(EBPF.MOV64_K, RESULT, value),
    { code: EBPF.EXIT, dst: 0, src: 0, offset: 0, imm: 0 },
  ];
}

/** `struct bpf_insn[]`, little endian. */
export function encodeEbpf(program: readonly EbpfInstruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, dst, src, offset, imm }] of program.entries()) {
    const at = index * 8;
    view.setUint8(at, code);
    view.setUint8(at + 1, dst | (src << 4));
    view.setInt16(at + 2, offset, true);
    view.setInt32(at + 4, imm | 0, true);
  }
  return bytes;
}
