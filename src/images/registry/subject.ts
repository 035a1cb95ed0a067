/**
 * A manifest that is about another one: where the registry keeps no list of
 * those by itself, the client keeps it, under a tag.
 *
 * Source: OCI distribution-spec 1.1.1 "Pushing Manifests with Subject".
 */

import type { Digest } from '../../base/brand.ts';
import { isEngineError } from '../../base/error.ts';
import { MEDIA_TYPE } from '../../spec/media-type.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { decodeDescriptor, DOCUMENT_MAX_BYTES, parseTarget } from '../documents.ts';
import { Fields } from '../fields.ts';
import type { RegistryClient } from './client.ts';
import { referrersTag } from './link.ts';

/** A manifest or index to store. */
export interface PushedDocument {
  /** Tag or digest. */
  readonly reference: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Store a document, and put it into the list of its subject's referrers where the registry does not. */
export async function pushDocument(
  client: RegistryClient,
  document: PushedDocument,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { reference, mediaType, bytes } = document;
  const { hasSubject } = await client.putManifest({ reference, mediaType, bytes }, { signal });
  const subject = Fields.parse(bytes, 'manifest', DOCUMENT_MAX_BYTES).optionalObject('subject');
  if (subject === undefined || hasSubject) return;
  const tag = referrersTag(decodeDescriptor(subject).digest);
  const listed = await listedUnder(client, tag, signal);
  if (listed.some(({ digest }) => digest === document.digest)) return;
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: [...listed, referrerOf(document)],
  };
  const list = {
    reference: tag,
    mediaType: index.mediaType,
    bytes: Buffer.from(JSON.stringify(index)),
  };
  await client.putManifest(list, { signal });
}

async function listedUnder(
  client: RegistryClient,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  try {
    const { bytes, mediaType } = await client.getManifest(tag, { signal });
    const document = parseTarget(bytes, mediaType);
    return document.kind === 'index' ? document.index.manifests : [];
  } catch (error) {
    if (isEngineError(error) && error.kind === 'not-found') return [];
    throw error;
  }
}

/** How the list describes it: its type is what it says, or that of its configuration. */
function referrerOf({ bytes, mediaType, digest }: PushedDocument): Descriptor {
  const document = parseTarget(bytes, mediaType);
  const { annotations } = document.kind === 'index' ? document.index : document.manifest;
  const own = Fields.parse(bytes, 'manifest', DOCUMENT_MAX_BYTES).optionalText('artifactType');
  const config = document.kind === 'manifest' ? document.manifest.config.mediaType : undefined;
  const artifactType = own === undefined || own === '' ? config : own;
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
