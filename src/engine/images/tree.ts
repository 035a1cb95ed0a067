/** The tree of layers: what images share, and what each would free. Pure but for the measuring. */

import { Shares } from '../../images/shares.ts';
import type { ImageRecord, ImageSpace } from '../../images/store.ts';
import type { ImageTree, TreeImage, TreeLayer } from '../../spec/image-tree.ts';
import { formatPlatform } from '../../spec/platform.ts';
import type { EngineParts } from '../parts.ts';
import { familiar } from './describe.ts';
import { manifestsOf } from './manifests.ts';
import { usersOf } from './users.ts';

/** Layers with their parents before them, and images newest first. */
export async function readTree(parts: EngineParts): Promise<ImageTree> {
  const space = await parts.images.space();
  const images = parts.images.list();
  const users = usersOf(parts);
  const shares = new Shares(space, images, ({ id }) => users(id).length > 0);
  const { uniqueBytes } = await parts.images.usage();
  const described: TreeImage[] = [];
  for (const image of images) {
    const { layersBytes, contentBytes } = shares.freedBy(image.id);
    const offered = (await manifestsOf(parts, image)).map(({ Descriptor }) => Descriptor);
    described.push({
      Id: image.id,
      Names: [...image.tags, ...image.digests].map(familiar),
      Platform: formatPlatform(image.platform),
      Offered: offered.filter(({ digest }) => digest !== image.manifest.digest),
      Layers: image.chain,
      SizeBytes: image.sizeBytes,
      UniqueBytes: uniqueBytes.get(image.id) ?? 0,
      FreesBytes: layersBytes + contentBytes,
      Containers: users(image.id).map(({ containerId }) => containerId),
    });
  }
  return {
    Layers: layersOf(space, images),
    Images: described,
    LayersBytes: sum(space.layers.map(({ sizeBytes }) => sizeBytes)),
    ContentBytes: sum([...space.blobs.values()]),
  };
}

function layersOf(space: ImageSpace, images: readonly ImageRecord[]): readonly TreeLayer[] {
  const owners = new Map<string, { readonly ids: Set<string>; contentBytes: number }>();
  for (const { id, chain, layers } of images) {
    for (const [index, chainId] of chain.entries()) {
      const owner = owners.get(chainId) ?? { ids: new Set(), contentBytes: 0 };
      owner.ids.add(id);
      const blob = layers[index]?.digest;
      if (blob !== undefined) owner.contentBytes = space.blobs.get(blob) ?? 0;
      owners.set(chainId, owner);
    }
  }
  const described = space.layers.map(({ chainId, parent, sizeBytes }): TreeLayer => {
    const owner = owners.get(chainId);
    return {
      ChainID: chainId,
      Parent: parent ?? null,
      SizeBytes: sizeBytes,
      ContentBytes: owner?.contentBytes ?? 0,
      Images: [...(owner?.ids ?? [])],
    };
  });
  return parentsFirst(described);
}

function parentsFirst(layers: readonly TreeLayer[]): readonly TreeLayer[] {
  const children = Map.groupBy(layers, ({ Parent }) => Parent);
  const ordered = [...(children.get(null) ?? [])];
  // The list grows while it is walked: each layer brings those that stand on it.
  for (const { ChainID } of ordered) ordered.push(...(children.get(ChainID) ?? []));
  return ordered;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
