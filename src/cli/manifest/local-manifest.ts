/**
 * A manifest that waits in a local list, and the document a list becomes.
 * Bytes are those docker writes, so both programs share lists and digests.
 *
 * Source: docker's `manifest` commands (`ImageManifest`); OCI image-spec 1.1.1
 * image-index.md; Docker distribution manifest-list.
 */

import { EngineError } from '../../base/error.ts';
import type { ImageDescriptor } from '../../spec/docker/image.ts';
import { isDigest } from '../../spec/digest.ts';
import { MEDIA_TYPE } from '../../spec/media-type.ts';
import { recordOf } from '../config/config.ts';

/** One manifest of a list. Source: docker's file format. */
export interface LocalManifest {
  /** Full reference it was found by. */
  readonly Ref: string;
  readonly Descriptor: ImageDescriptor;
  /** The document, base64. */
  readonly Raw: string;
}

/** What a list becomes. */
export interface IndexDocument {
  readonly mediaType: string;
  readonly text: string;
}

/** The document of a manifest, as it is. Errors: `invalid`. */
export function documentOf(manifest: LocalManifest): unknown {
  return parseDocument(textOf(manifest), manifest.Ref);
}

/** Text of the document. */
export function textOf({ Raw }: Pick<LocalManifest, 'Raw'>): string {
  return Buffer.from(Raw, 'base64').toString('utf8');
}

/** Errors: `invalid`. */
export function parseDocument(text: string, name: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    throw new EngineError('invalid', `Cannot read the manifest ${name}: it is not JSON`);
  }
}

/** All there is to say of a manifest: the parsed document beside its bytes, in the field of its kind. */
export function verboseOf(manifest: LocalManifest): object {
  const document = documentOf(manifest);
  const isDocker = manifest.Descriptor.mediaType === MEDIA_TYPE.dockerManifest;
  return {
    Ref: manifest.Ref,
    Descriptor: descriptorOf(manifest.Descriptor),
    Raw: manifest.Raw,
    ...(isDocker ? { SchemaV2Manifest: document } : { OCIManifest: document }),
  };
}

/** JSON as Go writes it: what HTML would obey is escaped. `indent`: of each level. */
export function goJson(value: unknown, indent = ''): string {
  return JSON.stringify(value, undefined, indent).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The index of a list's manifests, in their order; of OCI's kind when its first manifest is. */
export function indexOf(manifests: readonly LocalManifest[]): IndexDocument {
  const isOci = manifests[0]?.Descriptor.mediaType === MEDIA_TYPE.ociManifest;
  const mediaType = isOci ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.dockerIndex;
  const entries = manifests.map(({ Descriptor }) => ({
    mediaType: Descriptor.mediaType,
    size: Descriptor.size,
    digest: Descriptor.digest,
    platform: platformOf(Descriptor),
  }));
  const index = { schemaVersion: 2, mediaType, manifests: entries };
  return { mediaType, text: goJson(index, '   ') };
}

/** Fields in the order docker writes them. */
function descriptorOf(descriptor: ImageDescriptor): ImageDescriptor {
  const { mediaType, digest, size, platform } = descriptor;
  return {
    mediaType,
    digest,
    size,
    ...(platform === undefined ? {} : { platform: platformOf(descriptor) }),
  };
}

function platformOf({ platform }: ImageDescriptor): NonNullable<ImageDescriptor['platform']> {
  const { architecture = '', os = '', variant = '' } = platform ?? {};
  const version = platform?.['os.version'] ?? '';
  const features = platform?.['os.features'] ?? [];
  return {
    architecture,
    os,
    ...(version === '' ? {} : { 'os.version': version }),
    ...(features.length === 0 ? {} : { 'os.features': features }),
    ...(variant === '' ? {} : { variant }),
  };
}

/** The text of a file. */
export function encodeManifest(manifest: LocalManifest): string {
  return goJson(verboseOf(manifest));
}

/** A manifest from the text of a file; `undefined` when it is none. */
export function decodeManifest(text: string): LocalManifest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { Ref, Raw, Descriptor } = recordOf(value);
  const { mediaType, digest, size, platform } = recordOf(Descriptor);
  if (typeof Ref !== 'string' || typeof Raw !== 'string' || typeof mediaType !== 'string')
    return undefined;
  if (typeof digest !== 'string' || !isDigest(digest) || typeof size !== 'number') return undefined;
  const descriptor = { mediaType, digest, size };
  return {
    Ref,
    Raw,
    Descriptor:
      platform === undefined ? descriptor : { ...descriptor, platform: decodePlatform(platform) },
  };
}

/** A platform of a document; what is not there is empty. */
export function decodePlatform(value: unknown): NonNullable<ImageDescriptor['platform']> {
  const record = recordOf(value);
  const word = (key: string): string => (typeof record[key] === 'string' ? record[key] : '');
  const features = record['os.features'];
  return {
    architecture: word('architecture'),
    os: word('os'),
    'os.version': word('os.version'),
    'os.features': Array.isArray(features)
      ? features.filter((feature): feature is string => typeof feature === 'string')
      : [],
    variant: word('variant'),
  };
}
