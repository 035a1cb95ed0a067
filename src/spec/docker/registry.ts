/**
 * What registries tell, in Docker's words.
 *
 * Source: Docker Engine API 1.51, `DistributionInspect`, `ImageSearchResponseItem`.
 */

import type { ImageDescriptor } from './image.ts';

/** Answer of `GET /distribution/{name}/json`. */
export interface DistributionInspect {
  readonly Descriptor: ImageDescriptor;
  readonly Platforms: readonly NonNullable<ImageDescriptor['platform']>[];
}

/** One hit of `GET /images/search`. */
export interface SearchResult {
  readonly name: string;
  readonly description: string;
  /** Count. */
  readonly star_count: number;
  readonly is_official: boolean;
  /** Always false: nothing is built there any more. */
  readonly is_automated: boolean;
}
