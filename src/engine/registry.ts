/**
 * Operations that look into registries without pulling, and write indexes.
 * `auth` is a client's `X-Registry-Auth` header; absent: anonymous.
 */

import type { DistributionInspect, SearchResult } from '../spec/docker/registry.ts';
import type { ImageDescriptor } from '../spec/docker/image.ts';

/** Options of every question to a registry. */
export interface RegistryQuestion {
  readonly auth?: string;
  readonly signal?: AbortSignal;
}

/** A manifest or an index as its registry has it. */
export interface RegistryManifest {
  /** With the platform its configuration names, where there is one. */
  readonly descriptor: ImageDescriptor;
  readonly bytes: Uint8Array;
}

/** An index to store, and the manifests it names. */
export interface IndexUpload extends RegistryQuestion {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** References with a digest; those of other repositories are brought along. */
  readonly sources: readonly string[];
  readonly isInsecure: boolean;
}

/** Operations on registries. Every one throws `EngineError`. */
export interface RegistryOperations {
  /** What a reference leads to, and for which platforms. Errors: `invalid`, `not-found`, `unauthorized`, `unavailable`. */
  inspect(reference: string, options: RegistryQuestion): Promise<DistributionInspect>;
  /** `limit` is 1..100, default 25. Errors: `invalid`; `not-found` when the registry has no search. */
  search(
    term: string,
    options: RegistryQuestion & {
      /** Count of results. */
      readonly limit?: number;
      /** As `Filters` of the engine. */
      readonly filters: Readonly<Record<string, readonly string[]>>;
    },
  ): Promise<readonly SearchResult[]>;
  /** Errors as `inspect`. */
  manifest(
    reference: string,
    options: RegistryQuestion & { readonly isInsecure: boolean },
  ): Promise<RegistryManifest>;
  /** Stores an index under a tag; its digest. Errors: `invalid` without a tag or for manifests of another registry. */
  putIndex(reference: string, upload: IndexUpload): Promise<{ readonly digest: string }>;
}
