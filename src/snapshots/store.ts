/**
 * The contract of a snapshot store: unpacked layers and containers' writable
 * directories, handed out as data. It mounts nothing.
 *
 * Words: a *layer* is one unpacked layer, named by its chain id, immutable once
 * committed. A *draft* is a layer that is being unpacked; it becomes a layer when
 * its record is written, or vanishes. A *snapshot* is the writable directory pair of one
 * container over a layer. Layers never become snapshots nor the reverse.
 *
 * **Invariants**
 * - A layer that can be found is complete. Half-made drafts and half-removed
 *   directories are swept when the store is opened.
 * - A layer that has children, snapshots or views is never removed.
 * - Directories are carve's own and unreachable for other users (0700 above them).
 */
import type { ChainId, HostPath } from '../base/brand.ts';
import type { LayerFacts } from '../spec/layer.ts';

/** A committed layer. */
export interface Layer extends LayerFacts {
  readonly chainId: ChainId;
  /** `undefined`: a base layer. */
  readonly parent?: ChainId;
  /** Its own files only, in overlayfs' form. */
  readonly directory: HostPath;
}

/** A layer being unpacked. */
export interface LayerDraft {
  /** Fresh and empty; it keeps this name when it becomes a layer. */
  readonly directory: HostPath;
  /**
   * Publish it. When another draft of the same layer was first, that layer is
   * returned and this draft is dropped. Errors: `not-found` for `parent`.
   */
  commit(chainId: ChainId, parent: ChainId | undefined, facts: LayerFacts): Promise<Layer>;
  /** Drop it with all its files. Idempotent; nothing after `commit`. */
  discard(): Promise<void>;
  /** Precondition: committed, and the layer's files are on the disk. Without this a layer is not trusted after the machine went down. */
  markSynced(): Promise<void>;
}

/** The writable directories of one container. */
export interface Snapshot {
  /** The caller's name for it: the container id. */
  readonly key: string;
  readonly parent?: ChainId;
  readonly upper: HostPath;
  readonly work: HostPath;
  /** Layer directories, top first; never empty (an image without layers gets an empty directory). */
  readonly lower: readonly HostPath[];
}

/** Unpacked layers and writable snapshots. Every method throws `EngineError`. */
export interface SnapshotStore {
  /** `undefined` when it is not unpacked (or is no longer trusted). */
  findLayer(chainId: ChainId): Layer | undefined;
  listLayers(): readonly Layer[];
  /** Begin a layer; `chainId` where it is known already. */
  draftLayer(chainId: ChainId | undefined): Promise<LayerDraft>;
  /** Errors: `in-use` naming what needs it; `not-found`. */
  removeLayer(chainId: ChainId): Promise<void>;
  /** Directories to mount for a layer, top first; those that a layer hides are left out. Errors: `not-found`. */
  directoriesOf(chainId: ChainId): readonly HostPath[];
  /** Layers, top first, that make `chainId`. Errors: `not-found`. */
  chainOf(chainId: ChainId): readonly Layer[];

  /**
   * Make the directories of a new snapshot (two or three mkdir calls, no copy).
   * `key`: letters, digits, `_`, `.`, `-`, at most 128. Errors: `conflict` when it exists, `not-found` for `parent`.
   */
  prepare(key: string, parent: ChainId | undefined): Snapshot;
  /** Errors: `corrupt` when a layer below it is missing. */
  findSnapshot(key: string): Snapshot | undefined;
  /** Keys of all snapshots. */
  listSnapshots(): readonly string[];
  /** Read-only access to a layer's stack: its directories, top first, held until released. Errors: `not-found`. */
  view(parent: ChainId | undefined): LayerView;
  /** Gone at once for `findSnapshot`; its files are deleted in the background. Idempotent. */
  removeSnapshot(key: string): Promise<void>;
  /** Bytes and entries in a snapshot's writable directory (blocks on disk, hard links once). Errors: `not-found`. */
  usage(key: string, options?: { readonly signal?: AbortSignal }): Promise<SnapshotUsage>;
  /** Waits for deletions in the background. */
  close(): Promise<void>;
}

/** Directories held against removal. */
export interface LayerView {
  /** Top first; never empty. */
  readonly lower: readonly HostPath[];
  /** Idempotent. */
  release(): void;
  [Symbol.dispose](): void;
}

/** Space of a snapshot's writable directory. */
export interface SnapshotUsage {
  /** Sum of file sizes in bytes, hard links counted once. */
  readonly sizeBytes: number;
  /** Count. */
  readonly entries: number;
}
