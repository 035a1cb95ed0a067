/**
 * Why files could not be copied, in Docker's sentences where its clients know
 * them. Pure.
 * Source: Docker Engine API 1.51, `/containers/{id}/archive`; moby `daemon/archive_unix.go`.
 */

import { EngineError, isEngineError } from '../../../base/error.ts';
import type { ContainerRecord } from '../record.ts';

/** What was asked. */
export interface CopyQuestion {
  /** The container, as the user named it. */
  readonly ref: string;
  /** As {@link cleanPath} gives it. */
  readonly path: string;
  readonly record: ContainerRecord;
}

/** The error to throw instead of `error`. */
export function explainCopy(error: unknown, question: CopyQuestion): unknown {
  if (!isEngineError(error)) return error;
  const { errno, call, path } = error.details;
  if (typeof errno !== 'string' || typeof call !== 'string') return error;
  const inside = typeof path === 'string' && path !== '' ? path : '.';
  const because = sentenceOf({ errno, call, inside }, question);
  if (because === undefined) return reworded(error, question);
  const [kind, message] = because;
  return new EngineError(kind, message, { cause: error, details: error.details });
}

type Sentence = readonly [kind: EngineError['kind'], message: string];

function sentenceOf(
  {
    errno,
    call,
    inside,
  }: { readonly errno: string; readonly call: string; readonly inside: string },
  { ref, path, record }: CopyQuestion,
): Sentence | undefined {
  switch (`${call} ${errno}`) {
    case 'root ESRCH':
      return ['conflict', `container ${ref} stopped while its files were looked at`];
    case 'target ENOTDIR':
      return ['invalid', 'extraction point is not a directory'];
    case 'path ENOENT':
    case 'path ENOTDIR':
    case 'path ELOOP':
    case 'target ENOENT':
    case 'target ELOOP':
      return ['not-found', `Could not find the file ${path} in container ${ref}`];
    case 'replace EISDIR':
      return [
        'invalid',
        `cannot overwrite directory "${join(path, inside)}" with non-directory "${inside}"`,
      ];
    case 'replace ENOTDIR':
      return [
        'invalid',
        `cannot overwrite non-directory "${join(path, inside)}" with directory "${inside}"`,
      ];
    default:
      return errno === 'EROFS' ? ['invalid', readOnlySentence(path, record)] : undefined;
  }
}

function readOnlySentence(path: string, { mounts }: ContainerRecord): string {
  const isInMount = mounts.some(
    ({ destination }) => path === destination || path.startsWith(`${destination}/`),
  );
  return isInMount ? 'mounted volume is marked read-only' : 'container rootfs is marked read-only';
}

/** The lower error's own words, about what the user asked. */
function reworded(error: EngineError, { path }: CopyQuestion): EngineError {
  const what = error.message.replace(/^Cannot [a-z]+ [a-z]+: /, '');
  return new EngineError(error.kind, `Cannot copy files at ${path}: ${what}`, {
    cause: error,
    details: error.details,
  });
}

function join(directory: string, name: string): string {
  return `${directory.replace(/\/\.?$/, '')}/${name}`;
}
