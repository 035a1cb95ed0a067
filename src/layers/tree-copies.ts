/**
 * The contract of copying whole trees, in the kernel rather than through this
 * process: blocks are shared where the file system can, holes, hard links,
 * owners, times and attributes stay. Errors have `details.errno` and `details.call`.
 */
import type { FilePlace } from './container-files.ts';

/** What to copy where. */
export interface DuplicateRequest {
  readonly place: FilePlace;
  /** Of a directory; links lead inside the place only. */
  readonly path: string;
  /** An empty directory of the host that nobody else can reach. */
  readonly target: string;
  readonly signal?: AbortSignal;
}

/** A bound for a directory. */
export interface ProjectQuota {
  /** Id of the project. */
  readonly projectId: number;
  /** Most bytes. */
  readonly sizeBytes: number;
}

/** Copies trees. */
export interface TreeCopies {
  /** False when `path` is no directory. The target gets the directory's attributes too. Errors: `exhausted`, `cancelled`, those of the disk. */
  duplicate(request: DuplicateRequest): Promise<boolean>;
  /** Move what is in `from` to the directory `to`; what is there already stays. `from` is gone then; it can be done again after it was cut off. */
  merge(from: string, to: string): Promise<void>;
  /** Bound all that will be in an empty directory. Errors: `unsupported` where the file system has no project quotas. */
  limit(directory: string, quota: ProjectQuota): Promise<void>;
}
