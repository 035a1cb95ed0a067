/**
 * Exit codes. One table for kinds of errors, and the rules that docker's users
 * know for a command that runs a program.
 *
 * Source: docker's `run`: 125 the engine failed, 126 the command cannot be
 * run, 127 it is not there; POSIX shells: 128+n for signal n.
 */

import { isEngineError, type ErrorKind } from '../base/error.ts';
import { isArgumentError, isUsageError } from './flags/usage-error.ts';

/** The exit code of a command that failed, by kind. */
const codeByKind = {
  invalid: 1,
  'not-found': 1,
  conflict: 1,
  'wrong-state': 1,
  'in-use': 1,
  denied: 1,
  unauthorized: 1,
  unsupported: 1,
  unavailable: 1,
  cancelled: 130,
  timeout: 1,
  exhausted: 1,
  corrupt: 1,
  internal: 1,
} as const satisfies Record<ErrorKind, number>;

/** A flag that cannot be; docker's code for it, whatever the command. */
const badFlagCode = 125;
/** What a shell reports for a program ended by SIGPIPE. */
const brokenPipeCode = 141;

/** `run`: the command itself decides between 125, 126 and 127. */
export type FailureStyle = 'plain' | 'run';

/** The exit code for an error that ends a command. */
export function exitCodeOf(error: unknown, style: FailureStyle): number {
  if (isArgumentError(error)) return 1;
  if (isUsageError(error)) return badFlagCode;
  if (!isEngineError(error)) return style === 'run' ? 125 : 1;
  if (isBrokenPipe(error)) return brokenPipeCode;
  if (error.kind === 'cancelled') return codeByKind.cancelled;
  return style === 'run' ? startFailureCode(error.message) : codeByKind[error.kind];
}

/** 127, 126 or 125, by what the engine says about the command that did not start. */
export function startFailureCode(message: string): number {
  const text = message.toLowerCase();
  if (text.includes('executable file not found') || text.includes('no such file or directory'))
    return 127;
  if (text.includes('permission denied') || text.includes('is a directory')) return 126;
  return 125;
}

/** True when the output went away, as in `carve logs c | head`: nothing is to be said about that. */
export function isBrokenPipe(error: unknown): boolean {
  return isEngineError(error) && error.kind === 'cancelled' && error.details['source'] === 'output';
}
