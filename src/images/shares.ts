/**
 * Who shares what: counts of images and containers per unpacked layer and blob,
 * and what goes when an image goes. Pure.
 *
 * **Invariant:** a layer that an image or a container stands on, and a blob an
 * image names, is never counted as free.
 */
import type { ChainId, Digest } from '../base/brand.ts';
import type { ImageRecord, ImageSpace } from './store.ts';

/** Room that is freed. */
export interface FreedBytes {
  /** Unpacked layers. */
  readonly layersBytes: number;
  /** Blobs. */
  readonly contentBytes: number;
}

/** Counts that go down as images go. */
export class Shares {
  readonly #space: ImageSpace;
  readonly #layerSizes: ReadonlyMap<ChainId, number>;
  readonly #layerUsers = new Map<ChainId, number>();
  readonly #blobUsers = new Map<Digest, number>();
  readonly #images = new Map<Digest, ImageRecord>();
  #totalBytes = 0;

  /** `inUse`: containers stand on the image's layers. */
  constructor(
    space: ImageSpace,
    images: readonly ImageRecord[],
    inUse: (image: ImageRecord) => boolean,
  ) {
    this.#space = space;
    this.#layerSizes = new Map(space.layers.map(({ chainId, sizeBytes }) => [chainId, sizeBytes]));
    for (const image of images) {
      this.#images.set(image.id, image);
      this.#count(image, 1);
      // A container holds the layers whatever becomes of the image.
      if (inUse(image)) for (const chainId of image.chain) add(this.#layerUsers, chainId, 1);
    }
    for (const sizeBytes of this.#layerSizes.values()) this.#totalBytes += sizeBytes;
    for (const sizeBytes of space.blobs.values()) this.#totalBytes += sizeBytes;
  }

  /** Layers and blobs that are there, in bytes. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Images whose chain has the layer, and containers' holds of it. */
  usersOf(chainId: ChainId): number {
    return this.#layerUsers.get(chainId) ?? 0;
  }

  /** What goes when only this image goes. */
  freedBy(id: Digest): FreedBytes {
    const image = this.#images.get(id);
    if (image === undefined) return { layersBytes: 0, contentBytes: 0 };
    return {
      layersBytes: sum(image.chain, this.#layerUsers, this.#layerSizes),
      contentBytes: sum(this.#space.holdings.get(id) ?? [], this.#blobUsers, this.#space.blobs),
    };
  }

  /** The image goes; what it freed. */
  remove(id: Digest): FreedBytes {
    const freed = this.freedBy(id);
    const image = this.#images.get(id);
    if (image === undefined) return freed;
    this.#images.delete(id);
    this.#count(image, -1);
    this.#totalBytes -= freed.layersBytes + freed.contentBytes;
    return freed;
  }

  #count(image: ImageRecord, step: 1 | -1): void {
    for (const chainId of image.chain) add(this.#layerUsers, chainId, step);
    for (const digest of this.#space.holdings.get(image.id) ?? [])
      add(this.#blobUsers, digest, step);
  }
}

function add<K>(counts: Map<K, number>, key: K, step: number): void {
  counts.set(key, (counts.get(key) ?? 0) + step);
}

/** Sizes of those that one user has. */
function sum<K>(
  keys: Iterable<K>,
  users: ReadonlyMap<K, number>,
  sizes: ReadonlyMap<K, number>,
): number {
  let bytes = 0;
  for (const key of keys) if (users.get(key) === 1) bytes += sizes.get(key) ?? 0;
  return bytes;
}
