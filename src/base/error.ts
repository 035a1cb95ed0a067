/**
 * The one error class of carve. Callers branch on `kind`, never on text; the
 * message says what the user asked, `cause` what went wrong below.
 *
 * Text rules: capital first letter, no final period, action then state
 * ("Cannot start container web: host port 8080 is in use by container db").
 */

/**
 * Closed set. Adding a kind breaks the build in `http/status.ts` and
 * `cli/exit.ts`, which both map every kind (`satisfies Record<ErrorKind, number>`).
 */
export type ErrorKind =
  | 'invalid'
  | 'not-found'
  | 'conflict'
  | 'wrong-state'
  | 'in-use'
  | 'denied'
  | 'unauthorized'
  | 'unsupported'
  | 'unavailable'
  | 'cancelled'
  | 'timeout'
  | 'exhausted'
  | 'corrupt'
  | 'internal';

/** Where and why an operation failed; every field but `kind` and `message` may be absent. */
export interface EngineErrorOptions {
  /** Dotted name of the engine operation, e.g. `containers.start`. */
  readonly operation?: string;
  /** Machine-readable facts for clients; never parsed from text. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** One sentence that says what to do. */
  readonly hint?: string;
  /** The lower error: an `Error`, or a structured {@link https://man7.org/linux/man-pages/man3/errno.3.html | errno} failure. */
  readonly cause?: unknown;
}

const brand: unique symbol = Symbol.for('carve.EngineError');

/** An expected failure of an operation. Bugs are assertions, never this class. */
export class EngineError extends Error {
  override readonly name: string = 'EngineError';
  readonly kind: ErrorKind;
  readonly operation: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  readonly hint: string | undefined;
  readonly [brand]: true = true;

  constructor(kind: ErrorKind, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.operation = options.operation;
    this.details = options.details ?? {};
    this.hint = options.hint;
  }
}

/** True for an {@link EngineError} of any copy of this module (checked by symbol, not `instanceof`). */
export function isEngineError(value: unknown): value is EngineError {
  return typeof value === 'object' && value !== null && brand in value;
}

/** Text of any thrown value, for logs and for errors of foreign libraries. */
export function messageOf(value: unknown): string {
  return value instanceof Error ? value.message : String(value);
}

/** Any thrown value as an `Error`, to throw it again. */
export function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
