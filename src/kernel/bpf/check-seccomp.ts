/**
 * The rules that a seccomp section must obey before it is compiled. A bad
 * section is an error, never a weaker filter.
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Seccomp".
 */

import { EngineError } from '../../base/error.ts';
import type {
  LinuxSeccomp,
  SeccompAction,
  SeccompArgument,
  SeccompFlag,
  SeccompOperator,
} from '../../spec/oci/seccomp.ts';
import { SECCOMP_RET } from './instruction.ts';

/** Action → upper half of the filter's return value. */
export const ACTIONS: Readonly<Record<SeccompAction, number>> = {
  SCMP_ACT_KILL: SECCOMP_RET.KILL_THREAD,
  SCMP_ACT_KILL_THREAD: SECCOMP_RET.KILL_THREAD,
  SCMP_ACT_KILL_PROCESS: SECCOMP_RET.KILL_PROCESS,
  SCMP_ACT_TRAP: SECCOMP_RET.TRAP,
  SCMP_ACT_ERRNO: SECCOMP_RET.ERRNO,
  SCMP_ACT_TRACE: SECCOMP_RET.TRACE,
  SCMP_ACT_ALLOW: SECCOMP_RET.ALLOW,
  SCMP_ACT_LOG: SECCOMP_RET.LOG,
  SCMP_ACT_NOTIFY: SECCOMP_RET.USER_NOTIF,
};

/** Flag → bit of seccomp(2). Source: `linux/seccomp.h`. */
export const FLAGS: Readonly<Record<SeccompFlag, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 32,
};

/** Every comparison. */
export const OPERATORS: Readonly<Record<SeccompOperator, true>> = {
  SCMP_CMP_NE: true,
  SCMP_CMP_LT: true,
  SCMP_CMP_LE: true,
  SCMP_CMP_EQ: true,
  SCMP_CMP_GE: true,
  SCMP_CMP_GT: true,
  SCMP_CMP_MASKED_EQ: true,
};

const EPERM = 1;
const DATA_MAX = 0xffff;
const INDEX_MAX = 5;
const TAKES_DATA: ReadonlySet<SeccompAction> = new Set(['SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE']);

/** Return value of a filter for an action. Errors: `invalid`. */
export function actionValue(action: SeccompAction, data: number | undefined): number {
  if (!Object.hasOwn(ACTIONS, action)) throw invalid(`unknown action ${String(action)}`);
  const value = ACTIONS[action];
  if (!TAKES_DATA.has(action)) {
    if (data !== undefined) throw invalid(`${action} takes no errno`);
    return value;
  }
  const errno = data ?? EPERM;
  if (!Number.isInteger(errno) || errno < 0 || errno > DATA_MAX) {
    throw invalid(`errno ${errno} is not between 0 and ${DATA_MAX}`);
  }
  return (value | errno) >>> 0;
}

/** Bits of seccomp(2)'s flags. Errors: `invalid`. */
export function flagBits(flags: readonly SeccompFlag[] | undefined): number {
  let bits = 0;
  for (const flag of flags ?? []) {
    if (!Object.hasOwn(FLAGS, flag)) throw invalid(`unknown flag ${String(flag)}`);
    bits |= FLAGS[flag];
  }
  return bits;
}

/** Errors: `invalid` with one sentence. */
export function checkSeccomp(section: LinuxSeccomp): void {
  actionValue(section.defaultAction, section.defaultErrnoRet);
  flagBits(section.flags);
  for (const rule of section.syscalls ?? []) {
    if (rule.names.length === 0) throw invalid('a rule names no system call');
    actionValue(rule.action, rule.errnoRet);
    for (const argument of rule.args ?? []) checkArgument(argument);
  }
}

function checkArgument({ index, op, value, valueTwo }: SeccompArgument): void {
  if (!Number.isInteger(index) || index < 0 || index > INDEX_MAX) {
    throw invalid(`argument ${index} is not between 0 and ${INDEX_MAX}`);
  }
  if (!Object.hasOwn(OPERATORS, op)) throw invalid(`unknown comparison ${String(op)}`);
  for (const number of [value, valueTwo ?? 0]) {
    if (typeof number === 'number' && !Number.isSafeInteger(number)) {
      throw invalid(`value ${number} of argument ${index} is not a whole number below 2^53`);
    }
    if (number < -(2n ** 63n) || number >= 2n ** 64n) {
      throw invalid(`value ${number} of argument ${index} does not fit 64 bits`);
    }
  }
}

function invalid(what: string): EngineError {
  return new EngineError('invalid', `Cannot use the seccomp profile: ${what}`);
}
