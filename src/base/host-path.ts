/** Makes host paths of text that carve or its operator chose. */

import type { HostPath } from './brand.ts';
import { EngineError } from './error.ts';

/** Longest path the kernel takes, in bytes. Source: limits.h PATH_MAX, without its NUL. */
const PATH_MAX = 4095;

/** Errors: `invalid` unless absolute, without NUL, `.` and `..` components, and short enough. */
export function hostPath(text: string): HostPath {
  const isSound =
    text.startsWith('/') &&
    !text.includes('\0') &&
    !/(?:^|\/)\.{1,2}(?:\/|$)/.test(text) &&
    Buffer.byteLength(text) <= PATH_MAX;
  if (!isSound)
    throw new EngineError('invalid', `Invalid host path ${JSON.stringify(text.slice(0, 200))}`);
  return text as HostPath;
}
