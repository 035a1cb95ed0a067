/**
 * The builtin seccomp policy, made once for each set of capabilities: making
 * and compiling it costs as much as half a start.
 */

import type { Machine } from '../../kernel/bpf/syscalls.ts';
import { defaultSeccomp } from '../../kernel/bpf/default-seccomp.ts';
import type { LinuxSeccomp } from '../../spec/oci/seccomp.ts';

/** Policies kept. */
const CACHE_MAX = 32;

/** A maker that gives the same object for the same set. */
export function builtinSeccompMaker(
  machine: Machine,
): (bounding: readonly string[]) => LinuxSeccomp {
  const made = new Map<string, LinuxSeccomp>();
  return (bounding) => {
    const key = bounding.join();
    const known = made.get(key);
    if (known !== undefined) return known;
    if (made.size >= CACHE_MAX) made.clear();
    const policy = defaultSeccomp({
      machine,
      capabilities: new Set(bounding),
      evaluation: 'first-match',
    });
    made.set(key, policy);
    return policy;
  };
}
