/**
 * Names and numbers of system calls, per calling convention (ABI). A machine
 * has a native ABI and foreign ones that its kernel also serves (32-bit
 * programs on a 64-bit machine); a filter must know all of them.
 *
 * Source: `syscall-table.ts`; AUDIT_ARCH_* of `linux/audit.h`.
 */

import type { SeccompArchitecture } from '../../spec/oci/seccomp.ts';
import { SYSCALL_TABLE } from './syscall-table.ts';

/** Machines carve runs on. */
export type Machine = 'x86_64' | 'aarch64';
/** Calling conventions of those machines. */
export type Abi = 'x86_64' | 'x32' | 'i386' | 'aarch64' | 'arm';

/** Facts of one calling convention. */
export interface AbiFacts {
  /** Number in `seccomp_data.arch`. */
  readonly auditArch: number;
  /** libseccomp's name. */
  readonly architecture: SeccompArchitecture;
  readonly machine: Machine;
  /** Arguments are 32-bit wide. */
  readonly is32Bit: boolean;
}

/** x32 calls come with the arch of x86-64 and this bit in the number. */
export const X32_BIT = 0x40000000;

/** Every calling convention. */
export const ABIS: Readonly<Record<Abi, AbiFacts>> = {
  x86_64: {
    auditArch: 0xc000003e,
    architecture: 'SCMP_ARCH_X86_64',
    machine: 'x86_64',
    is32Bit: false,
  },
  x32: {
    auditArch: 0xc000003e,
    architecture: 'SCMP_ARCH_X32',
    machine: 'x86_64',
    is32Bit: false,
  },
  i386: {
    auditArch: 0x40000003,
    architecture: 'SCMP_ARCH_X86',
    machine: 'x86_64',
    is32Bit: true,
  },
  aarch64: {
    auditArch: 0xc00000b7,
    architecture: 'SCMP_ARCH_AARCH64',
    machine: 'aarch64',
    is32Bit: false,
  },
  arm: {
    auditArch: 0x40000028,
    architecture: 'SCMP_ARCH_ARM',
    machine: 'aarch64',
    is32Bit: true,
  },
};

/** Read one table: a number sets the counter, a name takes it. */
function parseTable(text: string): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  let next = 0;
  for (const token of text.trim().split(/\s+/)) {
    if (/^\d+$/.test(token)) next = Number(token);
    else numbers.set(token, next++);
  }
  return numbers;
}

const native = parseTable(SYSCALL_TABLE.x86_64);
/** Numbers of x32 without its bit: those of x86-64 but for its own. */
const x32 = new Map([...native, ...parseTable(SYSCALL_TABLE.x32)]);

const NUMBERS: Readonly<Record<Abi, ReadonlyMap<string, number>>> = {
  x86_64: native,
  x32,
  i386: parseTable(SYSCALL_TABLE.i386),
  aarch64: parseTable(SYSCALL_TABLE.aarch64),
  arm: parseTable(SYSCALL_TABLE.arm),
};

/** Name → number; x32 numbers are without their bit 30. */
export function syscallNumbers(abi: Abi): ReadonlyMap<string, number> {
  return NUMBERS[abi];
}

/** True for a name that any calling convention knows. */
export function isKnownSyscall(name: string): boolean {
  return Object.values(NUMBERS).some((numbers) => numbers.has(name));
}

/** Calling conventions of a machine, the native one first. */
export function abisOf(machine: Machine): readonly Abi[] {
  return machine === 'x86_64' ? ['x86_64', 'x32', 'i386'] : ['aarch64', 'arm'];
}
