/**
 * Errors about bytes that the caller of an operation sent. A damaged archive is
 * the sender's fault; the same words about content in the store are this
 * machine's.
 */
import { EngineError, type ErrorKind, isEngineError } from '../base/error.ts';

/** Kinds that speak of the bytes when the bytes came from the caller. */
const KINDS: ReadonlySet<ErrorKind> = new Set(['corrupt', 'unsupported', 'exhausted']);
/** The disk's word, not the archive's. */
const DISK: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EIO']);

/** The error, with `details.isInput` when what was sent is to blame: no retry and no repair helps. */
export function blameInput(error: unknown): unknown {
  if (!isEngineError(error) || !KINDS.has(error.kind) || isOfDisk(error)) return error;
  const { kind, message, operation, hint, details } = error;
  return new EngineError(kind, message, {
    details: { ...details, isInput: true },
    cause: error,
    ...(operation === undefined ? {} : { operation }),
    ...(hint === undefined ? {} : { hint }),
  });
}

function isOfDisk({ details, cause }: EngineError): boolean {
  const code =
    typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  return DISK.has(details['errno']) || DISK.has(code);
}
