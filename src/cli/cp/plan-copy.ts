/**
 * Where a copy goes and what it is called there. Pure; the same for both
 * directions.
 *
 * Source: docker's `cp`: the rules of `cp -a`, and `DIR/.` for the contents of
 * a directory.
 */

import { posix } from 'node:path';
import { EngineError } from '../../base/error.ts';

/** One side of a copy as the user wrote it. */
export interface CopyArgument {
  /** `undefined`: this machine. */
  readonly container: string | undefined;
  /** `-`: a tar archive on standard input or output. */
  readonly path: string;
}

/** What is known of a path. */
export interface CopySide {
  readonly path: string;
  /** `undefined`: there is nothing. */
  readonly kind: 'directory' | 'other' | undefined;
}

/** Where the entries of an archive go. */
export interface CopyPlan {
  /** Existing directory that is copied into. */
  readonly directory: string;
  /** Name of the copy in it; `undefined`: the contents go in directly. */
  readonly name: string | undefined;
}

/** Reads `CONTAINER:PATH` or a path of this machine. A relative path that has a colon is written `./a:b`. */
export function parseCopyArgument(text: string): CopyArgument {
  const colon = text.indexOf(':');
  if (text.startsWith('/') || text.startsWith('.') || colon < 0)
    return { container: undefined, path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

/** Where a copy of `source` to `target` goes. Throws `invalid`, `not-found`. */
export function planCopy(source: CopySide, target: CopySide): CopyPlan {
  const name = isContents(source.path) ? undefined : baseOf(source.path);
  const isDirectory = source.kind === 'directory';
  if (target.kind === 'directory') {
    return { directory: target.path, name };
  }
  if (target.kind !== undefined && isDirectory) {
    throw new EngineError(
      'invalid',
      `Cannot copy the directory ${source.path} over the file ${target.path}`,
    );
  }
  if (target.kind === undefined && !isDirectory && /\/\.?$/.test(target.path)) {
    throw new EngineError('not-found', `Cannot copy to ${target.path}: there is no such directory`);
  }
  return { directory: posix.dirname(posix.resolve('/', target.path)), name: baseOf(target.path) };
}

/** True for `DIR/.` and `.`: the contents of a directory, not itself. */
export function isContents(path: string): boolean {
  return path === '.' || path.endsWith('/.');
}

/** Last component; `undefined` for the root directory. */
function baseOf(path: string): string | undefined {
  const base = posix.basename(posix.resolve('/', path));
  return base === '' ? undefined : base;
}

/** Components of an archive entry's path below what is copied. Throws `corrupt` for a path that leaves it. */
export function entryComponents(path: string): readonly string[] {
  const components = path.split('/').filter((part) => part !== '' && part !== '.');
  if (components.includes('..')) {
    throw new EngineError(
      'corrupt',
      `Cannot copy: the archive has a path that leaves its directory: ${JSON.stringify(path)}`,
    );
  }
  return components;
}
