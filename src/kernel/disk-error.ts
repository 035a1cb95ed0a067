/**
 * Failures of file system calls in carve's own directories → `EngineError`:
 * the kind by the errno, one sentence that names cause and action.
 */
import { EngineError, type ErrorKind, isEngineError, messageOf } from '../base/error.ts';

const CASES: Readonly<Record<string, { readonly kind: ErrorKind; readonly phrase: string }>> = {
  ENOSPC: { kind: 'exhausted', phrase: 'no space is left on the disk' },
  EDQUOT: { kind: 'exhausted', phrase: 'the disk quota is used up' },
  EMFILE: { kind: 'exhausted', phrase: 'too many files are open' },
  ENFILE: { kind: 'exhausted', phrase: 'too many files are open on this machine' },
  EACCES: { kind: 'denied', phrase: 'permission is denied' },
  EPERM: { kind: 'denied', phrase: 'the operation is not permitted' },
  EROFS: { kind: 'denied', phrase: 'the file system is read-only' },
  EIO: { kind: 'corrupt', phrase: 'the disk failed' },
  EEXIST: { kind: 'conflict', phrase: 'something else has that name' },
  ENOTDIR: { kind: 'invalid', phrase: 'a part of the path is not a directory' },
  ENOENT: { kind: 'not-found', phrase: 'a file or directory is missing' },
};

/** The errno word of a thrown value (`ENOSPC`), `undefined` when it has none. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * `action` begins the sentence: `Cannot store blob sha256:…`. An `EngineError`
 * passes unchanged; a cancelled signal becomes `cancelled`.
 */
export function diskError(action: string, error: unknown): EngineError {
  if (isEngineError(error)) return error;
  if (error instanceof Error && error.name === 'AbortError')
    return new EngineError('cancelled', `${action}: it was cancelled`, { cause: error });
  const code = errnoOf(error);
  const known = code === undefined ? undefined : CASES[code];
  if (known === undefined)
    return new EngineError('internal', `${action}: ${messageOf(error)}`, { cause: error });
  return new EngineError(known.kind, `${action}: ${known.phrase}`, { cause: error });
}
