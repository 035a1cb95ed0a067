/**
 * Where the chisel's program comes from: a file beside carve, or bytes inside
 * carve's own single executable, which are written to the daemon's run
 * directory when the daemon starts. The chisel then runs from a sealed memfd,
 * so that this file is only ever read.
 *
 * **Invariant:** an embedded chisel is on disk completely or not at all, owned
 * by carve's user, writable by nobody else.
 */

import { randomUUID } from 'node:crypto';
import { accessSync, constants, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { HostPath } from '../base/brand.ts';
import { EngineError, messageOf } from '../base/error.ts';
import { hostPath } from '../base/host-path.ts';

/** The chisel as the entry of carve knows it. */
export type ChiselSource =
  | { readonly kind: 'file'; readonly path: string }
  /** `path` can be read with `node:fs` but not executed. */
  | { readonly kind: 'embedded'; readonly path: string };

/**
 * Path of a chisel that can be executed. An embedded one is written to
 * `runDir` (which exists, 0700) unless the same bytes are there already.
 * Errors: `unavailable`.
 */
export function placeChisel(source: ChiselSource, runDir: HostPath): HostPath {
  return source.kind === 'embedded' ? extract(source.path, runDir) : checked(source.path);
}

function checked(path: string): HostPath {
  try {
    accessSync(path, constants.X_OK);
  } catch (cause) {
    throw new EngineError('unavailable', `Cannot start the engine: there is no chisel at ${path}`, {
      cause,
      hint: 'Build it with "make -C chisel", or use the single file that "npm run build" makes.',
    });
  }
  return hostPath(path);
}

function extract(path: string, runDir: HostPath): HostPath {
  const target = `${runDir}/chisel`;
  const bytes = readFileSync(path);
  if (holds(target, bytes)) return hostPath(target);
  const part = `${target}.${randomUUID()}`;
  try {
    writeFileSync(part, bytes, { mode: 0o700, flag: 'wx' });
    renameSync(part, target);
  } catch (cause) {
    rmSync(part, { force: true });
    throw new EngineError(
      'unavailable',
      `Cannot start the engine: cannot write ${target}: ${messageOf(cause)}`,
      { cause },
    );
  }
  return hostPath(target);
}

function holds(path: string, bytes: Buffer): boolean {
  try {
    accessSync(path, constants.X_OK);
    return readFileSync(path).equals(bytes);
  } catch {
    return false;
  }
}
