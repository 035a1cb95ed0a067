/**
 * What carve tells of the room images take, in its own words: the tree of
 * layers, and what a collection removed or would.
 */

import type { ImageDescriptor } from './docker/image.ts';

/** Answer of `GET /carve/images/tree`. Source: docs/api-coverage.md, carve's own. */
export interface ImageTree {
  /** Parents before children. */
  readonly Layers: readonly TreeLayer[];
  readonly Images: readonly TreeImage[];
  /** Bytes of all unpacked layers. */
  readonly LayersBytes: number;
  /** Bytes of all stored blobs. */
  readonly ContentBytes: number;
}

/** One unpacked layer. Source: docs/api-coverage.md, carve's own. */
export interface TreeLayer {
  readonly ChainID: string;
  /** `null`: a base layer. */
  readonly Parent: string | null;
  /** Bytes of its files. */
  readonly SizeBytes: number;
  /** Bytes of its blob; 0 when no image names it. */
  readonly ContentBytes: number;
  /** Ids of the images that have it. */
  readonly Images: readonly string[];
}

/** One image. Source: docs/api-coverage.md, carve's own. */
export interface TreeImage {
  readonly Id: string;
  /** Names with a tag or a digest, as people type them. */
  readonly Names: readonly string[];
  readonly Platform: string;
  /** Other manifests of the index that led to it. */
  readonly Offered: readonly ImageDescriptor[];
  /** Chain ids, base first. */
  readonly Layers: readonly string[];
  /** Bytes of its unpacked layers. */
  readonly SizeBytes: number;
  /** Bytes of those no other image has. */
  readonly UniqueBytes: number;
  /** Bytes of layers and blobs that go when it is removed. */
  readonly FreesBytes: number;
  /** Ids of containers that use it. */
  readonly Containers: readonly string[];
}

/** Answer of `POST /carve/gc`. Source: docs/api-coverage.md, carve's own. */
export interface GcReport {
  /** Nothing was removed: this is the plan. */
  readonly IsPlan: boolean;
  readonly Removed: readonly GcItem[];
  /** Images that a rule wanted and something protects. */
  readonly Kept: readonly GcItem[];
  /** Bytes that were, or would be, freed. */
  readonly ReclaimedBytes: number;
}

/** One image of a report. Source: docs/api-coverage.md, carve's own. */
export interface GcItem {
  readonly Id: string;
  /** As people type them. */
  readonly Names: readonly string[];
  /** Why it goes, or stays. */
  readonly Reason: string;
  /** Bytes that go with it; 0 for one that stays. */
  readonly FreesBytes: number;
}
