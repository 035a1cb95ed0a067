/**
 * The contract of a volume store: data that outlives containers. Who uses a
 * volume is the engine's knowledge; the store never asks.
 *
 * Source: Engine API `Volume`.
 */

import type { HostPath } from '../base/brand.ts';

/** One volume. */
export interface VolumeRecord {
  /** One safe path component. */
  readonly name: string;
  readonly driver: string;
  /** Its directory. */
  readonly mountpoint: HostPath;
  /** Nanoseconds since the epoch. */
  readonly createdAtNs: bigint;
  readonly labels: Readonly<Record<string, string>>;
  readonly driverOptions: Readonly<Record<string, string>>;
  /** Made for one container that named none. */
  readonly isAnonymous: boolean;
}

/** What a new volume is to be. */
export interface VolumeRequest {
  readonly name: string;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly isAnonymous: boolean;
}

/** Volumes by name. Every method throws `EngineError`. */
export interface VolumeStore {
  /** The volume, and whether this call made it; an existing one is returned as it is. Errors: `invalid`, `unsupported` driver or option. */
  ensure(request: VolumeRequest): { readonly volume: VolumeRecord; readonly isNew: boolean };
  find(name: string): VolumeRecord | undefined;
  /** Oldest first. */
  list(): readonly VolumeRecord[];
  /** Gone at once for `find`; its files are deleted in the background. Idempotent. */
  remove(name: string): void;
  /** Waits for deletions in the background. */
  close(): Promise<void>;
}
