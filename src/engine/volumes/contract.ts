/**
 * The contract of the operations on volumes; every one throws `EngineError`.
 *
 * Source: Engine API `Volume`; what is below `/carve` is carve's own.
 */

import type { Readable } from 'node:stream';
import type { Volume } from '../../spec/docker/system.ts';

/** Options of what may take long. */
export interface VolumeCallOptions {
  readonly signal?: AbortSignal;
}

/** `{key: [values]}`, as everywhere in the engine. */
export type VolumeFilters = Readonly<Record<string, readonly string[]>>;

/** A request to create a volume, in Docker's words. Source: Engine API `VolumeCreateOptions`. */
export interface CreateVolume {
  /** Absent or empty: 64 random hex digits. */
  readonly Name?: string;
  /** Absent or empty: `local`, the only one there is. */
  readonly Driver?: string;
  readonly DriverOpts?: Readonly<Record<string, string>> | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

/** A request to copy a volume. */
export interface CopyVolume {
  /** Absent or empty: made of the source's name and the time. */
  readonly Name?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  /** Freeze the containers that use it meanwhile, so that the files are of one moment. */
  readonly Pause?: boolean;
}

/** Operations on volumes. */
export interface VolumeOperations {
  /** An existing volume of the name is returned as it is. Errors: `invalid`, `not-found` driver. */
  create(request: CreateVolume): Promise<Volume>;
  list(filters: VolumeFilters): Promise<readonly Volume[]>;
  inspect(name: string): Promise<Volume>;
  /** Errors: `not-found` (not with `force`), `in-use` naming the containers. */
  remove(name: string, options: { readonly force: boolean }): Promise<void>;
  /** Unused ones: the anonymous, with the filter `all` the named too. Errors: `conflict` while another runs. */
  prune(filters: VolumeFilters): Promise<{
    readonly deleted: readonly string[];
    readonly spaceReclaimedBytes: number;
  }>;
  /** A new volume with the same files; blocks are shared where the file system can. */
  clone(name: string, request: CopyVolume, options?: VolumeCallOptions): Promise<Volume>;
  /** A clone that nobody can write to; by default its users are frozen meanwhile. */
  snapshot(name: string, request: CopyVolume, options?: VolumeCallOptions): Promise<Volume>;
  /** Errors: `in-use` while a container has it, `conflict` for a name that is taken. */
  rename(name: string, newName: string): Promise<Volume>;
  /** Its files as a tar. */
  export(name: string, options?: VolumeCallOptions): Promise<Readable>;
  /** A new volume of a tar's files. Errors: `conflict` for a name that is taken; those of the archive. */
  import(request: CreateVolume, archive: Readable, options?: VolumeCallOptions): Promise<Volume>;
}
