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
  /** Fresh and empty; it keeps this name. */
  readonly directory: HostPath;
  commit(chainId: ChainId, parent: ChainId | undefined, facts: LayerFacts): Promise<TargetLayer>;
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
  draftLayer(chainId: ChainId | undefined): Promise<TargetDraft>;
  /** Errors: `in-use`, `not-found`. */
  removeLayer(chainId: ChainId): Promise<void>;
  /** Directories to mount for a layer, top first; those that a layer hides are left out. Errors: `not-found`. */
  directoriesOf(chainId: ChainId): readonly HostPath[];
  /** The same, held against removal; never empty. */
  view(parent: ChainId | undefined): TargetView;
}
