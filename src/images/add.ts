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
import { bytesOf } from '../layers/layer-bytes.ts';
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
import { documentKindOf } from '../spec/media-type.ts';
import { choosePlatform, formatPlatform, type Platform } from '../spec/platform.ts';
import { checkRunnable, DOCUMENT_MAX_BYTES, parseConfig, parseTarget } from './documents.ts';
import type { NewImage } from './decode-row.ts';
import type { ImageParts } from './parts.ts';
import type { AddOptions, ImageOptions, ImageRecord } from './store.ts';

/** Indexes inside indexes that are followed. */
const INDEX_DEPTH_MAX = 4;

/** What an index may lead to; entries of other kinds are somebody else's. */
const DOCUMENT_KINDS: ReadonlySet<unknown> = new Set(['index', 'manifest']);

/** One image's documents, read and checked. */
export interface ResolvedImage {
  readonly manifestDescriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

/** Record an image that is in the content store. Idempotent. */
export async function addImage(parts: ImageParts, options: AddOptions): Promise<ImageRecord> {
  const { target, platform, lease } = options;
  const resolved = await resolveImage({ parts, lease, target, platform });
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

/** What to resolve. */
export interface ResolveRequest {
  readonly parts: ImageParts;
  /** Holds what is read. */
  readonly lease: Lease;
  /** Manifest or index. */
  readonly target: Descriptor;
  /** `undefined`: of an index the host's, of a manifest any. */
  readonly platform: Platform | undefined;
}

/** Follow a manifest or index to the one image for a platform. Errors: `not-found` when there is none for it. */
export async function resolveImage(request: ResolveRequest): Promise<ResolvedImage> {
  const { parts, lease, platform } = request;
  let descriptor = request.target;
  for (let depth = 0; depth < INDEX_DEPTH_MAX; depth++) {
    lease.add(descriptor.digest);
    const bytes = await parts.content.read(descriptor.digest, DOCUMENT_MAX_BYTES, {
      sizeBytes: descriptor.size,
    });
    const document = parseTarget(bytes, descriptor.mediaType);
    if (document.kind === 'manifest')
      return await readImage(request, descriptor, document.manifest);
    descriptor = chooseManifest(document.index, platform ?? parts.host);
  }
  throw new EngineError(
    'invalid',
    'Cannot use image index: it leads to more indexes than are followed',
  );
}

/** True for the error of an image that is for other machines only. */
export function isPlatformMismatch(error: unknown): error is EngineError {
  return isEngineError(error) && error.kind === 'not-found' && 'platform' in error.details;
}

/** The best manifest of an index. Errors: `not-found`. */
export function chooseManifest(index: ImageIndex, wanted: Platform): Descriptor {
  const images = index.manifests.filter(
    (entry) =>
      entry.annotations?.[ANNOTATION.attestationType] === undefined &&
      entry.platform?.os !== 'unknown' &&
      DOCUMENT_KINDS.has(documentKindOf(entry.mediaType)),
  );
  const chosen = choosePlatform(images, platformOf, wanted);
  if (chosen !== undefined) return chosen;
  const [single, another] = images.filter((entry) => entry.platform === undefined);
  // An entry that says nothing may be anything: what it leads to will tell.
  if (single !== undefined && another === undefined) return single;
  const offered = images.flatMap((entry) => platformOf(entry) ?? []).map(formatPlatform);
  throw new EngineError(
    'not-found',
    `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries`,
    { details: { platform: formatPlatform(wanted), offered } },
  );
}

function platformOf({ platform }: Descriptor): Platform | undefined {
  if (platform === undefined || platform.os === '') return undefined;
  const { os, architecture, variant } = platform;
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

async function readImage(
  { parts, lease, platform }: ResolveRequest,
  manifestDescriptor: Descriptor,
  manifest: ImageManifest,
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
    { details: { platform: formatPlatform(wanted), actual: formatPlatform(actual) } },
  );
}

/** How layers are read and progress is said while an image is unpacked. */
export type UnpackImageOptions = ImageOptions &
  Pick<AddOptions, 'status' | 'layerSource' | 'allStored'>;

/** Unpack what is not unpacked, wait for the disk; the image ready to be recorded. Precondition: its layers are pinned. */
export async function unpackImage(
  parts: ImageParts,
  resolved: ResolvedImage,
  options: UnpackImageOptions,
): Promise<NewImage> {
  const { manifest, manifestDescriptor, config } = resolved;
  const requests = config.rootfs.diff_ids.map((diffId, index) =>
    requestOf(parts, { diffId, index, layer: layerAt(manifest, index) }, options),
  );
  const layers = await unpackOrLook(parts, manifest, { requests, signal: options.signal });
  await options.allStored?.();
  await checkBlobs(parts, manifest);
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

function layerAt(manifest: ImageManifest, index: number): Descriptor {
  const layer = manifest.layers[index];
  if (layer === undefined)
    throw new EngineError(
      'invalid',
      'Cannot use image: its manifest has fewer layers than its configuration',
    );
  return layer;
}

async function checkBlobs(parts: ImageParts, manifest: ImageManifest): Promise<void> {
  for (const { digest, size } of manifest.layers) {
    const found = await parts.content.find(digest);
    if (found?.sizeBytes !== size)
      throw new EngineError(
        'corrupt',
        `Cannot use image: layer ${digest} is not in the content store`,
      );
  }
}

/** A layer that turns out corrupt may be a damaged blob: look, so that it is fetched anew next time. */
async function unpackOrLook(
  parts: ImageParts,
  manifest: ImageManifest,
  {
    requests,
    signal,
  }: { readonly requests: readonly UnpackRequest[]; readonly signal: AbortSignal | undefined },
): Promise<readonly TargetLayer[]> {
  try {
    return await parts.unpacker.unpackAll(requests, signal);
  } catch (error) {
    if (isEngineError(error) && error.kind === 'corrupt') await verifyBlobs(parts, manifest);
    throw error;
  }
}

async function verifyBlobs(parts: ImageParts, manifest: ImageManifest): Promise<void> {
  for (const { digest } of manifest.layers) {
    if ((await parts.content.find(digest)) !== undefined) await parts.content.verify(digest);
  }
}

/** A layer in its image. */
interface LayerPlace {
  readonly layer: Descriptor;
  readonly diffId: Digest;
  readonly index: number;
}

function requestOf(
  parts: ImageParts,
  { layer, diffId, index }: LayerPlace,
  options: UnpackImageOptions,
): UnpackRequest {
  const { onProgress, layerSource, status = 'Extracting' } = options;
  const id = shortDigest(layer.digest);
  const say = (current: number): void => onProgress?.({ id, status, current, total: layer.size });
  return {
    diffId,
    digest: layer.digest,
    sizeBytes: layer.size,
    bytes: async () =>
      (await layerSource?.(layer, index)) ??
      (await bytesOf(parts.content, { digest: layer.digest, sizeBytes: layer.size })),
    ...(onProgress === undefined ? {} : { onProgress: say }),
  };
}
