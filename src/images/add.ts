/**
 * From documents and blobs in the content store to an image: choose the
 * platform, check every document, unpack the layers, record.
 *
 * **Invariants**
 * - Nothing is recorded before every layer is unpacked, every blob is there and
 *   the deferred ones are durable.
 * - What is recorded was read through digests from the first document on.
 *
 * Source: OCI image-spec 1.1.1 manifest.md, image-index.md "platform".
 */
import type { Digest } from '../base/brand.ts';
import { EngineError, isEngineError } from '../base/error.ts';
import type { Lease } from '../content/store.ts';
import type { TargetLayer } from '../layers/target.ts';
import type { LayerBytes } from '../layers/unpack-thread.ts';
import type { UnpackRequest } from '../layers/unpack.ts';
import { chainIds, shortDigest } from '../spec/digest.ts';
import { mergeCaptured } from '../spec/layer.ts';
import {
  ANNOTATION,
  type Descriptor,
  type ImageConfig,
  type ImageIndex,
  type ImageManifest,
} from '../spec/oci/image.ts';
import { choosePlatform, formatPlatform, type Platform } from '../spec/platform.ts';
import { checkRunnable, DOCUMENT_MAX_BYTES, parseConfig, parseTarget } from './documents.ts';
import type { NewImage } from './image-table.ts';
import type { ImageParts } from './parts.ts';
import type { AddOptions, ImageOptions, ImageRecord } from './store.ts';

/** Indexes inside indexes that are followed. */
const INDEX_DEPTH_MAX = 4;

/** One image's documents, read and checked. */
export interface ResolvedImage {
  readonly manifestDescriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

/** Record an image that is in the content store. Idempotent. */
export async function addImage(parts: ImageParts, options: AddOptions): Promise<ImageRecord> {
  const resolved = await resolveImage(parts, options.target, options.platform, options.lease);
  const release = parts.pins.pin(chainIds(resolved.config.rootfs.diff_ids));
  try {
    const image = await unpackImage(parts, resolved, options);
    const names = options.names.map((name) => ({
      name,
      imageId: image.id,
      target: options.target,
    }));
    parts.table.add(
      [{ ...image, ...(options.parent === undefined ? {} : { parent: options.parent }) }],
      names,
      parts.nowMs(),
    );
    return recordOf(parts, image.id);
  } finally {
    release();
  }
}

/** The record of an image that was just stored. */
export function recordOf(parts: ImageParts, id: Digest): ImageRecord {
  const record = parts.table.get(id);
  if (record === undefined)
    throw new EngineError('internal', `Cannot find image ${id}, which was just stored`);
  return record;
}

/** Follow a manifest or index to the one image for a platform. Errors: `not-found` when there is none for it. */
export async function resolveImage(
  parts: ImageParts,
  target: Descriptor,
  platform: Platform | undefined,
  lease: Lease,
): Promise<ResolvedImage> {
  let descriptor = target;
  for (let depth = 0; depth < INDEX_DEPTH_MAX; depth++) {
    lease.add(descriptor.digest);
    const bytes = await parts.content.read(descriptor.digest, DOCUMENT_MAX_BYTES, {
      sizeBytes: descriptor.size,
    });
    const document = parseTarget(bytes, descriptor.mediaType);
    if (document.kind === 'manifest')
      return await readImage(parts, descriptor, document.manifest, platform, lease);
    descriptor = chooseManifest(document.index, platform ?? parts.host);
  }
  throw new EngineError(
    'invalid',
    'Cannot use image index: it leads to more indexes than are followed',
  );
}

/** The best manifest of an index. Errors: `not-found`. */
export function chooseManifest(index: ImageIndex, wanted: Platform): Descriptor {
  const images = index.manifests.filter(
    (entry) =>
      entry.annotations?.[ANNOTATION.attestationType] === undefined &&
      entry.platform?.os !== 'unknown',
  );
  const chosen = choosePlatform(images, platformOf, wanted);
  if (chosen !== undefined) return chosen;
  const [single] = images;
  // An entry that says nothing may be anything: its configuration will tell.
  if (images.length === 1 && single !== undefined && single.platform === undefined) return single;
  const offered = images.flatMap((entry) => platformOf(entry) ?? []).map(formatPlatform);
  throw new EngineError(
    'not-found',
    `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries`,
    { details: { offered } },
  );
}

function platformOf({ platform }: Descriptor): Platform | undefined {
  if (platform === undefined || platform.os === '') return undefined;
  const { os, architecture, variant } = platform;
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

async function readImage(
  parts: ImageParts,
  manifestDescriptor: Descriptor,
  manifest: ImageManifest,
  platform: Platform | undefined,
  lease: Lease,
): Promise<ResolvedImage> {
  checkRunnable(manifest);
  for (const { digest } of [manifest.config, ...manifest.layers]) lease.add(digest);
  const { digest, size } = manifest.config;
  const config = parseConfig(
    await parts.content.read(digest, DOCUMENT_MAX_BYTES, { sizeBytes: size }),
  );
  const layerCount = config.rootfs.diff_ids.length;
  if (layerCount !== manifest.layers.length) {
    throw new EngineError(
      'invalid',
      `Cannot use image: its manifest has ${manifest.layers.length} layers and its configuration ${layerCount}`,
    );
  }
  if (platform !== undefined) checkPlatform(config, platform);
  return { manifestDescriptor, manifest, config };
}

function checkPlatform(config: ImageConfig, wanted: Platform): void {
  const { os, architecture, variant } = config;
  const actual = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  if (choosePlatform([actual], (offer) => offer, wanted) !== undefined) return;
  throw new EngineError(
    'not-found',
    `image was found but does not match the specified platform: wanted ${formatPlatform(wanted)}, actual: ${formatPlatform(actual)}`,
  );
}

/** How layers are read and progress is said while an image is unpacked. */
export type UnpackImageOptions = ImageOptions & Pick<AddOptions, 'status' | 'layerSource'>;

/** Unpack what is not unpacked, wait for the disk; the image ready to be recorded. Precondition: its layers are pinned. */
export async function unpackImage(
  parts: ImageParts,
  resolved: ResolvedImage,
  options: UnpackImageOptions,
): Promise<NewImage> {
  const { manifest, manifestDescriptor, config } = resolved;
  const requests = manifest.layers.map((layer, index) =>
    requestOf(parts, layer, index, config, options),
  );
  const layers = await unpackOrRepair(parts, manifest, requests, options.signal);
  for (const { digest, size } of manifest.layers) {
    const found = await parts.content.find(digest);
    if (found?.sizeBytes !== size)
      throw new EngineError(
        'corrupt',
        `Cannot use image: layer ${digest} is not in the content store`,
      );
  }
  await parts.content.sync();
  return {
    id: manifest.config.digest,
    manifest: manifestDescriptor,
    configDescriptor: manifest.config,
    config,
    layers: manifest.layers,
    layerSizesBytes: layers.map(({ sizeBytes }) => sizeBytes),
    captured: mergeCaptured(layers),
  };
}

/** A layer that turns out corrupt may be a damaged blob: look, so that it is fetched anew next time. */
async function unpackOrRepair(
  parts: ImageParts,
  manifest: ImageManifest,
  requests: readonly UnpackRequest[],
  signal: AbortSignal | undefined,
): Promise<readonly TargetLayer[]> {
  try {
    return await parts.unpacker.unpackAll(requests, signal);
  } catch (error) {
    if (isEngineError(error) && error.kind === 'corrupt') {
      for (const { digest } of manifest.layers) {
        if ((await parts.content.find(digest)) !== undefined) await parts.content.verify(digest);
      }
    }
    throw error;
  }
}

function requestOf(
  parts: ImageParts,
  layer: Descriptor,
  index: number,
  config: ImageConfig,
  options: UnpackImageOptions,
): UnpackRequest {
  const diffId = config.rootfs.diff_ids[index];
  if (diffId === undefined)
    throw new EngineError('internal', 'Cannot unpack image: a layer has no diff id');
  const { onProgress, status = 'Extracting' } = options;
  const id = shortDigest(layer.digest);
  return {
    diffId,
    digest: layer.digest,
    sizeBytes: layer.size,
    bytes: async () => (await options.layerSource?.(layer, index)) ?? (await bytesOf(parts, layer)),
    ...(onProgress === undefined
      ? {}
      : {
          onProgress: (current: number) => {
            onProgress({ id, status, current, total: layer.size });
          },
        }),
  };
}

async function bytesOf(parts: ImageParts, layer: Descriptor): Promise<LayerBytes> {
  const place = await parts.content.locate(layer.digest);
  if (place !== undefined) return { kind: 'file', ...place };
  return { kind: 'stream', chunks: parts.content.get(layer.digest, { sizeBytes: layer.size }) };
}
