/**
 * A seccomp section → the BPF program of the machine.
 *
 * Per calling convention the numbers fall into ranges of equal treatment,
 * found by binary search: some nine comparisons decide any call. Equal
 * returns and equal conditions are shared. The kernel runs such a program
 * over all numbers once when it is loaded (to cache "always allowed"), so a
 * short path also makes a start faster.
 *
 * Meaning: the first rule of a call whose conditions all hold decides; no rule:
 * the default action. Conditions of one rule on the *same* argument are
 * alternatives, as with runc and crun. A calling convention that the section
 * does not name kills the process.
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Seccomp"; seccomp(2).
 */

import { EngineError } from '../../base/error.ts';
import type { LinuxSeccomp, SeccompSyscall } from '../../spec/oci/seccomp.ts';
import { is32BitArgument } from './argument-width.ts';
import type { Target } from './assemble.ts';
import { Assembler } from './assemble.ts';
import { actionValue, checkSeccomp, flagBits } from './check-seccomp.ts';
import type { Condition } from './condition.ts';
import { assembleCondition, toCondition } from './condition.ts';
import { assembleRanges, toRanges } from './dispatch.ts';
import type { Instruction } from './instruction.ts';
import { BPF, encodeFilter, MAX_INSTRUCTIONS, SECCOMP_DATA, SECCOMP_RET } from './instruction.ts';
import type { Abi, Machine } from './syscalls.ts';
import { ABIS, abisOf, syscallNumbers, X32_BIT } from './syscalls.ts';

/** One way a call can be decided; no conditions: always. */
export interface Rule {
  readonly conditions: readonly Condition[];
  /** The filter's return value, 32 bits. */
  readonly value: number;
}

/** A compiled section. */
export interface SeccompProgram {
  /** Flags of seccomp(2). */
  readonly flags: number;
  readonly program: readonly Instruction[];
  /** `struct sock_filter[]`. */
  readonly filter: Uint8Array;
  /** Some call is handed to a listener (`SCMP_ACT_NOTIFY`). */
  readonly hasListener: boolean;
}

/** Compile a section for a machine. Errors: `invalid`. */
export function compileSeccomp(section: LinuxSeccomp, machine: Machine): SeccompProgram {
  checkSeccomp(section);
  const assembler = new Assembler();
  const fallback = actionValue(section.defaultAction, section.defaultErrnoRet);
  let entry: Target = { value: SECCOMP_RET.KILL_PROCESS };
  for (const abi of enabledAbis(section, machine).toReversed()) {
    // The numbers of x32 are in the tree of x86-64, with whom it shares the arch.
    if (abi === 'x32') continue;
    const body = assembleAbi(assembler, { section, abi, fallback });
    entry = assembler.branch(BPF.JMP_JEQ_K, ABIS[abi].auditArch, { yes: body, no: entry });
  }
  const program = assembler.finish(assembler.load(SECCOMP_DATA.arch, entry));
  if (program.length > MAX_INSTRUCTIONS) {
    throw new EngineError(
      'invalid',
      `Cannot use the seccomp profile: it needs ${program.length} instructions, the kernel takes ${MAX_INSTRUCTIONS}`,
    );
  }
  const actions = [section.defaultAction, ...(section.syscalls ?? []).map((rule) => rule.action)];
  return {
    flags: flagBits(section.flags),
    program,
    filter: encodeFilter(program),
    hasListener: actions.includes('SCMP_ACT_NOTIFY'),
  };
}

/** The machine's own calling convention and those that the section names, native first. */
export function enabledAbis(section: LinuxSeccomp, machine: Machine): readonly Abi[] {
  const named = new Set(section.architectures ?? []);
  return abisOf(machine).filter((abi, index) => index === 0 || named.has(ABIS[abi].architecture));
}

/** Rules of every number of a calling convention that any rule names. */
export function rulesOf(section: LinuxSeccomp, abi: Abi): ReadonlyMap<number, readonly Rule[]> {
  const numbers = syscallNumbers(abi);
  const rules = new Map<number, Rule[]>();
  for (const entry of section.syscalls ?? []) {
    for (const name of entry.names) {
      const number = numbers.get(name);
      if (number === undefined) continue;
      const list = rules.get(number) ?? [];
      list.push(...toRules(entry, abi, name));
      rules.set(number, list);
    }
  }
  return rules;
}

function toRules(entry: SeccompSyscall, abi: Abi, name: string): readonly Rule[] {
  const value = actionValue(entry.action, entry.errnoRet);
  const conditions = (entry.args ?? []).map((argument) =>
    toCondition(argument, is32BitArgument(abi, name, argument.index)),
  );
  const isRepeated = new Set(conditions.map(({ index }) => index)).size < conditions.length;
  return isRepeated
    ? conditions.map((condition) => ({ conditions: [condition], value }))
    : [{ conditions, value }];
}

/** Code that decides a call of one calling convention by its number. */
function assembleAbi(
  assembler: Assembler,
  options: { readonly section: LinuxSeccomp; readonly abi: Abi; readonly fallback: number },
): Target {
  const { section, abi, fallback } = options;
  const hasX32 = abi === 'x86_64' && (section.architectures ?? []).includes('SCMP_ARCH_X32');
  const rules = hasX32
    ? new Map([...rulesOf(section, 'x32'), ...rulesOf(section, abi)])
    : rulesOf(section, abi);
  const shared = new Map<string, Target>();
  const targets = new Map<number, Target>();
  for (const [number, list] of rules) {
    const relevant = simplify(list, fallback);
    const key = JSON.stringify(relevant, (_, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    );
    const target = shared.get(key) ?? assembleRules(assembler, relevant, fallback);
    shared.set(key, target);
    targets.set(number, target);
  }
  const ranges = toRanges(targets, { value: fallback });
  if (hasX32) {
    const tree = assembleRanges(assembler, ranges);
    return assembler.load(SECCOMP_DATA.nr, assembler.and(~X32_BIT, tree));
  }
  const tree =
    abi === 'x86_64'
      ? assembler.branch(BPF.JMP_JGE_K, X32_BIT, {
          yes: { value: SECCOMP_RET.KILL_PROCESS },
          no: assembleRanges(assembler, ranges),
        })
      : assembleRanges(assembler, ranges);
  return assembler.load(SECCOMP_DATA.nr, tree);
}

/** Rules up to the first unconditional one, without a tail that does what the default does. */
function simplify(rules: readonly Rule[], fallback: number): readonly Rule[] {
  const last = rules.findIndex(({ conditions }) => conditions.length === 0);
  const kept = last === -1 ? [...rules] : rules.slice(0, last + 1);
  while (kept.at(-1)?.value === fallback) kept.pop();
  return kept;
}

function assembleRules(assembler: Assembler, rules: readonly Rule[], fallback: number): Target {
  let otherwise: Target = { value: fallback };
  for (const { conditions, value } of rules.toReversed()) {
    let holds: Target = { value };
    for (const condition of conditions.toReversed()) {
      holds = assembleCondition(assembler, condition, { yes: holds, no: otherwise });
    }
    otherwise = holds;
  }
  return otherwise;
}
