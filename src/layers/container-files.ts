/**
 * The contract of reaching a container's files by path, both ways: what `cp`
 * is made of. A place is the root that some process sees, the container's own
 * or one that holds the root mounted; links lead inside it only.
 *
 * Paths are absolute. One that ends in `/` or `/.` is what is there behind
 * links; of any other the last component is not followed.
 * Errors of every call: those of {@link FileFailure}, in `details`.
 */
import type { Walk, WalkEntry } from './walk.ts';

/** A root. */
export interface FilePlace {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly startTicks: bigint;
  /** Directory in that process' root that is the root meant here; empty: that root. */
  readonly below: string;
}

/** What `details` of an error say: which step met which errno. */
export interface FileFailure {
  /** Name, e.g. `ENOENT`. */
  readonly errno: string;
  /** `root`: the process is gone; `path` or `target`: the path itself; else a later step. */
  readonly call: string;
  /** Of writing: the object below the target. */
  readonly path?: string;
}

/** What is at a path. */
export interface FoundFile {
  readonly entry: WalkEntry;
  /** Of a symbolic link: absolute path of what it leads to; `undefined`: nothing is there. */
  readonly target: string | undefined;
}

/** What to write where. */
export interface WriteFilesRequest {
  readonly place: FilePlace;
  /** Of a directory that exists; links are followed. */
  readonly path: string;
  /** A directory never replaces another kind, nor the reverse: EISDIR, ENOTDIR of call `replace`. */
  readonly keepKinds: boolean;
  /** Owner of everything, instead of what the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly signal?: AbortSignal;
}

/** Reads and writes. */
export interface ContainerFiles {
  stat(place: FilePlace, path: string, signal?: AbortSignal): Promise<FoundFile>;
  /**
   * The object and all below it: the entry with the empty path is a directory
   * itself; anything else comes alone, under its name. File systems that show
   * the kernel (/proc, /sys) are empty directories.
   */
  read(place: FilePlace, path: string, signal?: AbortSignal): Promise<Walk>;
  /** Extract a tar, compressed or not. Errors: also those of the archive. */
  write(request: WriteFilesRequest, archive: AsyncIterable<Uint8Array>): Promise<void>;
}
