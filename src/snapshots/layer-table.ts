/**
 * The committed layers of a store in memory: by chain id, with their numbers,
 * children and holders. Knows no disk.
 *
 * **Invariant:** every parent of a layer in the table is in the table.
 */
import type { ChainId, HostPath } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import type { Layer } from './store.ts';

interface Entry {
  readonly number: number;
  readonly layer: Layer;
  /** Layers directly above. */
  children: number;
  /** Drafts and views. */
  holders: number;
}

/** Layers by chain id. */
export class LayerTable {
  readonly #entries = new Map<ChainId, Entry>();
  readonly #byNumber = new Map<number, ChainId>();

  find(chainId: ChainId): Layer | undefined {
    return this.#entries.get(chainId)?.layer;
  }

  list(): readonly Layer[] {
    return [...this.#entries.values()].map(({ layer }) => layer);
  }

  numberOf(chainId: ChainId): number | undefined {
    return this.#entries.get(chainId)?.number;
  }

  chainIdOf(number: number): ChainId | undefined {
    return this.#byNumber.get(number);
  }

  /** Precondition: its parent is here and its chain id is not. */
  add(number: number, layer: Layer): void {
    this.#entries.set(layer.chainId, { number, layer, children: 0, holders: 0 });
    this.#byNumber.set(number, layer.chainId);
    const parent = layer.parent === undefined ? undefined : this.#entries.get(layer.parent);
    if (parent !== undefined) parent.children++;
  }

  /** Add what a disk has, parents first; what remains has no parent here, or is a double, and is returned. */
  addAll(
    found: readonly { readonly number: number; readonly layer: Layer }[],
  ): readonly { readonly number: number; readonly layer: Layer }[] {
    let waiting = [...found].sort((a, b) => a.number - b.number);
    for (let hasProgress = true; hasProgress; ) {
      const later: typeof waiting = [];
      for (const item of waiting) {
        const { layer, number } = item;
        const isReady =
          !this.#entries.has(layer.chainId) &&
          (layer.parent === undefined || this.#entries.has(layer.parent));
        if (isReady) this.add(number, layer);
        else later.push(item);
      }
      hasProgress = later.length < waiting.length;
      waiting = later;
    }
    return waiting;
  }

  /** Precondition: nobody uses it. */
  remove(chainId: ChainId): void {
    const entry = this.#entries.get(chainId);
    if (entry === undefined) return;
    this.#entries.delete(chainId);
    this.#byNumber.delete(entry.number);
    const parent =
      entry.layer.parent === undefined ? undefined : this.#entries.get(entry.layer.parent);
    if (parent !== undefined) parent.children--;
  }

  /** Who needs a layer, for people; `undefined`: nobody here. */
  userOf(chainId: ChainId): string | undefined {
    const entry = this.#entries.get(chainId);
    if (entry === undefined) return undefined;
    if (entry.children > 0) return 'another layer';
    return entry.holders > 0 ? 'a reader' : undefined;
  }

  /** Keep a layer (and so all below it); the result lets it go and is idempotent. Errors: `not-found`. */
  hold(chainId: ChainId): () => void {
    const entry = this.#require(chainId);
    entry.holders++;
    let isHeld = true;
    return () => {
      if (isHeld) entry.holders--;
      isHeld = false;
    };
  }

  /** The layer and those below it, top first. Errors: `not-found`. */
  chainOf(chainId: ChainId): readonly Layer[] {
    const chain: Layer[] = [];
    for (let next: ChainId | undefined = chainId; next !== undefined; ) {
      const { layer } = this.#require(next);
      chain.push(layer);
      next = layer.parent;
    }
    return chain;
  }

  /** Directories to mount for a layer, top first: those below a layer that hides them are left out. Errors: `not-found`. */
  directoriesOf(chainId: ChainId): readonly HostPath[] {
    const directories: HostPath[] = [];
    for (const layer of this.chainOf(chainId)) {
      directories.push(layer.directory);
      if (layer.hidesBelow === true) break;
    }
    return directories;
  }

  #require(chainId: ChainId): Entry {
    const entry = this.#entries.get(chainId);
    if (entry === undefined)
      throw new EngineError('not-found', `Cannot use layer ${chainId}: it is not unpacked`);
    return entry;
  }
}
