/**
 * Taking away what nothing needs: layers that no image and no operation names,
 * content that no image and no lease names.
 */
import type { ChainId } from '../base/brand.ts';
import { isEngineError } from '../base/error.ts';
import type { CollectOptions } from '../content/store.ts';
import type { ImageParts } from './parts.ts';
import { contentRoots } from './roots.ts';
import type { ImageRemoval, ImageUsage, PruneResult } from './store.ts';

/** Remove unused layers and content. Layers under containers stay until their containers go. */
export async function collectUnused(
  parts: ImageParts,
  options: CollectOptions,
): Promise<PruneResult> {
  const layers = await removeUnusedLayers(parts);
  const { reclaimedBytes } = await parts.content.collect(() => contentRoots(parts.table), options);
  return { removals: layers.removals, reclaimedBytes: layers.reclaimedBytes + reclaimedBytes };
}

/** Tops first, again and again, until only layers that something needs are left. */
export async function removeUnusedLayers(parts: ImageParts): Promise<PruneResult> {
  const removals: ImageRemoval[] = [];
  let reclaimedBytes = 0;
  for (let hasProgress = true; hasProgress; ) {
    hasProgress = false;
    const needed = neededLayers(parts);
    for (const { chainId, sizeBytes } of parts.target.listLayers()) {
      if (needed.has(chainId) || parts.pins.has(chainId)) continue;
      // An image may have been recorded since: the table is asked in the same breath.
      if (neededLayers(parts).has(chainId) || !(await tryRemove(parts, chainId))) continue;
      removals.push({ kind: 'layer', chainId });
      reclaimedBytes += sizeBytes;
      hasProgress = true;
    }
  }
  return { removals, reclaimedBytes };
}

function neededLayers(parts: ImageParts): ReadonlySet<ChainId> {
  return new Set(parts.table.list().flatMap(({ chain }) => chain));
}

async function tryRemove(parts: ImageParts, chainId: ChainId): Promise<boolean> {
  try {
    await parts.target.removeLayer(chainId);
    return true;
  } catch (error) {
    if (isEngineError(error) && (error.kind === 'in-use' || error.kind === 'not-found'))
      return false;
    throw error;
  }
}

/** Space of layers and content, shared parts once. */
export async function measureImages(parts: ImageParts): Promise<ImageUsage> {
  let contentBytes = 0;
  for await (const { sizeBytes } of parts.content.list()) contentBytes += sizeBytes;
  const layers = parts.target.listLayers();
  const sizes = new Map(layers.map(({ chainId, sizeBytes }) => [chainId, sizeBytes]));
  const counts = new Map<ChainId, number>();
  const images = parts.table.list();
  for (const { chain } of images)
    for (const chainId of chain) counts.set(chainId, (counts.get(chainId) ?? 0) + 1);
  const unique = images.map(({ id, chain }) => {
    const own = chain.filter((chainId) => counts.get(chainId) === 1);
    return [id, own.reduce((sum, chainId) => sum + (sizes.get(chainId) ?? 0), 0)] as const;
  });
  return {
    layersBytes: layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    contentBytes,
    uniqueBytes: new Map(unique),
  };
}
