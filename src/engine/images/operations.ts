/** Operations on images. Source: Engine API `/images`, `/commit`; engine-api facts 5.6, 5.9. */

import { Readable } from 'node:stream';
import type { ImageRecord, ImageRemoval, ImageStore, ImageUser } from '../../images/store.ts';
import type { ImageDeleteItem, ImageSummary } from '../../spec/docker/image.ts';
import { parsePlatform } from '../../spec/platform.ts';
import type { Filters, ImageOperations, Progress } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import { commitContainer } from './commit.ts';
import { describeHistory, describeImage, familiar, summariseImage } from './describe.ts';
import { compileImageFilter, compilePruneFilter } from './filter.ts';
import { streamProgress } from './progress.ts';
import { pullOperation, pushOperation } from './remote.ts';

/** The operations over `parts`. */
export function imageOperations(parts: EngineParts): ImageOperations {
  const { images } = parts;
  return {
    list: async (options) => listImages(parts, options),
    inspect: async (ref) => describeImage(images.get(ref)),
    history: async (ref) => describeHistory(images.history(ref)),
    tag: async (ref, target) => {
      const { image, name } = images.tag(ref, target);
      announceImage(parts, 'tag', { id: image.id, name: familiar(name) });
    },
    remove: async (ref, options) => {
      const removals = await images.remove(ref, { ...options, users: usersOf(parts) });
      return announceRemovals(parts, removals);
    },
    load: (archive, options = {}) => loadImages(parts, archive, options),
    save: async (refs, options = {}) => saveImages(images, refs, options),
    import: (archive, options) => importImage(parts, archive, options),
    pull: pullOperation(parts, (action, image) => {
      announceImage(parts, action, image);
    }),
    push: pushOperation(parts, (action, image) => {
      announceImage(parts, action, image);
    }),
    commit: async (ref, options) => commitContainer(parts, ref, options),
    prune: async (filters) => pruneImages(parts, filters),
  };
}

/** Containers that use an image. */
export function usersOf(
  parts: Pick<EngineParts, 'containers'>,
): (id: string) => readonly ImageUser[] {
  return (id) =>
    [...parts.containers.all()]
      .filter((container) => container.record.imageId === id)
      .map((container) => ({ containerId: container.id, isRunning: container.isAlive }));
}

async function listImages(
  parts: EngineParts,
  options: { readonly all: boolean; readonly filters: Filters; readonly sharedSize: boolean },
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
  return all.flatMap((image) => {
    const names = shownNames(image);
    if (names === undefined) return [];
    const sharedBytes =
      usage === undefined ? -1 : image.sizeBytes - (usage.uniqueBytes.get(image.id) ?? 0);
    return summariseImage({ ...image, ...names }, { containers: users(image.id).length, sharedBytes });
  });
}

function loadImages(
  parts: EngineParts,
  archive: Readable,
  options: { readonly signal?: AbortSignal },
): AsyncGenerator<Progress, void, undefined> {
  return streamProgress(async (onProgress) => {
    const loaded = await parts.images.load(archive, { ...options, onProgress });
    return loaded.flatMap(({ image, names }) => {
      announceImage(parts, 'load', { id: image.id, name: names[0] ?? image.id });
      if (names.length === 0) return [{ stream: `Loaded image ID: ${image.id}\n` }];
      return names.map((name) => ({ stream: `Loaded image: ${name}\n` }));
    });
  });
}

function saveImages(
  images: ImageStore,
  refs: readonly string[],
  options: { readonly signal?: AbortSignal },
): Readable {
  // Errors of unknown names come before the first byte.
  for (const ref of refs) images.get(ref);
  return Readable.from(images.save(refs, options), { objectMode: false });
}

function importImage(
  parts: EngineParts,
  archive: Readable,
  options: {
    readonly reference?: string;
    readonly message?: string;
    readonly changes: readonly string[];
    readonly platform?: string;
    readonly signal?: AbortSignal;
  },
): AsyncGenerator<Progress, void, undefined> {
  const { platform, ...rest } = options;
  const wanted =
    platform === undefined || platform === ''
      ? undefined
      : parsePlatform(platform, parts.host.platform);
  return streamProgress(async (onProgress) => {
    const image = await parts.images.import(archive, {
      ...rest,
      ...(wanted === undefined ? {} : { platform: wanted }),
      onProgress,
    });
    announceImage(parts, 'import', { id: image.id, name: nameOf(image) });
    return [{ status: image.id }];
  });
}

async function pruneImages(
  parts: EngineParts,
  filters: Filters,
): Promise<{ readonly deleted: readonly ImageDeleteItem[]; readonly spaceReclaimedBytes: number }> {
  const { danglingOnly, accept } = compilePruneFilter(filters, parts.clock.nowNs());
  const result = await parts.images.prune({ danglingOnly, accept, users: usersOf(parts) });
  const deleted = announceRemovals(parts, result.removals);
  parts.events.publish({
    type: 'image',
    action: 'prune',
    id: '',
    attributes: { reclaimed: String(result.reclaimedBytes) },
  });
  return { deleted, spaceReclaimedBytes: result.reclaimedBytes };
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
