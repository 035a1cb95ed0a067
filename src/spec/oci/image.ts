/**
 * OCI image documents as they are on the wire: descriptor, index, manifest,
 * configuration, layout. Docker schema 2 has the same shapes with other media types.
 *
 * These are types only; `src/images/documents.ts` checks untrusted JSON against them.
 * Source: OCI image-spec 1.1.1 (descriptor.md, image-index.md, manifest.md,
 * config.md, image-layout.md); Docker's additions where marked.
 */
import type { Digest } from '../../base/brand.ts';

/** Points at content. Source: OCI image-spec 1.1.1 descriptor.md. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Size of the content in bytes. */
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** The content itself, base64. */
  readonly data?: string;
  readonly artifactType?: string;
  /** Only in an index. */
  readonly platform?: DescriptorPlatform;
}

/** Platform of an index entry. Source: OCI image-spec 1.1.1 image-index.md. */
export interface DescriptorPlatform {
  readonly architecture: string;
  readonly os: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
  readonly variant?: string;
}

/** Several images under one name. Source: OCI image-spec 1.1.1 image-index.md; Docker manifest list. */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** One image: its configuration and its layers, base first. Source: OCI image-spec 1.1.1 manifest.md; Docker schema 2. */
export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The configuration whose digest is the image's id. Source: OCI image-spec 1.1.1 config.md. */
export interface ImageConfig {
  /** RFC 3339. */
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
  readonly variant?: string;
  readonly config?: ExecutionConfig;
  readonly rootfs: {
    readonly type: 'layers';
    /** Digests of the uncompressed layers, base first. */
    readonly diff_ids: readonly Digest[];
  };
  readonly history?: readonly HistoryEntry[];
  /** Docker's: message of a commit. */
  readonly comment?: string;
  /** Docker's: configuration of the container a commit came from; carried, never used. */
  readonly container_config?: unknown;
  /** Docker's: version of the engine that made it. */
  readonly docker_version?: string;
}

/** How to run the image. Source: OCI image-spec 1.1.1 config.md "config"; Docker image specification 1.2/1.3 where marked. */
export interface ExecutionConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string;
  /** Docker's. */
  readonly Healthcheck?: HealthcheckConfig | null;
  /** Docker's. */
  readonly OnBuild?: readonly string[] | null;
  /** Docker's. */
  readonly Shell?: readonly string[] | null;
  /** Docker's; Windows only, carried. */
  readonly ArgsEscaped?: boolean;
  /** Docker's; in seconds. */
  readonly StopTimeout?: number;
}

/** Health probe. Source: Docker image specification 1.2 "Healthcheck". */
export interface HealthcheckConfig {
  /** `["NONE"]`, `["CMD", …]`, `["CMD-SHELL", "…"]`; empty: inherit. */
  readonly Test?: readonly string[];
  /** Nanoseconds. */
  readonly Interval?: number;
  /** Nanoseconds. */
  readonly Timeout?: number;
  /** Nanoseconds. */
  readonly StartPeriod?: number;
  /** Nanoseconds. */
  readonly StartInterval?: number;
  /** Count of failures in a row. */
  readonly Retries?: number;
}

/** One step of how the image was made, oldest first. Source: OCI image-spec 1.1.1 config.md "history". */
export interface HistoryEntry {
  /** RFC 3339. */
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  /** The step made no layer. */
  readonly empty_layer?: boolean;
}

/** Content of the `oci-layout` file. Source: OCI image-spec 1.1.1 image-layout.md. */
export interface ImageLayout {
  readonly imageLayoutVersion: '1.0.0';
}

/** One element of `manifest.json` in an archive of `docker save`. Source: Docker image specification 1.2. */
export interface DockerArchiveItem {
  /** Path of the configuration inside the archive. */
  readonly Config: string;
  /** Familiar names; `null` for an image saved by id. */
  readonly RepoTags?: readonly string[] | null;
  /** Paths of the layer tars inside the archive, base first. */
  readonly Layers: readonly string[];
}

/** Annotation keys carve reads or writes. Source: OCI image-spec 1.1.1 annotations.md; containerd's import and export. */
export const ANNOTATION = {
  refName: 'org.opencontainers.image.ref.name',
  created: 'org.opencontainers.image.created',
  containerdImageName: 'io.containerd.image.name',
  attestationType: 'vnd.docker.reference.type',
  attestationDigest: 'vnd.docker.reference.digest',
} as const;
