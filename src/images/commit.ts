/**
 * `commit`: what a container changed becomes a layer on top of its image.
 *
 * **Invariant:** the layer is unpacked from the blob like any other, so an image
 * committed here is the image that a pull of it gives elsewhere.
 * Source: Docker CLI reference `docker commit`; OCI image-spec 1.1.1 layer.md.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Digest } from '../base/brand.ts';
import type { BlobInfo, Lease } from '../content/store.ts';
import { planTar, writeTar } from '../layers/diff.ts';
import { chainIds } from '../spec/digest.ts';
import { DEFAULT_ROOT } from '../spec/layer.ts';
import { layerMediaType, MEDIA_TYPE } from '../spec/media-type.ts';
import type { ImageConfig } from '../spec/oci/image.ts';
import { recordOf, unpackImage } from './add.ts';
import { applyChanges } from './changes.ts';
import { getImage } from './find.ts';
import { fullName } from './import.ts';
import { putManifest } from './load.ts';
import type { ImageParts } from './parts.ts';
import type { CommitOptions, ImageRecord } from './store.ts';
import { sweep } from './sweep.ts';

/** Make the image. Errors: `not-found` for the parent, `invalid` for changes, those of the disk. */
export async function commitImage(parts: ImageParts, options: CommitOptions): Promise<ImageRecord> {
  const parent =
    options.parent === undefined ? undefined : getImage(parts.table, options.parent, undefined);
  const execution = applyChanges(options.config ?? parent?.config.config ?? {}, options.changes);
  const name = options.reference === undefined ? undefined : fullName(options.reference);
  const lease = parts.content.lease('commit');
  const stored: Digest[] = [];
  const pins: (() => void)[] = [];
  try {
    for (const { digest } of parent?.layers ?? []) lease.add(digest);
    pins.push(parts.pins.pin(parent?.chain ?? []));
    const { blob, diffId } = await storeChanges(parts, parent, lease, options);
    stored.push(blob.digest);
    const config = configOf(parts, parent, diffId, execution, options);
    pins.push(parts.pins.pin(chainIds(config.rootfs.diff_ids)));
    const bytes = Buffer.from(JSON.stringify(config));
    const { digest, sizeBytes } = await parts.content.putBytes(bytes, { lease, deferSync: true });
    stored.push(digest);
    const layers = [
      ...(parent?.layers ?? []),
      { mediaType: layerMediaType('gzip'), digest: blob.digest, size: blob.sizeBytes },
    ];
    const resolved = await putManifest(
      parts,
      { mediaType: MEDIA_TYPE.ociConfig, digest, size: sizeBytes },
      config,
      layers,
      lease,
    );
    stored.push(resolved.manifestDescriptor.digest);
    const image = await unpackImage(parts, resolved, options);
    const names =
      name === undefined ? [] : [{ name, imageId: image.id, target: resolved.manifestDescriptor }];
    parts.table.add(
      [{ ...image, ...(parent === undefined ? {} : { parent: parent.id }) }],
      names,
      parts.nowMs(),
    );
    return recordOf(parts, image.id);
  } finally {
    lease.release();
    for (const release of pins) release();
    await sweep(parts, stored);
  }
}

/** The changes as a blob: tar, gzip without name and time. */
async function storeChanges(
  parts: ImageParts,
  parent: ImageRecord | undefined,
  lease: Lease,
  options: CommitOptions,
): Promise<{ readonly blob: BlobInfo; readonly diffId: Digest }> {
  const { signal } = options;
  const walk = await parts.changes.open({
    directories: [options.upper],
    below: [],
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    const top = parent?.chain.at(-1);
    const root =
      (top === undefined ? undefined : parts.target.findLayer(top)?.root) ?? DEFAULT_ROOT;
    const planned = planTar(walk.entries, {
      exclude: new Set(options.exclude.map((path) => Buffer.from(path).toString('latin1'))),
      root,
    });
    const hash = createHash('sha256');
    async function* hashed(): AsyncGenerator<Uint8Array> {
      for await (const chunk of writeTar(planned, walk)) {
        hash.update(chunk);
        yield chunk;
      }
    }
    const gzip = createGzip({ level: 6, chunkSize: 256 * 1024 });
    const tar = Readable.from(hashed(), { objectMode: true, highWaterMark: 4 });
    tar.on('error', (error) => gzip.destroy(error));
    tar.pipe(gzip);
    const blob = await parts.content.put(gzip as AsyncIterable<Uint8Array>, {
      lease,
      deferSync: true,
      ...(signal === undefined ? {} : { signal }),
    });
    return { blob, diffId: `sha256:${hash.digest('hex')}` as Digest };
  } finally {
    await walk.close();
  }
}

function configOf(
  parts: ImageParts,
  parent: ImageRecord | undefined,
  diffId: Digest,
  execution: NonNullable<ImageConfig['config']>,
  options: CommitOptions,
): ImageConfig {
  const created = new Date(parts.nowMs()).toISOString();
  const { os, architecture, variant } = parent?.platform ?? parts.host;
  const author = options.author ?? parent?.config.author;
  return {
    created,
    ...(author === undefined || author === '' ? {} : { author }),
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    config: execution,
    rootfs: { type: 'layers', diff_ids: [...(parent?.config.rootfs.diff_ids ?? []), diffId] },
    history: [
      ...(parent?.config.history ?? []),
      {
        created,
        ...(options.createdBy === undefined || options.createdBy === ''
          ? {}
          : { created_by: options.createdBy }),
        ...(options.author === undefined || options.author === ''
          ? {}
          : { author: options.author }),
        ...(options.message === undefined || options.message === ''
          ? {}
          : { comment: options.message }),
      },
    ],
    ...(options.message === undefined || options.message === ''
      ? {}
      : { comment: options.message }),
  };
}
