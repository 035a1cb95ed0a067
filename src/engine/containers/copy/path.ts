/**
 * Docker's reading of a path in a container: absolute, cleaned as text, and
 * what stood at its end kept, because `/dir/.` means what is in `/dir`. Pure.
 * Source: moby `archive.PreserveTrailingDotOrSeparator`; Go `path/filepath.Base`.
 */

import { posix } from 'node:path';

/** The path to ask for. */
export function cleanPath(path: string): string {
  const joined = posix.join('/', path);
  const cleaned = joined === '/' ? joined : joined.replace(/\/$/, '');
  const dotted = baseName(path) === '.' ? `${cleaned === '/' ? '' : cleaned}/.` : cleaned;
  return path.endsWith('/') && !dotted.endsWith('/') ? `${dotted}/` : dotted;
}

/** The last component; slashes at the end do not count. `/` of the root, `.` of nothing. */
export function baseName(path: string): string {
  if (path === '') return '.';
  const stripped = path.replace(/\/+$/, '');
  return stripped === '' ? '/' : stripped.slice(stripped.lastIndexOf('/') + 1);
}

/** Where a link's text leads, as text. */
export function linkedPath(path: string, target: string): string {
  return posix.resolve(posix.dirname(path), target);
}
