/**
 * What the verbs of the image store work with. Made once; every verb takes it
 * as its first argument and keeps no state of its own.
 */
import type { ChainId } from '../base/brand.ts';
import type { ContentStore } from '../content/store.ts';
import type { LayerTarget } from '../layers/target.ts';
import type { LayerUnpacker } from '../layers/unpack.ts';
import type { ChangeSource } from '../layers/walk.ts';
import type { Platform } from '../spec/platform.ts';
import type { ImageTable } from './image-table.ts';

/** Parts of one image store. */
export interface ImageParts {
  readonly table: ImageTable;
  readonly content: ContentStore;
  readonly target: LayerTarget;
  readonly unpacker: LayerUnpacker;
  /** Reads the changes in a container's writable directory. */
  readonly changes: ChangeSource;
  readonly pins: LayerPins;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** Platform of this machine. */
  readonly host: Platform;
}

/** Layers that an operation in progress needs though no image names them yet. */
export class LayerPins {
  readonly #counts = new Map<ChainId, number>();

  /** Keep layers; the result lets them go and is idempotent. */
  pin(chain: readonly ChainId[]): () => void {
    for (const chainId of chain) this.#counts.set(chainId, (this.#counts.get(chainId) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      for (const chainId of chain) this.#drop(chainId);
    };
  }

  has(chainId: ChainId): boolean {
    return this.#counts.has(chainId);
  }

  #drop(chainId: ChainId): void {
    const count = (this.#counts.get(chainId) ?? 0) - 1;
    if (count > 0) this.#counts.set(chainId, count);
    else this.#counts.delete(chainId);
  }
}
