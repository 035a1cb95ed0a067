/**
 * The contract of the image store: names, ids, configurations, and the moves
 * between archives, content and unpacked layers.
 *
 * Words: an image's *id* is the digest of its configuration. A *name* is a full
 * reference with a tag or a digest (`docker.io/library/debian:12`). An image
 * without a tag is *dangling*.
 *
 * **Invariants**
 * - An image that can be found is whole: its documents and layers are in the
 *   content store, verified, and its layers are unpacked.
 * - Lookups are synchronous and touch no container's tree.
 * - Nothing an image, a lease or a snapshot needs is ever collected.
 *
 * Source: OCI image-spec 1.1.1; Docker Engine API 1.51 for the rules of names and removal.
 */
import type { ChainId, Digest } from '../base/brand.ts';
import type { CollectOptions, Lease } from '../content/store.ts';
import type { LayerBytes } from '../layers/layer-bytes.ts';
import type { CapturedFile, CapturedPath } from '../spec/layer.ts';
import type { Descriptor, ExecutionConfig, HistoryEntry, ImageConfig } from '../spec/oci/image.ts';
import type { Platform } from '../spec/platform.ts';

/** One image. Frozen; a later change of names makes a new record. */
export interface ImageRecord {
  readonly id: Digest;
  /** The manifest that names configuration and layers. */
  readonly manifest: Descriptor;
  /** Media type, digest and size of the configuration. */
  readonly configDescriptor: Descriptor;
  readonly config: ImageConfig;
  readonly platform: Platform;
  /** Blobs of the layers, base first. */
  readonly layers: readonly Descriptor[];
  /** Chain ids of the layers, base first; the last is the snapshot's parent. */
  readonly chain: readonly ChainId[];
  /** Sizes of the unpacked layers in bytes, base first. */
  readonly layerSizesBytes: readonly number[];
  /** Sum of `layerSizesBytes`. */
  readonly sizeBytes: number;
  /** Image it was committed or built from, when that was here. */
  readonly parent?: Digest;
  /** Names with a tag, full form, sorted. */
  readonly tags: readonly string[];
  /** Names with a digest, full form, sorted. */
  readonly digests: readonly string[];
  /** Milliseconds since the epoch when it was first stored here. */
  readonly addedAtMs: number;
  /** Milliseconds since the epoch of the last tag; `undefined`: never. */
  readonly lastTaggedAtMs?: number;
  /** Milliseconds since the epoch when a container was last made of it or ended, to ten minutes; `undefined`: never. */
  readonly lastUsedAtMs?: number;
  /** `etc/passwd` and `etc/group` as the image's root has them. */
  readonly captured: Readonly<Record<CapturedPath, CapturedFile>>;
}

/** One step of a long operation. Source of the texts: Docker's progress stream. */
export interface ImageProgress {
  /** 12 hex digits of a layer. */
  readonly id?: string;
  /** e.g. `Extracting`. */
  readonly status?: string;
  /** A line for people, with its newline. */
  readonly stream?: string;
  /** Bytes done. */
  readonly current?: number;
  /** Bytes to do; absent when unknown. */
  readonly total?: number;
}

/** Options of every long operation. */
export interface ImageOptions {
  /** Called often; must be cheap and must not throw. */
  readonly onProgress?: (progress: ImageProgress) => void;
  readonly signal?: AbortSignal;
}

/** A container that uses an image. */
export interface ImageUser {
  readonly containerId: string;
  readonly isRunning: boolean;
}

/** What `remove` may do and must respect. */
export interface RemoveOptions {
  /** Also when stopped containers use it or several names point at it. */
  readonly force: boolean;
  /** Keep untagged parents. */
  readonly noPrune: boolean;
  /** Containers that use the image `id`, asked for at the moment of removal. */
  readonly users: (id: Digest) => readonly ImageUser[];
}

/** One effect of a removal, in order. */
export type ImageRemoval =
  | { readonly kind: 'untagged'; readonly name: string; readonly id: Digest }
  | { readonly kind: 'deleted'; readonly id: Digest }
  | { readonly kind: 'layer'; readonly chainId: ChainId };

/** An image that an archive brought. */
export interface LoadedImage {
  readonly image: ImageRecord;
  /** Names given by the archive, familiar form (`debian:12`). */
  readonly names: readonly string[];
}

/** How to import a root file system. */
export interface ImportOptions extends ImageOptions {
  /** Name to give it; `undefined`: none. */
  readonly reference?: string;
  readonly message?: string;
  /** Dockerfile instructions: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR. */
  readonly changes: readonly string[];
  /** `undefined`: the host's. */
  readonly platform?: Platform;
  /** Source named in the history, e.g. a URL; default `-`. */
  readonly sourceName?: string;
}

/** How to make an image of a container's changes. */
export interface CommitOptions extends ImageOptions {
  /** The image the container was made from; `undefined`: none. */
  readonly parent?: Digest;
  /** The container's writable directory. */
  readonly upper: string;
  /** Paths (no leading slash) that are mount points the engine made in `upper`, left out. */
  readonly exclude: readonly string[];
  /** Name to give it; `undefined`: none. */
  readonly reference?: string;
  readonly message?: string;
  readonly author?: string;
  /** Text for the history: the container's command. */
  readonly createdBy?: string;
  /** The container's configuration; replaces the parent's. */
  readonly config?: ExecutionConfig;
  readonly changes: readonly string[];
}

/** An image whose documents and layers are in the content store already (a pull, a build). */
export interface AddOptions extends ImageOptions {
  /** Manifest or index. */
  readonly target: Descriptor;
  /** Chosen from an index; `undefined`: the host's. */
  readonly platform?: Platform;
  /** Full names to give: tags and digests. */
  readonly names: readonly string[];
  readonly parent?: Digest;
  /** Holds the content until the record is written. */
  readonly lease: Lease;
  /** What progress of unpacking is called; default `Extracting`. */
  readonly status?: string;
  /**
   * Asked for each layer that is not unpacked yet, all at once: settles when the
   * layer can be read. `undefined`: its blob is in the content store. A stream
   * is unpacked while it comes in; its blob must be in the store when it ends.
   * Default: all blobs are in the store.
   */
  readonly layerSource?: (layer: Descriptor, index: number) => Promise<LayerBytes | undefined>;
  /**
   * Asked once all layers are unpacked: settles when every blob is in the store.
   * A layer that was unpacked before is not read, its blob may still come in.
   * Default: all blobs are in the store.
   */
  readonly allStored?: () => Promise<void>;
}

/** One step of an image's history, oldest first, with what is known here. */
export interface ImageStep extends HistoryEntry {
  /** Bytes the step added; 0 when it made no layer. */
  readonly sizeBytes: number;
  /** Image that ends with this step, when it is known here. */
  readonly image?: ImageRecord;
}

/** Space used by images. */
export interface ImageUsage {
  /** Sum of all unpacked layers in bytes, shared ones once. */
  readonly layersBytes: number;
  /** Sum of all blobs in bytes. */
  readonly contentBytes: number;
  /** Unpacked bytes by image that no other image shares. */
  readonly uniqueBytes: ReadonlyMap<Digest, number>;
}

/** What takes room, and for whom. */
export interface ImageSpace {
  /** Unpacked layers, in no order. */
  readonly layers: readonly SpaceLayer[];
  /** Size in bytes of every blob. */
  readonly blobs: ReadonlyMap<Digest, number>;
  /** Blobs of each image: indexes, manifest, configuration, layers; each once. */
  readonly holdings: ReadonlyMap<Digest, ReadonlySet<Digest>>;
}

/** One unpacked layer. */
export interface SpaceLayer {
  readonly chainId: ChainId;
  /** `undefined`: a base layer. */
  readonly parent?: ChainId;
  readonly sizeBytes: number;
}

/** Which images a prune takes. */
export interface PruneOptions {
  /** Only images without a tag; else every image no container uses. */
  readonly danglingOnly: boolean;
  /** Asked for each candidate, after the rules above. */
  readonly accept?: (image: ImageRecord) => boolean;
  readonly users: (id: Digest) => readonly ImageUser[];
  readonly signal?: AbortSignal;
}

/** What a prune or collection freed. */
export interface PruneResult {
  readonly removals: readonly ImageRemoval[];
  /** Unpacked layers and blobs, in bytes. */
  readonly reclaimedBytes: number;
}

/** Images. Every method throws `EngineError`. */
export interface ImageStore {
  /**
   * By full id, `name[:tag]`, `name@digest` or unique id prefix, in that order.
   * `undefined` when there is none. Errors: `invalid` for a prefix that fits several.
   */
  find(reference: string): ImageRecord | undefined;
  /** As `find`. Errors: `not-found` with `No such image: X`, also when `platform` does not fit. */
  get(reference: string, options?: { readonly platform?: Platform }): ImageRecord;
  /** All images, newest first. */
  list(): readonly ImageRecord[];
  /** Steps, oldest first. */
  history(reference: string): readonly ImageStep[];
  /** Give `target` (`name[:tag]`) to an image; the name leaves the image it had. Errors: `invalid`, `not-found`. */
  tag(reference: string, target: string): { readonly image: ImageRecord; readonly name: string };
  /** Docker's rules of untagging and deleting. Errors: `not-found`, `conflict`. */
  remove(reference: string, options: RemoveOptions): Promise<readonly ImageRemoval[]>;
  prune(options: PruneOptions): Promise<PruneResult>;
  /** Remove content and layers that nothing needs any more. */
  collect(options?: CollectOptions): Promise<PruneResult>;
  usage(): Promise<ImageUsage>;
  space(): Promise<ImageSpace>;
  /** Note that a container was made of the image, or ended. Unknown ids are ignored. */
  touch(id: string): void;

  /** An archive of `docker save` or an OCI layout; plain, gzip or zstd. Errors: `invalid`, `corrupt`; a failed load leaves no image. */
  load(
    archive: AsyncIterable<Uint8Array>,
    options?: ImageOptions & { readonly platform?: Platform },
  ): Promise<readonly LoadedImage[]>;
  /** An OCI layout directory on this machine, chosen by the operator. */
  loadLayout(
    directory: string,
    options?: ImageOptions & { readonly platform?: Platform },
  ): Promise<readonly LoadedImage[]>;
  /** A tar of root file system; plain, gzip or zstd. */
  import(archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImageRecord>;
  /** An archive that both `docker load` and OCI tools read. The lookups happen before the first byte. Errors: `not-found`. */
  save(references: readonly string[], options?: ImageOptions): AsyncIterable<Uint8Array>;
  commit(options: CommitOptions): Promise<ImageRecord>;
  /** Unpack and record an image that is in the content store. Idempotent. */
  add(options: AddOptions): Promise<ImageRecord>;
  /** Entries of the indexes that names of the image stand for; empty when none led to it. */
  offered(id: Digest): Promise<readonly Descriptor[]>;
  /** Content that images name: the roots of a collection. */
  roots(): ReadonlySet<Digest>;
}
