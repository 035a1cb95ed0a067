/**
 * `load`: what an archive or layout directory means, and making images of it.
 * Understands `docker save` of every age (with and without the OCI layout) and
 * OCI layouts.
 *
 * **Invariant:** all images of an archive are unpacked before the first is
 * recorded; a failed load leaves no image and no content of its own.
 * Source: Docker image specification 1.2 "Combined Image JSON + Filesystem
 * Changeset Format"; OCI image-spec 1.1.1 image-layout.md; containerd's
 * `io.containerd.image.name`.
 */
import type { Digest } from '../base/brand.ts';
import { EngineError, isEngineError, toError } from '../base/error.ts';
import type { BlobInfo, Lease } from '../content/store.ts';
import { chainIds } from '../spec/digest.ts';
import { compressionOf, layerMediaType, MEDIA_TYPE } from '../spec/media-type.ts';
import {
  ANNOTATION,
  type Descriptor,
  type DockerArchiveItem,
  type ImageConfig,
  type ImageManifest,
} from '../spec/oci/image.ts';
import { formatPlatform, type Platform, rankPlatform } from '../spec/platform.ts';
import {
  formatFamiliar,
  formatReference,
  parseReference,
  tryParseReference,
  withDefaultTag,
} from '../spec/reference.ts';
import { recordOf, type ResolvedImage, resolveImage, unpackImage } from './add.ts';
import { ArchiveFiles, readArchive } from './archive.ts';
import {
  checkLayout,
  checkRunnable,
  DOCUMENT_MAX_BYTES,
  LAYERS_MAX,
  parseConfig,
  parseDockerArchive,
  parseTarget,
} from './documents.ts';
import type { NewImage, NewName } from './image-table.ts';
import type { ImageParts } from './parts.ts';
import type { ImageOptions, LoadedImage } from './store.ts';
import { sweepLoaded } from './sweep.ts';

/** Options of a load. */
export type LoadOptions = ImageOptions & { readonly platform?: Platform };

/** An image of an archive, with the names the archive gives it. */
export interface FoundImage {
  readonly resolved: ResolvedImage;
  /** What its names stand for: the manifest, or the index that led to it. */
  readonly target: Descriptor;
  /** Full names. */
  readonly names: readonly string[];
}

/** Load an archive. Errors: `invalid`, `corrupt`, `unsupported`, `not-found` when nothing fits the platform. */
export async function loadArchive(
  parts: ImageParts,
  source: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  const lease = parts.content.lease('load');
  const files = new ArchiveFiles();
  try {
    await readArchive(parts.content, files, source, lease, options);
    return await storeFound(parts, await findImages(parts, files, lease, options), options);
  } finally {
    lease.release();
    await sweepLoaded(parts, files);
  }
}

/** Unpack and record what was found. */
export async function storeFound(
  parts: ImageParts,
  found: readonly FoundImage[],
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  const pins = found.map(({ resolved }) =>
    parts.pins.pin(chainIds(resolved.config.rootfs.diff_ids)),
  );
  try {
    const images: NewImage[] = [];
    for (const { resolved } of found)
      images.push(await unpackImage(parts, resolved, { ...options, status: 'Loading layer' }));
    const names = found.flatMap(({ resolved, names: given, target }) =>
      given.map((name): NewName => ({ name, imageId: resolved.manifest.config.digest, target })),
    );
    parts.table.add(images, names, parts.nowMs());
    return found.map(({ resolved, names: given }) => ({
      image: recordOf(parts, resolved.manifest.config.digest),
      names: given.map((name) => formatFamiliar(parseReference(name))),
    }));
  } finally {
    for (const release of pins) release();
  }
}

async function findImages(
  parts: ImageParts,
  files: ArchiveFiles,
  lease: Lease,
  options: LoadOptions,
): Promise<readonly FoundImage[]> {
  const archive = files.find('manifest.json');
  const index = files.find('index.json');
  const listed = index === undefined ? [] : await readIndex(parts, index);
  if (archive !== undefined)
    return await findDockerImages(parts, files, archive, listed, lease, options);
  const layout = files.find('oci-layout');
  if (index === undefined || layout === undefined) throw notAnImage(files);
  checkLayout(await parts.content.read(layout.digest, DOCUMENT_MAX_BYTES));
  return await findListed(parts, listed, lease, options.platform);
}

function notAnImage(files: ArchiveFiles): EngineError {
  const names = [...files.names()];
  const isRoot = names.some((name) => /^(?:etc|bin|usr)\//.test(name));
  return new EngineError(
    'invalid',
    'Cannot load archive: it has neither manifest.json nor an OCI layout',
    isRoot ? { hint: 'It looks like a root file system: use import' } : {},
  );
}

async function readIndex(parts: ImageParts, file: BlobInfo): Promise<readonly Descriptor[]> {
  const document = parseTarget(await parts.content.read(file.digest, DOCUMENT_MAX_BYTES), '');
  if (document.kind !== 'index')
    throw new EngineError('invalid', 'Cannot load archive: its index.json is not an image index');
  return document.index.manifests;
}

/** The images that an index.json lists. Errors: `not-found` when none fits the platform. */
export async function findListed(
  parts: ImageParts,
  listed: readonly Descriptor[],
  lease: Lease,
  platform: Platform | undefined,
): Promise<readonly FoundImage[]> {
  const found: FoundImage[] = [];
  let misfit: unknown;
  for (const target of listed) {
    if (target.annotations?.[ANNOTATION.attestationType] !== undefined) continue;
    try {
      const resolved = await resolveImage(parts, target, platform, lease);
      found.push({ resolved, target: plain(target), names: namesOfDescriptor(target) });
    } catch (error) {
      // One of several images may be for another machine; all of them may not.
      if (!isEngineError(error) || error.kind !== 'not-found') throw error;
      misfit ??= error;
    }
  }
  if (found.length === 0 && misfit !== undefined) throw toError(misfit);
  if (found.length === 0)
    throw new EngineError('invalid', 'Cannot load archive: its index.json lists no image');
  return found;
}

/** A descriptor without the annotations of the index it stood in. */
function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** A full name, or a reference name that is one; a bare tag names nothing. */
function namesOfDescriptor({ annotations }: Descriptor): readonly string[] {
  const full = annotations?.[ANNOTATION.containerdImageName];
  const name = full ?? annotations?.[ANNOTATION.refName];
  if (name === undefined || (full === undefined && !/[:/]/.test(name))) return [];
  const reference = tryParseReference(name);
  return reference === undefined ? [] : [formatReference(withDefaultTag(reference))];
}

// ── docker save ────────────────────────────────────────────────────────────

async function findDockerImages(
  parts: ImageParts,
  files: ArchiveFiles,
  archive: BlobInfo,
  listed: readonly Descriptor[],
  lease: Lease,
  options: LoadOptions,
): Promise<readonly FoundImage[]> {
  const items = parseDockerArchive(await parts.content.read(archive.digest, DOCUMENT_MAX_BYTES));
  if (items.length === 0)
    throw new EngineError('invalid', 'Cannot load archive: its manifest.json lists no image');
  const originals = await originalManifests(parts, listed);
  const found: FoundImage[] = [];
  for (const item of items) {
    const resolved = await resolveItem(parts, files, item, originals, lease);
    if (
      options.platform !== undefined &&
      rankPlatform(resolved.config, options.platform) === undefined
    )
      continue;
    found.push({
      resolved,
      target: resolved.manifestDescriptor,
      names: (item.RepoTags ?? []).map((tag) =>
        formatReference(withDefaultTag(parseReference(tag))),
      ),
    });
  }
  if (found.length > 0 || options.platform === undefined) return found;
  throw new EngineError(
    'not-found',
    `Cannot load archive: it has no image for ${formatPlatform(options.platform)}`,
  );
}

/** Manifests of the archive's OCI half by their configuration, so that an image keeps its digest. */
async function originalManifests(
  parts: ImageParts,
  listed: readonly Descriptor[],
): Promise<
  ReadonlyMap<Digest, { readonly descriptor: Descriptor; readonly manifest: ImageManifest }>
> {
  const originals = new Map<
    Digest,
    { readonly descriptor: Descriptor; readonly manifest: ImageManifest }
  >();
  const pending = [...listed];
  for (
    let entry = pending.pop(), count = 0;
    entry !== undefined && count < 1000;
    entry = pending.pop(), count++
  ) {
    if ((await parts.content.find(entry.digest)) === undefined) continue;
    const document = parseTarget(
      await parts.content.read(entry.digest, DOCUMENT_MAX_BYTES, { sizeBytes: entry.size }),
      entry.mediaType,
    );
    if (document.kind === 'index') pending.push(...document.index.manifests);
    else
      originals.set(document.manifest.config.digest, {
        descriptor: plain(entry),
        manifest: document.manifest,
      });
  }
  return originals;
}

async function resolveItem(
  parts: ImageParts,
  files: ArchiveFiles,
  item: DockerArchiveItem,
  originals: ReadonlyMap<
    Digest,
    { readonly descriptor: Descriptor; readonly manifest: ImageManifest }
  >,
  lease: Lease,
): Promise<ResolvedImage> {
  const configFile = files.get(item.Config);
  const config = parseConfig(await parts.content.read(configFile.digest, DOCUMENT_MAX_BYTES));
  const layerFiles = item.Layers.map((name) => files.get(name));
  if (layerFiles.length !== config.rootfs.diff_ids.length) {
    throw new EngineError(
      'invalid',
      `Cannot load archive: an image has ${layerFiles.length} layers and its configuration ${config.rootfs.diff_ids.length}`,
    );
  }
  const original = originals.get(configFile.digest);
  if (
    original !== undefined &&
    original.manifest.layers.every(({ digest }, i) => digest === layerFiles[i]?.digest)
  ) {
    checkRunnable(original.manifest);
    return { manifestDescriptor: original.descriptor, manifest: original.manifest, config };
  }
  return await makeManifest(parts, configFile, config, layerFiles, lease);
}

/** An archive without an OCI half gets the manifest it would have. */
async function makeManifest(
  parts: ImageParts,
  configFile: BlobInfo,
  config: ImageConfig,
  layerFiles: readonly BlobInfo[],
  lease: Lease,
): Promise<ResolvedImage> {
  if (layerFiles.length > LAYERS_MAX)
    throw new EngineError(
      'unsupported',
      `Cannot load archive: an image has ${layerFiles.length} layers, at most ${LAYERS_MAX} can be mounted`,
    );
  const layers: Descriptor[] = [];
  for (const { digest, sizeBytes } of layerFiles)
    layers.push({ mediaType: await layerTypeOf(parts, digest), digest, size: sizeBytes });
  return await putManifest(
    parts,
    { mediaType: MEDIA_TYPE.ociConfig, digest: configFile.digest, size: configFile.sizeBytes },
    config,
    layers,
    lease,
  );
}

/** Store the manifest of a configuration and its layers. */
export async function putManifest(
  parts: ImageParts,
  configDescriptor: Descriptor,
  config: ImageConfig,
  layers: readonly Descriptor[],
  lease: Lease,
): Promise<ResolvedImage> {
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: configDescriptor,
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const { digest, sizeBytes } = await parts.content.putBytes(bytes, { lease, deferSync: true });
  return {
    manifestDescriptor: { mediaType: MEDIA_TYPE.ociManifest, digest, size: sizeBytes },
    manifest,
    config,
  };
}

async function layerTypeOf(parts: ImageParts, digest: Digest): Promise<string> {
  for await (const chunk of parts.content.get(digest)) return layerMediaType(compressionOf(chunk));
  return MEDIA_TYPE.ociLayer;
}
