/**
 * What an entry may ask for, before it is made: targets of links, numbers of
 * devices, lengths of paths. Shared by layers and by archives that are copied
 * into a container; `fail` makes the error in the words of either.
 * Source: path_resolution(7), symlink(7), mknod(2).
 */
import type { EngineError } from '../base/error.ts';
import { PATH_BYTES_MAX, refuse } from './layer-path.ts';
import type { TarEntry } from './tar-entry.ts';

/** Makes the error of an entry: its path, and what is wrong with it. */
export type EntryFailure = (path: string, why: string) => EngineError;

/** Errors: `invalid` for a symbolic link that cannot be made. */
export function checkSymlink(entry: TarEntry, fail: EntryFailure = refuse): void {
  const { linkPath } = entry;
  if (linkPath === '' || linkPath.includes('\0') || linkPath.length > PATH_BYTES_MAX)
    throw fail(entry.path, 'is a symbolic link with an unusable target');
}

/** Errors: `invalid` for a device whose number no kernel has. */
export function checkDevice(entry: TarEntry, fail: EntryFailure = refuse): void {
  if (entry.type === 'fifo') return;
  const { deviceMajor: major, deviceMinor: minor } = entry;
  if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
    throw fail(entry.path, 'has an impossible device number');
}

/** Errors: `invalid` when a path below the root, of so many bytes, is more than the kernel takes. */
export function checkPathLength(
  lengthBytes: number,
  entry: TarEntry,
  fail: EntryFailure = refuse,
): void {
  if (lengthBytes > PATH_BYTES_MAX) throw fail(entry.path, 'has a path that is too long');
}
