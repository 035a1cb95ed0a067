/** What images take on the disk: unpacked layers and blobs, as data. */
import type { Digest } from '../base/brand.ts';
import type { ImageParts } from './parts.ts';
import type { ImageSpace } from './store.ts';

/** Sizes of everything, and which blobs each image needs. */
export async function measureSpace(parts: ImageParts): Promise<ImageSpace> {
  const { table, target, content } = parts;
  const blobs = new Map<Digest, number>();
  for await (const { digest, sizeBytes } of content.list()) blobs.set(digest, sizeBytes);
  const holdings = new Map<Digest, Set<Digest>>();
  for (const { id, manifest, layers } of table.list())
    holdings.set(id, new Set([manifest.digest, id, ...layers.map(({ digest }) => digest)]));
  for (const { imageId, target: named } of table.names()) holdings.get(imageId)?.add(named.digest);
  const layers = target.listLayers().map(({ chainId, parent, sizeBytes }) => ({
    chainId,
    ...(parent === undefined ? {} : { parent }),
    sizeBytes,
  }));
  return { layers, blobs, holdings };
}
