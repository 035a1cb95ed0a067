/**
 * Image documents from bytes nobody vouches for: JSON → typed values, checked
 * field by field. A document that is two things at once is refused.
 *
 * **Invariants**
 * - What comes out holds only fields this file looked at, with the types it says.
 * - The media type inside a document, the one it was announced with and its
 *   shape agree, or it is refused; nothing is read as something else.
 *
 * Source: OCI image-spec 1.1.1 (descriptor.md, image-index.md, manifest.md,
 * config.md); docs/security.md rows I1–I3.
 */
import { EngineError } from '../base/error.ts';
import { quoteText } from '../base/quote.ts';
import { type DocumentKind, documentKindOf, MEDIA_TYPE } from '../spec/media-type.ts';
import { isDigest } from '../spec/digest.ts';
import type { Digest } from '../base/brand.ts';
import type {
  Descriptor,
  DescriptorPlatform,
  DockerArchiveItem,
  ImageConfig,
  ImageIndex,
  ImageManifest,
} from '../spec/oci/image.ts';
import { decodeExecutionConfig, decodeHistory } from './decode-config.ts';
import { Fields } from './fields.ts';

/** Largest manifest, index or configuration in bytes. */
export const DOCUMENT_MAX_BYTES: number = 4 * 1024 * 1024;
/** Most layers of an image: what one overlay mount takes. */
export const LAYERS_MAX = 500;
/** Most images of one archive. */
const ARCHIVE_IMAGES_MAX = 1000;
/** Most entries of an index. */
const INDEX_MAX = 10_000;

/** A manifest or an index. */
export type TargetDocument =
  | { readonly kind: 'index'; readonly index: ImageIndex }
  | { readonly kind: 'manifest'; readonly manifest: ImageManifest };

/**
 * A document that a reference or descriptor points at. `mediaType` is what it
 * was announced as; empty: nothing was said. Errors: `invalid`, `unsupported`.
 */
export function parseTarget(bytes: Uint8Array, mediaType: string): TargetDocument {
  const fields = Fields.parse(bytes, 'manifest', DOCUMENT_MAX_BYTES);
  const own = fields.optionalText('mediaType');
  const said = announcedKind(fields, mediaType, own);
  checkSchemaVersion(fields);
  const kind = kindByFields(fields);
  if (said !== undefined && said !== kind)
    throw fields.refuse(`it is an ${kind} by its fields and something else by its media type`);
  return kind === 'index'
    ? { kind, index: decodeIndex(fields, own) }
    : { kind, manifest: decodeManifest(fields, own) };
}

/** What the media types, announced and own, say it is. */
function announcedKind(
  fields: Fields,
  mediaType: string,
  own: string | undefined,
): DocumentKind | undefined {
  if (mediaType === '') return own === undefined ? undefined : documentKindOf(own);
  const announced = documentKindOf(mediaType);
  const shown = quoteText(mediaType);
  if (announced !== 'index' && announced !== 'manifest') {
    throw new EngineError(
      'unsupported',
      `Cannot use manifest: its media type ${shown} is not one of an image`,
    );
  }
  if (own !== undefined && own !== mediaType)
    throw fields.refuse(`it says it is ${quoteText(own)} but was announced as ${shown}`);
  return announced;
}

function checkSchemaVersion(fields: Fields): void {
  const version = fields.optionalNumber('schemaVersion');
  if (version === 1) {
    throw new EngineError(
      'unsupported',
      'Cannot use manifest: it has the old schema 1, which no longer is supported',
    );
  }
  if (version !== 2) throw fields.refuse('it has no schemaVersion 2');
}

function kindByFields(fields: Fields): 'index' | 'manifest' {
  const isIndex = fields.has('manifests');
  const isManifest = fields.has('layers') || fields.has('config');
  if (isIndex && isManifest) throw fields.refuse('it is an index and a manifest at once');
  if (!isIndex && !isManifest) throw fields.refuse('it is neither an index nor a manifest');
  return isIndex ? 'index' : 'manifest';
}

function decodeIndex(fields: Fields, mediaType: string | undefined): ImageIndex {
  const annotations = fields.optionalTextMap('annotations');
  return {
    schemaVersion: 2,
    ...(mediaType === undefined ? {} : { mediaType }),
    manifests: fields.objects('manifests', INDEX_MAX).map(decodeDescriptor),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function decodeManifest(fields: Fields, mediaType: string | undefined): ImageManifest {
  const annotations = fields.optionalTextMap('annotations');
  const artifactType = fields.optionalText('artifactType');
  return {
    schemaVersion: 2,
    ...(mediaType === undefined ? {} : { mediaType }),
    ...(artifactType === undefined ? {} : { artifactType }),
    config: decodeDescriptor(fields.object('config')),
    layers: fields.objects('layers', LAYERS_MAX).map(decodeDescriptor),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** A descriptor. Errors: `invalid`. */
export function decodeDescriptor(fields: Fields): Descriptor {
  const annotations = fields.optionalTextMap('annotations');
  const artifactType = fields.optionalText('artifactType');
  const urls = fields.optionalTexts('urls');
  const data = fields.optionalText('data');
  const platform = fields.optionalObject('platform');
  const size = fields.number('size');
  if (!Number.isSafeInteger(size) || size < 0)
    throw fields.refuse('a size is not a count of bytes');
  return {
    mediaType: fields.text('mediaType'),
    digest: digestField(fields, 'digest'),
    size,
    ...(urls === undefined ? {} : { urls }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(data === undefined ? {} : { data }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(platform === undefined ? {} : { platform: decodePlatform(platform) }),
  };
}

function decodePlatform(fields: Fields): DescriptorPlatform {
  const variant = fields.optionalText('variant');
  const version = fields.optionalText('os.version');
  const features = fields.optionalTexts('os.features');
  return {
    architecture: fields.optionalText('architecture') ?? '',
    os: fields.optionalText('os') ?? '',
    ...(variant === undefined || variant === '' ? {} : { variant }),
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(features === undefined ? {} : { 'os.features': features }),
  };
}

function digestField(fields: Fields, name: string): Digest {
  const text = fields.text(name);
  if (!isDigest(text))
    throw fields.refuse(`${name} ${quoteText(text, 100)} is not a digest carve can verify`);
  return text;
}

/** An image configuration. Unknown fields are ignored. Errors: `invalid`, `unsupported`. */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const fields = Fields.parse(bytes, 'image configuration', DOCUMENT_MAX_BYTES);
  const rootfs = fields.object('rootfs');
  const type = rootfs.optionalText('type');
  if (type !== 'layers')
    throw fields.refuse(`its root file system has the unknown type ${quoteText(type ?? '')}`);
  const diffIds = (rootfs.optionalTexts('diff_ids') ?? []).map((id) => {
    if (isDigest(id)) return id;
    throw fields.refuse(`diff id ${quoteText(id, 100)} is not a digest`);
  });
  if (diffIds.length > LAYERS_MAX)
    throw new EngineError(
      'unsupported',
      `Cannot use image configuration: it has ${diffIds.length} layers, at most ${LAYERS_MAX} can be mounted`,
    );
  const execution = fields.optionalObject('config');
  const history = decodeHistory(fields.optionalObjects('history'));
  const optional = (
    name: 'created' | 'author' | 'variant' | 'os.version' | 'comment' | 'docker_version',
  ): Partial<ImageConfig> => {
    const value = fields.optionalText(name);
    return value === undefined || value === '' ? {} : { [name]: value };
  };
  return {
    ...optional('created'),
    ...optional('author'),
    architecture: fields.text('architecture'),
    os: fields.text('os'),
    ...optional('os.version'),
    ...optional('variant'),
    ...(execution === undefined ? {} : { config: decodeExecutionConfig(execution) }),
    rootfs: { type: 'layers', diff_ids: diffIds },
    ...(history === undefined ? {} : { history }),
    ...optional('comment'),
    ...optional('docker_version'),
  };
}

/** `manifest.json` of an archive of `docker save`. Errors: `invalid`. */
export function parseDockerArchive(bytes: Uint8Array): readonly DockerArchiveItem[] {
  const items = Fields.parseList(bytes, 'manifest.json', DOCUMENT_MAX_BYTES);
  checkImageCount(items.length, 'manifest.json');
  return items.map((fields) => ({
    Config: fields.text('Config'),
    RepoTags: fields.optionalTexts('RepoTags') ?? [],
    Layers: fields.optionalTexts('Layers') ?? [],
  }));
}

/** Bounds the images that one archive lists in the document `what`: each costs reading its documents. Errors: `exhausted`. */
export function checkImageCount(count: number, what: string): void {
  if (count > ARCHIVE_IMAGES_MAX)
    throw new EngineError(
      'exhausted',
      `Cannot use ${what}: it lists ${count} images, at most ${ARCHIVE_IMAGES_MAX} are taken`,
    );
}

/** Checks the `oci-layout` file. Errors: `invalid`, `unsupported`. */
export function checkLayout(bytes: Uint8Array): void {
  const version = Fields.parse(bytes, 'oci-layout', DOCUMENT_MAX_BYTES).text('imageLayoutVersion');
  if (version !== '1.0.0')
    throw new EngineError(
      'unsupported',
      `Cannot use image layout: its version ${quoteText(version, 50)} is not 1.0.0`,
    );
}

/** Refuses manifests that carry something else than an image. Errors: `unsupported`. */
export function checkRunnable(manifest: ImageManifest): void {
  const type = manifest.config.mediaType;
  if (documentKindOf(type) !== 'config') {
    const what = manifest.artifactType ?? type;
    throw new EngineError(
      'unsupported',
      `Cannot use image: it is an artifact of type ${quoteText(what)}, not a container image`,
    );
  }
  for (const layer of manifest.layers) {
    if (documentKindOf(layer.mediaType) !== 'layer') {
      throw new EngineError(
        'unsupported',
        `Cannot use image: a layer has the media type ${quoteText(layer.mediaType)}, which is none of a file system layer`,
      );
    }
  }
}

/** Media type of a manifest or index as it says itself; the OCI one where it does not. */
export function mediaTypeOf(document: TargetDocument): string {
  return document.kind === 'index'
    ? (document.index.mediaType ?? MEDIA_TYPE.ociIndex)
    : (document.manifest.mediaType ?? MEDIA_TYPE.ociManifest);
}
