/** Content that images name: the roots of every collection. */
import type { Digest } from '../base/brand.ts';
import type { ImageTable } from './image-table.ts';

/** Manifests, indexes, configurations and layers of all images. */
export function contentRoots(table: ImageTable): ReadonlySet<Digest> {
  return table.contentDigests();
}
