/**
 * The contract of a volume store: data that outlives containers. Who uses a
 * volume is the engine's knowledge; the store never asks, and never looks into
 * a volume: what is in there belongs to containers.
 *
 * Source: Engine API `Volume`.
 */

import type { HostPath } from '../base/brand.ts';

/** One volume. */
export interface VolumeRecord {
  /** One safe path component. */
  readonly name: string;
  readonly driver: string;
  /** Its directory; what `driverOptions` mount is never mounted there, but where it is used. */
  readonly mountpoint: HostPath;
  /** Nanoseconds since the epoch. */
  readonly createdAtNs: bigint;
  readonly labels: Readonly<Record<string, string>>;
  /** As the client gave them; see `driver-options.ts`. */
  readonly driverOptions: Readonly<Record<string, string>>;
  /** Made for one container that named none. */
  readonly isAnonymous: boolean;
  /** A snapshot: nobody can write to it. Default: false. */
  readonly isReadonly?: boolean;
  /** Id of the quota of its directory; `undefined`: it has none. */
  readonly projectId?: number;
  /** Its directory may still have the name the volume had before. */
  readonly renamedFrom?: string;
}

/** What a new volume is to be. */
export interface VolumeRequest {
  readonly name: string;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly isAnonymous: boolean;
  readonly isReadonly?: boolean;
  /** What becomes its directory, of {@link VolumeStore.stage}; `undefined`: an empty one is made. */
  readonly staged?: StagedDirectory;
}

/** A directory that is filled before a volume is made of it. */
export interface StagedDirectory {
  readonly path: HostPath;
  /** Id of the quota that was set for it. */
  readonly projectId?: number;
}

/** Volumes by name. Every method throws `EngineError`. */
export interface VolumeStore {
  /** Errors: `invalid`, `not-found` driver: those of `ensure`; changes nothing. */
  check(request: VolumeRequest): void;
  /** The volume, and whether this call made it; an existing one is returned as it is. Errors: `invalid`, `not-found` driver, those of the disk. */
  ensure(request: VolumeRequest): { readonly volume: VolumeRecord; readonly isNew: boolean };
  find(name: string): VolumeRecord | undefined;
  /** Oldest first. */
  list(): readonly VolumeRecord[];
  /** Directory of the volume of a name, whether it is there or not. */
  placeOf(name: string): HostPath;
  /** A fresh, empty directory on the volumes' file system; one that nothing was made of goes with the next opening. */
  stage(): HostPath;
  /** Delete a staged directory in the background. */
  discard(staged: HostPath): void;
  /** Number for the quota of a new directory. */
  nextProjectId(): number;
  /** Errors: `not-found`; `conflict` when the new name is taken; `invalid` name. */
  rename(name: string, newName: string): VolumeRecord;
  /** Gone at once for `find`; its files are deleted in the background. Idempotent. */
  remove(name: string): void;
  /** Waits for deletions in the background. */
  close(): Promise<void>;
}
