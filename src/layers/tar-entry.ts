/**
 * The words of tar reading: entries, limits and errors.
 *
 * Paths and names are *byte strings*: one character per byte (latin1), because
 * file names are bytes and need not be UTF-8. They are decoded only for people.
 * Source: POSIX.1-2017 pax "ustar Interchange Format"; GNU tar manual "Basic Tar Format".
 */
import { EngineError } from '../base/error.ts';
import { quoteText } from '../base/quote.ts';

/** What an entry is. */
export type TarType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo';

/** An extended attribute of an entry. */
export interface TarXattr {
  /** Byte string, e.g. `security.capability`. */
  readonly name: string;
  readonly value: Uint8Array;
}

/** One entry of an archive, extensions applied, names unchecked. */
export interface TarEntry {
  readonly type: TarType;
  /** Byte string exactly as the archive has it. */
  readonly path: string;
  /** Byte string; target of a symbolic or hard link, else empty. */
  readonly linkPath: string;
  /** Permission bits, 0..0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since the epoch, may be negative. */
  readonly mtimeS: number;
  /** 0..999999999 nanoseconds added to `mtimeS`. */
  readonly mtimeNs: number;
  /** Size of the file in bytes, holes included; 0 for anything but a file. */
  readonly sizeBytes: number;
  /** Bytes of data the archive has for it; less than `sizeBytes` for a sparse file. */
  readonly dataBytes: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: readonly TarXattr[];
}

/** Receives an archive in order. Its methods run inside `push` and may throw to stop. */
export interface TarHandler {
  onEntry(entry: TarEntry): void;
  /** Bytes of the current file at `offsetBytes` of the file; what is not covered is a hole. Valid only during the call. */
  onData(chunk: Uint8Array, offsetBytes: number): void;
  /** The current entry is complete. */
  onEnd(): void;
}

/** Bounds of reading; beyond them the archive is refused. */
export interface TarLimits {
  /** Bytes of one extended header. */
  readonly paxBytes: number;
  /** Bytes of one path or link target. */
  readonly pathBytes: number;
  /** Count of entries. */
  readonly entries: number;
  /** Count of data segments of one sparse file. */
  readonly sparseSegments: number;
  /** Bytes of one file, holes included. */
  readonly fileBytes: number;
  /** Bytes of holes of an archive's files that are filled, where a reader wants them filled. */
  readonly holeBytes: number;
}

/** Defaults. Source: docs/security.md row F5. */
export const TAR_LIMITS: TarLimits = {
  paxBytes: 1024 * 1024,
  pathBytes: 4096,
  entries: 2_000_000,
  sparseSegments: 65_536,
  fileBytes: 2 ** 44,
  holeBytes: 2 ** 30,
};

/** A byte string for people: UTF-8 where it is, control characters escaped, quoted, bounded. */
export function quoteName(name: string): string {
  const short = name.length > 200 ? `${name.slice(0, 200)}...` : name;
  return quoteText(Buffer.from(short, 'latin1').toString('utf8'), Infinity);
}

/** The archive breaks its format. `what` continues "Cannot read archive: ". */
export function corruptArchive(what: string): EngineError {
  return new EngineError('corrupt', `Cannot read archive: ${what}`);
}

/** The archive is beyond a limit. */
export function archiveTooLarge(what: string): EngineError {
  return new EngineError('exhausted', `Cannot read archive: ${what}`);
}
