/**
 * Versions of the Engine API, as minor numbers: 51 is 1.51.
 *
 * Too old a prefix is refused, as Docker does. A prefix newer than ours within
 * 1.x is served as our newest: bollard and others send the newest version they
 * know without asking, and understand the older shapes.
 *
 * Source: Docker Engine API, version history; engine-api facts 1 and 9.
 */

import { EngineError } from '../base/error.ts';

/** What the server announces and speaks by default. */
export const newestVersion: number = 51;
/** The oldest prefix that is served. */
export const oldestVersion: number = 24;

/** `1.51`. */
export function formatVersion(minor: number): string {
  return `1.${minor}`;
}

/** A path without its version prefix. */
export interface VersionedPath {
  /** Minor number to serve. */
  readonly version: number;
  readonly path: string;
}

/**
 * Takes `/v1.51` off a path; without it the newest version is meant.
 * Errors: `invalid` for a version that is not served.
 */
export function splitVersion(path: string): VersionedPath {
  // By hand, not by pattern: this is on the path of every request.
  if (path.charCodeAt(1) !== 0x76 || !isDigit(path.charCodeAt(2))) {
    return { version: newestVersion, path };
  }
  const slash = path.indexOf('/', 2);
  const text = slash === -1 ? path.slice(2) : path.slice(2, slash);
  return {
    version: checkVersion(text),
    path: slash === -1 ? '/' : path.slice(slash),
  };
}

function checkVersion(text: string): number {
  const match = /^(\d{1,4})\.(\d{1,4})$/.exec(text);
  if (match === null) {
    throw new EngineError('invalid', `Invalid API version ${JSON.stringify(text.slice(0, 32))}`);
  }
  const [, major, minor] = match;
  const range = Number(major) - 1;
  if (range > 0) {
    throw new EngineError(
      'invalid',
      `client version ${text} is too new. Maximum supported API version is ${formatVersion(newestVersion)}`,
    );
  }
  if (range < 0 || Number(minor) < oldestVersion) {
    throw new EngineError(
      'invalid',
      `client version ${text} is too old. Minimum supported API version is ${formatVersion(oldestVersion)}, please upgrade your client to a newer version`,
    );
  }
  return Math.min(Number(minor), newestVersion);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
