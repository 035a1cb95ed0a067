/** An image store of images that a test makes up; lookups only. */

import { EngineError } from '../../src/base/error.ts';
import type { Digest } from '../../src/base/brand.ts';
import type { ImageRecord, ImageStore } from '../../src/images/store.ts';
import type { ExecutionConfig } from '../../src/spec/oci/image.ts';

/** A whole image without layers. */
export function fakeImage(name: string, config: ExecutionConfig = { Cmd: ['sh'] }): ImageRecord {
  const id = `sha256:${Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64)}` as Digest;
  const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: id, size: 1 };
  return {
    id,
    manifest: descriptor,
    configDescriptor: descriptor,
    config: {
      architecture: 'amd64',
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: [] },
    },
    platform: { os: 'linux', architecture: 'amd64' },
    layers: [],
    chain: [],
    layerSizesBytes: [],
    sizeBytes: 0,
    tags: [`docker.io/library/${name}:latest`],
    digests: [],
    addedAtMs: 1,
    captured: {
      'etc/passwd': {
        kind: 'text',
        text: 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n',
      },
      'etc/group': { kind: 'text', text: 'root:x:0:\napp:x:1000:\n' },
    },
  };
}

/** Finds by `name`, `name:latest` and id. */
export function fakeImages(images: readonly ImageRecord[]): ImageStore {
  const find = (reference: string): ImageRecord | undefined =>
    images.find(
      (image) =>
        image.id === reference ||
        image.tags.includes(`docker.io/library/${reference.replace(/:latest$/, '')}:latest`),
    );
  const unused = (what: string) => (): never => {
    throw new Error(`the test gave no images.${what}`);
  };
  return {
    find,
    get(reference) {
      const image = find(reference);
      if (image === undefined)
        throw new EngineError(
          'not-found',
          `No such image: ${reference}${reference.includes(':') ? '' : ':latest'}`,
        );
      return image;
    },
    list: () => images,
    history: unused('history'),
    tag: unused('tag'),
    remove: unused('remove'),
    prune: unused('prune'),
    collect: async () => ({ removals: [], reclaimedBytes: 0 }),
    usage: async () => ({ layersBytes: 0, contentBytes: 0, uniqueBytes: new Map() }),
    space: async () => ({ layers: [], blobs: new Map(), holdings: new Map() }),
    touch: () => undefined,
    load: unused('load'),
    loadLayout: unused('loadLayout'),
    import: unused('import'),
    save: unused('save'),
    commit: unused('commit'),
    add: unused('add'),
    offered: async () => [],
    roots: () => new Set(),
  };
}
