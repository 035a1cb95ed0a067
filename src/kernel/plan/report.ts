/**
 * What the chisel answers about a failed plan, `{ op index, errno, call }`,
 * turned into a structured failure with names and, for errors that are known
 * to mislead, a hint.
 */

import { EngineError, type ErrorKind } from '../../base/error.ts';
import { errnoName } from './errno.ts';
import { hintFor } from './hints.ts';
import type { Plan, PlanOp } from './op.ts';
import { CALLS } from './schema.ts';

/** Bytes of an encoded report. */
export const REPORT_BYTES = 12;

/** Name of a call that a failing operation made, of the schema's `CALLS`. */
export type CallName = (typeof CALLS)[number];

/** A report as received. `errno` 0: success, then the other fields mean nothing. */
export interface Report {
  /** Index of the failed operation in its plan. */
  readonly index: number;
  /** Linux error number, 0 for success. */
  readonly errno: number;
  /** The call that failed. */
  readonly call: CallName;
}

/** A failed operation: the `cause` of the engine's error. */
export interface KernelFailure {
  /** The operation; `undefined` when the plan itself was refused. */
  readonly op: PlanOp | undefined;
  /** Index of the operation in its plan. */
  readonly index: number;
  /** Name of the error, e.g. `EINVAL`. */
  readonly errno: string;
  /** The call as the kernel was asked, e.g. `mount_setattr("/proc")`. */
  readonly call: string;
  /** What this errno usually means here; `undefined` when it means what it says. */
  readonly hint: string | undefined;
}

/** Whether the cause of an error is one. */
export function isKernelFailure(value: unknown): value is KernelFailure {
  return (
    typeof value === 'object' &&
    value !== null &&
    'errno' in value &&
    'call' in value &&
    'index' in value
  );
}

/** Reads a report. Precondition: at least {@link REPORT_BYTES} bytes. */
export function decodeReport(bytes: Uint8Array): Report {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    index: view.getUint32(0, true),
    errno: view.getInt32(4, true),
    call: CALLS[view.getUint32(8, true)] ?? 'none',
  };
}

/** The failure that `report` tells about `plan`. Precondition: its errno is not 0. */
export function kernelFailure(plan: Plan, report: Report): KernelFailure {
  const op = plan[report.index];
  const errno = errnoName(report.errno);
  return {
    op,
    index: report.index,
    errno,
    call: describeCall(report.call, op),
    hint: hintFor({ op: op?.op, call: report.call, errno }),
  };
}

/**
 * The engine's error for a failed plan: `message` says what the user asked and
 * gets `: CALL: ERRNO` appended; the cause is the {@link KernelFailure}.
 */
export function errorOfReport(plan: Plan, report: Report, message: string): EngineError {
  const failure = kernelFailure(plan, report);
  const options = {
    details: { index: failure.index, errno: failure.errno, call: failure.call },
    cause: failure,
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
  };
  const kind = KIND_OF_ERRNO[failure.errno] ?? 'internal';
  return new EngineError(kind, `${message}: ${failure.call}: ${failure.errno}`, options);
}

/** Errors whose kind does not depend on what was asked. */
const KIND_OF_ERRNO: Readonly<Record<string, ErrorKind>> = {
  EPERM: 'denied',
  ENOSPC: 'exhausted',
  EDQUOT: 'exhausted',
  ENOMEM: 'exhausted',
  EMFILE: 'exhausted',
  ENFILE: 'exhausted',
  EAGAIN: 'exhausted',
  EUSERS: 'exhausted',
  ENOSYS: 'unsupported',
  EOPNOTSUPP: 'unsupported',
  EBUSY: 'in-use',
  ETIMEDOUT: 'timeout',
};

/** `call("what it was about")`. */
function describeCall(call: CallName, op: PlanOp | undefined): string {
  const subject = op === undefined ? undefined : subjectOf(op);
  return subject === undefined ? `${call}()` : `${call}(${JSON.stringify(subject)})`;
}

/** The field that says best what an operation is about. */
function subjectOf(op: PlanOp): string | undefined {
  switch (op.op) {
    case 'exec':
      return op.argv[0];
    case 'fsmount':
      return op.fsType;
    case 'overlay':
      return op.upper === '' ? op.lower[0] : op.upper;
    case 'monitor':
      return op.runDir;
    default:
  }
  if ('path' in op) return op.path;
  return 'name' in op ? op.name : undefined;
}
