/**
 * Archives of `docker save`: what `manifest.json` lists, with the manifests of
 * the archive's OCI half where it has one.
 *
 * Source: Docker image specification 1.2 "Combined Image JSON + Filesystem
 * Changeset Format".
 */
import type { Digest } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import type { BlobInfo } from '../content/store.ts';
import { compressionOf, layerMediaType, MEDIA_TYPE } from '../spec/media-type.ts';
import type { Descriptor, DockerArchiveItem, ImageManifest } from '../spec/oci/image.ts';
import { formatPlatform, rankPlatform } from '../spec/platform.ts';
import { formatReference, parseReference, withDefaultTag } from '../spec/reference.ts';
import type { ResolvedImage } from './add.ts';
import type { ArchiveFiles } from './archive.ts';
import {
  checkRunnable,
  DOCUMENT_MAX_BYTES,
  LAYERS_MAX,
  parseConfig,
  parseDockerArchive,
  parseTarget,
} from './documents.ts';
import { type FoundImage, type LoadContext, plain } from './found.ts';
import { putManifest } from './manifest.ts';
import type { ImageParts } from './parts.ts';

/** Manifests of an archive's OCI half that are looked at. */
const ORIGINALS_MAX = 1000;

interface Original {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
}

/** The images that `manifest.json` lists. `listed`: entries of `index.json`. Errors: `not-found` when none fits the platform. */
export async function findDockerImages(
  context: LoadContext,
  files: ArchiveFiles,
  listed: readonly Descriptor[],
): Promise<readonly FoundImage[]> {
  const {
    parts,
    options: { platform },
  } = context;
  const { digest } = files.get('manifest.json');
  const items = parseDockerArchive(await parts.content.read(digest, DOCUMENT_MAX_BYTES));
  if (items.length === 0)
    throw new EngineError('invalid', 'Cannot load archive: its manifest.json lists no image');
  const originals = await originalManifests(parts, listed);
  const found: FoundImage[] = [];
  for (const item of items) {
    const resolved = await resolveItem(context, files, { item, originals });
    if (platform !== undefined && rankPlatform(resolved.config, platform) === undefined) continue;
    const names = (item.RepoTags ?? []).map((tag) =>
      formatReference(withDefaultTag(parseReference(tag))),
    );
    found.push({ resolved, target: resolved.manifestDescriptor, names });
  }
  if (found.length > 0 || platform === undefined) return found;
  throw new EngineError(
    'not-found',
    `Cannot load archive: it has no image for ${formatPlatform(platform)}`,
  );
}

/** Manifests by their configuration, so that an image keeps its digest. */
async function originalManifests(
  parts: ImageParts,
  listed: readonly Descriptor[],
): Promise<ReadonlyMap<Digest, Original>> {
  const originals = new Map<Digest, Original>();
  const pending = [...listed];
  for (let count = 0; count < ORIGINALS_MAX; count++) {
    const entry = pending.pop();
    if (entry === undefined) break;
    if ((await parts.content.find(entry.digest)) === undefined) continue;
    const bytes = await parts.content.read(entry.digest, DOCUMENT_MAX_BYTES, {
      sizeBytes: entry.size,
    });
    const document = parseTarget(bytes, entry.mediaType);
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
  context: LoadContext,
  files: ArchiveFiles,
  {
    item,
    originals,
  }: { readonly item: DockerArchiveItem; readonly originals: ReadonlyMap<Digest, Original> },
): Promise<ResolvedImage> {
  const { parts, lease } = context;
  const configFile = files.get(item.Config);
  const config = parseConfig(await parts.content.read(configFile.digest, DOCUMENT_MAX_BYTES));
  const layerFiles = item.Layers.map((name) => files.get(name));
  const layerCount = config.rootfs.diff_ids.length;
  if (layerFiles.length !== layerCount) {
    throw new EngineError(
      'invalid',
      `Cannot load archive: an image has ${layerFiles.length} layers and its configuration ${layerCount}`,
    );
  }
  const original = originals.get(configFile.digest);
  if (
    original?.manifest.layers.every(({ digest }, i) => digest === layerFiles[i]?.digest) === true
  ) {
    checkRunnable(original.manifest);
    return { manifestDescriptor: original.descriptor, manifest: original.manifest, config };
  }
  const known = await knownManifest(context, configFile.digest);
  if (known !== undefined) return { ...known, config };
  // An archive without an OCI half gets the manifest it would have.
  const configDescriptor = {
    mediaType: MEDIA_TYPE.ociConfig,
    digest: configFile.digest,
    size: configFile.sizeBytes,
  };
  return await putManifest(parts, {
    config,
    configDescriptor,
    layers: await describeLayers(parts, layerFiles),
    lease,
  });
}

/** The manifest of an image that is here, and whole: names that were given for it go on meaning it. */
async function knownManifest(
  { parts: { content, table }, lease }: LoadContext,
  id: Digest,
): Promise<Pick<ResolvedImage, 'manifestDescriptor' | 'manifest'> | undefined> {
  const image = table.get(id);
  if (image === undefined) return undefined;
  for (const { digest, size } of [image.manifest, ...image.layers]) {
    lease.add(digest);
    if ((await content.find(digest))?.sizeBytes !== size) return undefined;
  }
  const { digest, size, mediaType } = image.manifest;
  const bytes = await content.read(digest, DOCUMENT_MAX_BYTES, { sizeBytes: size });
  const document = parseTarget(bytes, mediaType);
  if (document.kind !== 'manifest') return undefined;
  return { manifestDescriptor: image.manifest, manifest: document.manifest };
}

async function describeLayers(
  parts: ImageParts,
  files: readonly BlobInfo[],
): Promise<readonly Descriptor[]> {
  if (files.length > LAYERS_MAX)
    throw new EngineError(
      'unsupported',
      `Cannot load archive: an image has ${files.length} layers, at most ${LAYERS_MAX} can be mounted`,
    );
  const layers: Descriptor[] = [];
  for (const { digest, sizeBytes } of files)
    layers.push({ mediaType: await layerTypeOf(parts, digest), digest, size: sizeBytes });
  return layers;
}

async function layerTypeOf(parts: ImageParts, digest: Digest): Promise<string> {
  for await (const chunk of parts.content.get(digest)) return layerMediaType(compressionOf(chunk));
  return MEDIA_TYPE.ociLayer;
}
