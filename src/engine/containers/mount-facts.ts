/** What the mounts of a container are at one start, as `spec/` reads it. */

import type { IdMapping, NamespaceProcess } from '../../spec/oci/runtime.ts';
import type { VolumeMount } from '../../volumes/driver-options.ts';

/** Facts of one mount; empty for what the request says whole. */
export interface MountSource {
  /** Directories of an image, top first. */
  readonly layers?: readonly string[];
  /** What a volume's files are, when they are elsewhere. */
  readonly mount?: VolumeMount;
  /** Who has that mounted already, and where: there is only one of its kind. */
  readonly peer?: { readonly process: NamespaceProcess; readonly path: string };
  /** Nobody can write to it. */
  readonly isReadonly?: boolean;
  /** Ids of the files → ids that the container sees. */
  readonly ids?: { readonly users: readonly IdMapping[]; readonly groups: readonly IdMapping[] };
}

/** By destination. */
export type MountSources = ReadonlyMap<string, MountSource>;
