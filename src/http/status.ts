/**
 * The only table from error kinds to HTTP statuses.
 * Source: Docker Engine API, error responses; engine-api facts 1.3.
 */

import { type EngineError, type ErrorKind, isEngineError, messageOf } from '../base/error.ts';
import { HttpSyntaxError } from './wire/head.ts';

/** Every kind has its status. */
export const statusOfKind: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthorized: 401,
  denied: 403,
  'not-found': 404,
  conflict: 409,
  'wrong-state': 409,
  'in-use': 409,
  // Nobody listens any more; the number is for logs (nginx's 499).
  cancelled: 499,
  internal: 500,
  corrupt: 500,
  unsupported: 501,
  unavailable: 503,
  timeout: 504,
  exhausted: 507,
};

/** An error as an answer. */
export interface ErrorAnswer {
  readonly status: number;
  readonly message: string;
  /** A bug or an unforeseen failure: to be logged. */
  readonly isUnexpected: boolean;
}

/** How an error that stopped a request is told to the client. */
export function answerOfError(error: unknown): ErrorAnswer {
  if (isEngineError(error)) {
    const isUnexpected = error.kind === 'internal' || error.kind === 'corrupt';
    return {
      status: statusOfEngineError(error),
      message: textOfError(error),
      isUnexpected: isUnexpected && !isFaultOfInput(error),
    };
  }
  if (error instanceof HttpSyntaxError) {
    return { status: error.status, message: error.message, isUnexpected: false };
  }
  return { status: 500, message: textOfError(error), isUnexpected: true };
}

/** One sentence (two with a hint) for the client. */
export function textOfError(error: unknown): string {
  const message = messageOf(error);
  const hint = isEngineError(error) ? error.hint : undefined;
  const text = hint === undefined ? message : `${message}. ${hint}`;
  // An empty message would read as success in some clients.
  return text === '' ? 'Unknown error' : text;
}

/** What the client sent cannot be used: its mistake, however it was found. */
function isFaultOfInput({ details }: EngineError): boolean {
  return details['isInput'] === true;
}

/** A program that cannot be run is the client's mistake (Docker: 400), whatever the kernel called it. */
function statusOfEngineError(error: EngineError): number {
  const { exitCode } = error.details;
  if (isFaultOfInput(error)) return error.kind === 'exhausted' ? 413 : 400;
  return exitCode === 126 || exitCode === 127 ? 400 : statusOfKind[error.kind];
}
