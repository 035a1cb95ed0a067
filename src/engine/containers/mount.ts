/**
 * A container's mounts after parsing and resolving: one shape for `-v`,
 * `--mount`, `--tmpfs`, `VOLUME` and `--volumes-from`, kept in the container's
 * record. `spec/` turns them into OCI mounts, `inspect` into Docker's words.
 *
 * Source: Engine API `Mount`, `HostConfig.Binds`, `MountPoint`.
 */

import type { MountPoint } from '../../spec/docker/inspect.ts';
import type { IdMapRequest } from './id-map.ts';

/** Recursion of read-only into submounts of a bind. */
export type ReadonlyDepth = 'best-effort' | 'top-only' | 'all';

/** One mount. */
export interface ContainerMount {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** Which part of the request asked for it; later ones win over earlier ones of another part. */
  readonly origin: 'volumes-from' | 'binds' | 'mounts' | 'tmpfs' | 'image';
  /** Absolute host path; of a volume its directory once it exists; of an image mount the image; empty for tmpfs. */
  readonly source: string;
  /** Absolute, normalised path in the container. */
  readonly destination: string;
  readonly readonly: boolean;
  readonly readonlyDepth: ReadonlyDepth;
  /** The options of `-v` as Docker shows them, e.g. `ro,z`. */
  readonly mode: string;
  /** `rprivate`, `rslave`, …; empty for volumes and tmpfs. */
  readonly propagation: string;
  /** Submounts of a bind's source come along. */
  readonly recursive: boolean;
  /** A missing bind source is made (`-v`), else it is an error (`--mount`). */
  readonly createSource: boolean;
  readonly volume?: {
    /** Empty until an anonymous volume has been made. */
    readonly name: string;
    readonly driver: string;
    readonly isAnonymous: boolean;
    /** Content of the image is not copied into a new volume. */
    readonly noCopy: boolean;
    /** Path below the volume; empty: all of it. */
    readonly subpath: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly driverOptions: Readonly<Record<string, string>>;
  };
  readonly tmpfs?: {
    /** `key` or `key=value` for the kernel, in order; flags such as `noexec` included. */
    readonly options: readonly string[];
  };
  /** Whose files a bind's are; `undefined`: everybody's own. */
  readonly idmap?: IdMapRequest;
  /** Path below an image mount's root; empty: all of it. */
  readonly imageSubpath?: string;
}

/** Docker's `MountPoint`; `undefined` for what it does not list (`--tmpfs`). */
export function describeMount(mount: ContainerMount): MountPoint | undefined {
  if (mount.origin === 'tmpfs') return undefined;
  return {
    Type: mount.type,
    ...(mount.volume === undefined ? {} : { Name: mount.volume.name }),
    Source: mount.source,
    Destination: mount.destination,
    ...(mount.volume === undefined ? {} : { Driver: mount.volume.driver }),
    Mode: mount.mode,
    RW: !mount.readonly,
    Propagation: mount.propagation,
  };
}
