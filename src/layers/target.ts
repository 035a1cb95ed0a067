/**
 * Where unpacked layers go, as the code that unpacks sees it. The snapshot
 * store satisfies this shape; the two folders never import each other.
 */
import type { ChainId, HostPath } from '../base/brand.ts';
import type { LayerFacts } from '../spec/layer.ts';

/** A committed layer. */
export interface TargetLayer extends LayerFacts {
  readonly chainId: ChainId;
  readonly parent?: ChainId;
  readonly directory: HostPath;
}

/** A layer being unpacked; see `LayerDraft` of the snapshot store. */
export interface TargetDraft {
  /** Fresh and empty. */
  readonly directory: HostPath;
  /** Directories of the layers below, top first. */
  readonly lower: readonly HostPath[];
  commit(chainId: ChainId, facts: LayerFacts): Promise<TargetLayer>;
  discard(): Promise<void>;
  markSynced(): Promise<void>;
}

/** A directory stack held against removal. */
export interface TargetView {
  /** Top first; never empty. */
  readonly lower: readonly HostPath[];
  release(): void;
}

/** The part of a snapshot store that images need. */
export interface LayerTarget {
  findLayer(chainId: ChainId): TargetLayer | undefined;
  listLayers(): readonly TargetLayer[];
  /** Errors: `not-found` when `parent` is not a layer. */
  draftLayer(parent: ChainId | undefined): Promise<TargetDraft>;
  /** Errors: `in-use`, `not-found`. */
  removeLayer(chainId: ChainId): Promise<void>;
  view(parent: ChainId | undefined): TargetView;
}
