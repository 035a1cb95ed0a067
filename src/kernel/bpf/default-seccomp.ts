/**
 * The builtin seccomp policy as an OCI section, for one set of capabilities.
 *
 * Source: `default-policy.ts`.
 */

import type { LinuxSeccomp, SeccompArgument, SeccompSyscall } from '../../spec/oci/seccomp.ts';
import { ALLOWED, BY_CAPABILITY, DENIED } from './default-policy.ts';
import type { Machine } from './syscalls.ts';
import { ABIS, abisOf } from './syscalls.ts';

/** What the builtin policy depends on. */
export interface DefaultSeccompFacts {
  readonly machine: Machine;
  /** The bounding set, names with `CAP_`. */
  readonly capabilities: ReadonlySet<string>;
  /**
   * How the reader of the section treats several rules of one call.
   * `first-match`: carve's compiler. `any-order`: libseccomp's (other
   * runtimes), where a rule without conditions replaces all others; refused
   * arguments are then ENOSYS instead of EPERM.
   */
  readonly evaluation: 'first-match' | 'any-order';
}

const EPERM = 1;
const ENOSYS = 38;

/** CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}. */
const NAMESPACE_FLAGS = 0x7e020000;
/** PER_LINUX32 and UNAME26: the bits of a personality that a program may want. */
const PERSONALITY_BITS = 0x20008;
/** Asks for the personality without changing it. */
const PERSONALITY_QUERY = 0xffffffff;
const AF_ALG = 38;
const AF_VSOCK = 40;

/** Calls that can be allowed for some arguments, and those arguments (alternatives). */
const BY_ARGUMENTS: readonly { readonly name: string; readonly when: SeccompArgument }[] = [
  {
    name: 'clone',
    when: { index: 0, op: 'SCMP_CMP_MASKED_EQ', value: NAMESPACE_FLAGS, valueTwo: 0 },
  },
  {
    name: 'personality',
    when: {
      index: 0,
      op: 'SCMP_CMP_MASKED_EQ',
      value: (~PERSONALITY_BITS & 0xffffffff) >>> 0,
      valueTwo: 0,
    },
  },
  { name: 'personality', when: { index: 0, op: 'SCMP_CMP_EQ', value: PERSONALITY_QUERY } },
  { name: 'socket', when: { index: 0, op: 'SCMP_CMP_LT', value: AF_ALG } },
  { name: 'socket', when: { index: 0, op: 'SCMP_CMP_EQ', value: AF_ALG + 1 } },
  { name: 'socket', when: { index: 0, op: 'SCMP_CMP_GT', value: AF_VSOCK } },
];

/** The builtin policy. Pure: equal facts give an equal section. */
export function defaultSeccomp(facts: DefaultSeccompFacts): LinuxSeccomp {
  const allowed = new Set(Object.values(ALLOWED).flat());
  for (const [capability, names] of Object.entries(BY_CAPABILITY)) {
    if (facts.capabilities.has(capability)) for (const name of names) allowed.add(name);
  }
  const conditional = BY_ARGUMENTS.filter(({ name }) => !allowed.has(name));
  const catchAll = facts.evaluation === 'first-match' ? conditional.map(({ name }) => name) : [];
  const hasConditions = new Set(conditional.map(({ name }) => name));
  const refused = new Set([
    ...Object.values(DENIED).flat(),
    ...Object.values(BY_CAPABILITY)
      .flat()
      .filter((name) => !allowed.has(name)),
  ]);
  // A C library that gets ENOSYS from clone3 uses clone, whose flags a filter can see.
  refused.delete('clone3');
  for (const name of hasConditions) refused.delete(name);
  const rules: SeccompSyscall[] = [
    { names: [...allowed], action: 'SCMP_ACT_ALLOW' },
    ...conditional.map(
      ({ name, when }): SeccompSyscall => ({
        names: [name],
        action: 'SCMP_ACT_ALLOW',
        args: [when],
      }),
    ),
    {
      names: [...refused, ...new Set(catchAll)],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: EPERM,
    },
  ];
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ENOSYS,
    architectures: abisOf(facts.machine).map((abi) => ABIS[abi].architecture),
    // Without it kernels before 5.16 slow every program down; newer ones ignore it.
    flags: ['SECCOMP_FILTER_FLAG_SPEC_ALLOW'],
    syscalls: rules,
  };
}
