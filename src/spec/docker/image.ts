/**
 * What the engine tells about images, in Docker's words, newest shape;
 * `http/shape` adapts it to older clients.
 *
 * Source: Docker Engine API 1.51, `ImageSummary`, `ImageInspect`,
 * `HistoryResponseItem`, `ImageDeleteResponseItem`; OCI image-spec `descriptor.md`.
 */

import type { ContainerConfig } from './container.ts';
import type { GraphDriver } from './inspect.ts';

/** Points at a blob. Source: OCI image-spec 1.1 `descriptor.md`. */
export interface ImageDescriptor {
  readonly mediaType: string;
  /** `sha256:…`. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: {
    readonly architecture: string;
    readonly os: string;
    readonly variant?: string;
    readonly 'os.version'?: string;
    readonly 'os.features'?: readonly string[];
  };
}

/** One manifest of an image. Source: Engine API `ImageManifestSummary`. */
export interface ImageManifestSummary {
  readonly ID: string;
  readonly Descriptor: ImageDescriptor;
  /** All of its blobs are here. */
  readonly Available: boolean;
  readonly Size: {
    /** Bytes, unpacked included. */
    readonly Total: number;
    /** Bytes of its blobs. */
    readonly Content: number;
  };
  readonly Kind: 'image' | 'attestation' | 'unknown';
  readonly ImageData?: {
    readonly Platform: NonNullable<ImageDescriptor['platform']>;
    /** Ids of containers made from it. */
    readonly Containers: readonly string[];
    readonly Size: {
      /** Bytes. */
      readonly Unpacked: number;
    };
  };
  readonly AttestationData?: {
    /** `sha256:…` of the manifest it speaks of. */
    readonly For: string;
  };
}

/** One row of `GET /images/json`. Source: Engine API `ImageSummary`. */
export interface ImageSummary {
  /** `sha256:…`. */
  readonly Id: string;
  /** Empty when none is known. */
  readonly ParentId: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  /** Seconds since the epoch. */
  readonly Created: number;
  /** Bytes. */
  readonly Size: number;
  /** Bytes shared with other images; -1: not counted. */
  readonly SharedSize: number;
  readonly Labels: Readonly<Record<string, string>> | null;
  /** Count of containers that use it; -1: not counted. */
  readonly Containers: number;
  readonly Manifests?: readonly ImageManifestSummary[];
  readonly Descriptor?: ImageDescriptor;
}

/** Answer of `GET /images/{name}/json`. Source: Engine API `ImageInspect`. */
export interface ImageInspect {
  /** `sha256:…`. */
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly Parent: string;
  readonly Comment: string;
  /** RFC 3339 with nanoseconds; absent when the image does not say. */
  readonly Created?: string;
  readonly DockerVersion: string;
  readonly Author: string;
  readonly Config: ContainerConfig | null;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Os: string;
  readonly OsVersion?: string;
  /** Bytes. */
  readonly Size: number;
  readonly GraphDriver: GraphDriver;
  readonly RootFS: {
    readonly Type: 'layers';
    /** Diff ids, lowest layer first. */
    readonly Layers: readonly string[];
  };
  readonly Metadata: {
    /** RFC 3339 with nanoseconds; `0001-01-01T00:00:00Z` when never. */
    readonly LastTagTime: string;
  };
  readonly Descriptor?: ImageDescriptor;
  readonly Manifests?: readonly ImageManifestSummary[];
}

/** One row of `GET /images/{name}/history`, newest first. Source: Engine API `HistoryResponseItem`. */
export interface HistoryItem {
  /** `<missing>` when unknown. */
  readonly Id: string;
  /** Seconds since the epoch. */
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Tags: readonly string[] | null;
  /** Bytes the step added. */
  readonly Size: number;
  readonly Comment: string;
}

/** One effect of `DELETE /images/{name}`. Source: Engine API `ImageDeleteResponseItem`. */
export type ImageDeleteItem = { readonly Untagged: string } | { readonly Deleted: string };
