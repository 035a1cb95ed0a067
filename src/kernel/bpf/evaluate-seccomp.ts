/**
 * What a seccomp section says about one call, without compiling it: the
 * meaning that the compiler must keep.
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Seccomp".
 */

import type { LinuxSeccomp } from '../../spec/oci/seccomp.ts';
import { actionValue } from './check-seccomp.ts';
import { enabledAbis, rulesOf } from './compile-seccomp.ts';
import { holds } from './condition.ts';
import { SECCOMP_RET } from './instruction.ts';
import type { SyscallData } from './interpret.ts';
import type { Abi, Machine } from './syscalls.ts';
import { ABIS, X32_BIT } from './syscalls.ts';

/** Return value of a filter for this call. Errors: `invalid` for a bad section. */
export function evaluateSeccomp(
  section: LinuxSeccomp,
  machine: Machine,
  call: SyscallData,
): number {
  const enabled = enabledAbis(section, machine);
  const candidates = enabled.filter((abi) => ABIS[abi].auditArch === call.arch);
  if (candidates.length === 0) return SECCOMP_RET.KILL_PROCESS;
  const hasX32 = candidates.includes('x32');
  if (!hasX32 && candidates.includes('x86_64') && call.nr >= X32_BIT) {
    return SECCOMP_RET.KILL_PROCESS;
  }
  const number = hasX32 ? (call.nr & ~X32_BIT) >>> 0 : call.nr;
  for (const abi of candidates) {
    const decision = decide(section, abi, { ...call, nr: number });
    if (decision !== undefined) return decision;
  }
  return actionValue(section.defaultAction, section.defaultErrnoRet);
}

/** `undefined`: no rule of this calling convention names the number. */
function decide(section: LinuxSeccomp, abi: Abi, call: SyscallData): number | undefined {
  const rules = rulesOf(section, abi).get(call.nr);
  if (rules === undefined) return undefined;
  const first = rules.find(({ conditions }) =>
    conditions.every((condition) => holds(condition, call.args[condition.index] ?? 0n)),
  );
  return first?.value ?? actionValue(section.defaultAction, section.defaultErrnoRet);
}
