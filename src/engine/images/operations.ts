/** Operations on images. Source: Engine API `/images`, `/commit`; engine-api facts 5.6, 5.9. */

import { Readable } from 'node:stream';
import type { ImageRecord, ImageRemoval } from '../../images/store.ts';
import type { ImageDeleteItem, ImageSummary } from '../../spec/docker/image.ts';
import type {
  Filters,
  ImageOperations,
  OperationOptions,
  PlatformOption,
  Progress,
} from '../engine.ts';
import { collectByPolicy } from '../gc/collect.ts';
import type { EngineParts } from '../parts.ts';
import { commitContainer } from './commit.ts';
import { describeHistory, describeImage, familiar, summariseImage } from './describe.ts';
import { compileImageFilter, compilePruneFilter } from './filter.ts';
import { getFor, platformOf } from './get-for.ts';
import { importOperation } from './import.ts';
import { manifestsOf } from './manifests.ts';
import { streamProgress } from './progress.ts';
import { PruneGate } from './prune-gate.ts';
import { pullOperation, pushOperation } from './remote.ts';
import { readTree } from './tree.ts';
import { usersOf } from './users.ts';

/** The operations over `parts`. */
export function imageOperations(parts: EngineParts): ImageOperations {
  const { images } = parts;
  const pruning = new PruneGate();
  return {
    list: async (options) => listImages(parts, options),
    inspect: async (ref, { manifests = false } = {}) => {
      const image = images.get(ref);
      const Manifests = manifests ? await manifestsOf(parts, image) : undefined;
      return { ...describeImage(image), ...(Manifests === undefined ? {} : { Manifests }) };
    },
    history: async (ref, options = {}) =>
      describeHistory(images.history(getFor(parts, ref, options).id)),
    tag: async (ref, target) => {
      const { image, name } = images.tag(ref, target);
      announceImage(parts, 'tag', { id: image.id, name: familiar(name) });
    },
    remove: async (ref, options) => {
      getFor(parts, ref, options);
      const { force, noPrune } = options;
      const removals = await images.remove(ref, { force, noPrune, users: usersOf(parts) });
      return announceRemovals(parts, removals);
    },
    load: (archive, options = {}) => loadImages(parts, archive, options),
    save: async (refs, options = {}) => saveImages(parts, refs, options),
    import: (archive, options) =>
      importOperation(parts, { archive, options }, (image) => {
        announceImage(parts, 'import', { id: image.id, name: nameOf(image) });
      }),
    pull: pullOperation(parts, (action, image) => {
      announceImage(parts, action, image);
    }),
    push: pushOperation(parts, (action, image) => {
      announceImage(parts, action, image);
    }),
    commit: async (ref, options) => commitContainer(parts, ref, options),
    prune: async (filters) => await pruning.orRefuse(async () => pruneImages(parts, filters)),
    tree: async () => readTree(parts),
    collect: async (options) =>
      await pruning.inTurn(async () =>
        collectByPolicy(parts, {
          ...options,
          onRemoved: (removals) => announceRemovals(parts, removals),
        }),
      ),
  };
}

async function listImages(
  parts: EngineParts,
  options: Parameters<ImageOperations['list']>[0],
): Promise<readonly ImageSummary[]> {
  const all = parts.images.list();
  const parents = new Set(all.map((image) => image.parent));
  const shownNames = compileImageFilter(parts.images, {
    filters: options.filters,
    all: options.all,
    hasChildren: ({ id }) => parents.has(id),
    nowNs: parts.clock.nowNs(),
  });
  const usage = options.sharedSize ? await parts.images.usage() : undefined;
  const users = usersOf(parts);
  const rows: ImageSummary[] = [];
  for (const image of all) {
    const names = shownNames(image);
    if (names === undefined) continue;
    const sharedBytes =
      usage === undefined ? -1 : image.sizeBytes - (usage.uniqueBytes.get(image.id) ?? 0);
    const counts = { containers: users(image.id).length, sharedBytes };
    const Manifests = options.manifests === true ? await manifestsOf(parts, image) : undefined;
    const row = summariseImage({ ...image, ...names }, counts);
    rows.push(Manifests === undefined ? row : { ...row, Manifests });
  }
  return rows;
}

function loadImages(
  parts: EngineParts,
  archive: Readable,
  { platform, ...options }: OperationOptions & PlatformOption,
): AsyncGenerator<Progress, void, undefined> {
  const wanted = platformOf(parts, platform === undefined ? {} : { platform });
  return streamProgress(async (onProgress) => {
    const loaded = await parts.images.load(archive, {
      ...options,
      ...(wanted === undefined ? {} : { platform: wanted }),
      onProgress,
    });
    return loaded.flatMap(({ image, names }) => {
      announceImage(parts, 'load', { id: image.id, name: names[0] ?? image.id });
      if (names.length === 0) return [{ stream: `Loaded image ID: ${image.id}\n` }];
      return names.map((name) => ({ stream: `Loaded image: ${name}\n` }));
    });
  });
}

function saveImages(
  parts: EngineParts,
  refs: readonly string[],
  { platform, ...options }: OperationOptions & PlatformOption,
): Readable {
  if (platform !== undefined) for (const ref of refs) getFor(parts, ref, { platform });
  // It looks up every name before the first byte.
  return Readable.from(parts.images.save(refs, options), { objectMode: false });
}

async function pruneImages(
  parts: EngineParts,
  filters: Filters,
): Promise<{ readonly deleted: readonly ImageDeleteItem[]; readonly spaceReclaimedBytes: number }> {
  const { danglingOnly, accept } = compilePruneFilter(filters, parts.clock.nowNs());
  const pruned = await parts.images.prune({ danglingOnly, accept, users: usersOf(parts) });
  // Layers of images that went while containers stood on them.
  const swept = await parts.images.collect();
  const deleted = announceRemovals(parts, [...pruned.removals, ...swept.removals]);
  const reclaimedBytes = pruned.reclaimedBytes + swept.reclaimedBytes;
  parts.events.publish({
    type: 'image',
    action: 'prune',
    id: '',
    attributes: { reclaimed: String(reclaimedBytes) },
  });
  return { deleted, spaceReclaimedBytes: reclaimedBytes };
}

function announceRemovals(
  parts: EngineParts,
  removals: readonly ImageRemoval[],
): readonly ImageDeleteItem[] {
  return removals.map((removal) => {
    switch (removal.kind) {
      case 'untagged':
        announceImage(parts, 'untag', { id: removal.id, name: familiar(removal.name) });
        return { Untagged: familiar(removal.name) };
      case 'deleted':
        announceImage(parts, 'delete', { id: removal.id, name: removal.id });
        return { Deleted: removal.id };
      case 'layer':
        return { Deleted: removal.chainId };
    }
  });
}

function nameOf(image: ImageRecord): string {
  const [name] = image.tags;
  return name === undefined ? image.id : familiar(name);
}

function announceImage(
  parts: EngineParts,
  action: string,
  image: { readonly id: string; readonly name: string },
): void {
  parts.events.publish({ type: 'image', action, id: image.id, attributes: { name: image.name } });
}
