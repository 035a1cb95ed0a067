/** Content that images name: the roots of every collection. */
import type { Digest } from '../base/brand.ts';
import type { ImageTable } from './image-table.ts';

/** Manifests, indexes, configurations and layers of all images. */
export function contentRoots(table: ImageTable): ReadonlySet<Digest> {
  const roots = new Set<Digest>();
  for (const image of table.list()) {
    roots.add(image.manifest.digest);
    roots.add(image.id);
    for (const { digest } of image.layers) roots.add(digest);
  }
  for (const { target } of table.names()) roots.add(target.digest);
  return roots;
}
