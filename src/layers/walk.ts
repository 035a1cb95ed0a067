/**
 * The contract of reading trees: what a container changed, what its whole root
 * holds, how much space it takes. The tree may be in use while it is read.
 *
 * Paths and names are byte strings (see `tar-entry.ts`).
 */
import type { TarType, TarXattr } from './tar-entry.ts';

/** One object of a tree. */
export interface WalkEntry {
  /** Below the root; empty for the root itself. */
  readonly path: string;
  /** `whiteout`: the name is deleted. */
  readonly type: Exclude<TarType, 'hardlink'> | 'socket' | 'whiteout';
  /** Permission bits, 0..0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since the epoch. */
  readonly mtimeS: number;
  /** 0..999999999 nanoseconds added to `mtimeS`. */
  readonly mtimeNs: number;
  /** Size of a file in bytes. */
  readonly sizeBytes: number;
  /** Objects with the same key are one object with several names. */
  readonly linkKey: string | undefined;
  /** Target of a symbolic link. */
  readonly linkPath: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** All extended attributes; those of overlayfs itself only where a single directory is read. */
  readonly xattrs: readonly TarXattr[];
  /** What the layers below have at this path; `undefined`: nothing, or nobody asked. */
  readonly below: 'directory' | 'other' | undefined;
}

/** A tree being read. Close it. */
export interface Walk {
  /** All objects in no order. */
  readonly entries: readonly WalkEntry[];
  /** Exactly `sizeBytes` of a file: zeros where it became shorter, cut where it grew. One at a time. */
  read(path: string, sizeBytes: number): AsyncIterable<Uint8Array>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Which directories make the tree. */
export interface WalkRequest {
  /** Seen as one overlay, top first; a single one is shown with its whiteouts. */
  readonly directories: readonly string[];
  /** Layers to compare with, top first. */
  readonly below: readonly string[];
  readonly signal?: AbortSignal;
}

/** Space of a tree. */
export interface TreeUsage {
  /** Sum of file sizes in bytes, hard links counted once. */
  readonly sizeBytes: number;
  /** Count. */
  readonly entries: number;
}

/** Reads trees. Errors: `not-found`, `cancelled`, those of the disk. */
export interface ChangeSource {
  open(request: WalkRequest): Promise<Walk>;
  measure(directory: string, signal?: AbortSignal): Promise<TreeUsage>;
  /** Delete a directory with all in it, whatever somebody else put there. What is left after a failure can be tried again. */
  remove(directory: string): Promise<void>;
}
