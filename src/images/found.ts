/** What reading an archive works with and gives, shared by its formats. */
import type { Lease } from '../content/store.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import type { Platform } from '../spec/platform.ts';
import type { ResolvedImage } from './add.ts';
import type { ImageParts } from './parts.ts';
import type { ImageOptions } from './store.ts';

/** Options of a load. */
export type LoadOptions = ImageOptions & { readonly platform?: Platform };

/** What reading an archive works with. */
export interface LoadContext {
  readonly parts: ImageParts;
  /** Holds everything the archive brought. */
  readonly lease: Lease;
  readonly options: LoadOptions;
}

/** An image of an archive, with the names the archive gives it. */
export interface FoundImage {
  readonly resolved: ResolvedImage;
  /** What its names stand for: the manifest, or the index that led to it. */
  readonly target: Descriptor;
  /** Full names. */
  readonly names: readonly string[];
}

/** A descriptor without the annotations of the index it stood in. */
export function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}
