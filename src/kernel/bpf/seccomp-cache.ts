/**
 * A compiler that remembers: most containers have the same section, and
 * compiling one takes longer than the rest of a plan.
 */

import type { LinuxSeccomp } from '../../spec/oci/seccomp.ts';
import type { SeccompProgram } from './compile-seccomp.ts';
import { compileSeccomp } from './compile-seccomp.ts';
import type { Machine } from './syscalls.ts';

/** Programs kept; the one that was not asked for the longest goes first. */
const KEPT_MAX = 64;

/** Compiles as {@link compileSeccomp}; equal sections are compiled once. */
export function seccompCompiler(machine: Machine): (section: LinuxSeccomp) => SeccompProgram {
  const kept = new Map<string, SeccompProgram>();
  const bySection = new WeakMap<LinuxSeccomp, SeccompProgram>();
  const byContent = (section: LinuxSeccomp): SeccompProgram => {
    const key = JSON.stringify(section, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    );
    const program = kept.get(key) ?? compileSeccomp(section, machine);
    kept.delete(key);
    kept.set(key, program);
    const [oldest] = kept.keys();
    if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
    return program;
  };
  return (section) => {
    // The same object comes again when its maker keeps it: no need to read it.
    const program = bySection.get(section) ?? byContent(section);
    bySection.set(section, program);
    return program;
  };
}
