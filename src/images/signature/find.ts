/**
 * Signatures that lie beside an image in its registry: under cosign's tag, and
 * as referrers. What comes from here is a claim of whoever could push, no more.
 *
 * **Invariant:** what is read for one image is bounded, whatever was pushed.
 * Source: cosign's signature specification (tag `ALGORITHM-HEX.sig`);
 * OCI distribution-spec 1.1.1 "Listing Referrers".
 */

import type { Digest } from '../../base/brand.ts';
import { EngineError, isEngineError } from '../../base/error.ts';
import { createDigester, digestOf, splitDigest } from '../../spec/digest.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { parseTarget } from '../documents.ts';
import type { RegistryClient, RemoteManifest } from '../registry/client.ts';
import { readBounded } from '../registry/read.ts';
import { PAYLOAD_MAX_BYTES } from './payload.ts';

const PAYLOAD_MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';
const ARTIFACT_TYPE = 'application/vnd.dev.cosign.artifact.sig.v1+json';
const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';
/** Most signatures of one manifest that are looked at. */
const SIGNATURES_MAX = 64;
/** Most referrers of one image that are looked at. */
const REFERRERS_MAX = 16;

/** A payload and what is said to be a signature over it. */
export interface AttachedSignature {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** Where to look. */
export interface SignatureSearch {
  readonly client: RegistryClient;
  /** Of the manifest or index. */
  readonly digest: Digest;
  readonly signal: AbortSignal | undefined;
}

/** Signatures of a manifest, one at a time: the tag's, then those of referrers. Errors: those of the registry. */
export async function* findSignatures(search: SignatureSearch): AsyncGenerator<AttachedSignature> {
  const { algorithm, hex } = splitDigest(search.digest);
  const tagged = await findManifest(search, `${algorithm}-${hex}.sig`);
  if (tagged !== undefined) yield* signaturesIn(search, tagged);
  for (const referrer of await findReferrers(search)) {
    const manifest = await findManifest(search, referrer.digest);
    if (manifest !== undefined) yield* signaturesIn(search, manifest);
  }
}

async function findManifest(
  { client, signal }: SignatureSearch,
  reference: string,
): Promise<RemoteManifest | undefined> {
  try {
    return await client.getManifest(reference, { signal });
  } catch (error) {
    if (isEngineError(error) && error.kind === 'not-found') return undefined;
    throw error;
  }
}

async function findReferrers(search: SignatureSearch): Promise<readonly Descriptor[]> {
  const { client, digest, signal } = search;
  const bytes = await client.getReferrers(digest, ARTIFACT_TYPE, { signal });
  if (bytes === undefined) return [];
  const document = parseTarget(bytes, '');
  if (document.kind !== 'index') return [];
  // A registry need not filter.
  return document.index.manifests
    .filter((entry) => entry.artifactType === ARTIFACT_TYPE)
    .slice(0, REFERRERS_MAX);
}

async function* signaturesIn(
  search: SignatureSearch,
  remote: RemoteManifest,
): AsyncGenerator<AttachedSignature> {
  const document = parseTarget(remote.bytes, remote.mediaType);
  if (document.kind !== 'manifest') return;
  const layers = document.manifest.layers
    .filter((layer) => layer.mediaType === PAYLOAD_MEDIA_TYPE)
    .slice(0, SIGNATURES_MAX);
  for (const layer of layers) {
    const text = layer.annotations?.[SIGNATURE_ANNOTATION];
    if (text === undefined || layer.size > PAYLOAD_MAX_BYTES) continue;
    yield {
      payload: await readPayload(search, layer),
      signature: Buffer.from(text, 'base64'),
    };
  }
}

async function readPayload(search: SignatureSearch, layer: Descriptor): Promise<Uint8Array> {
  const { client, signal } = search;
  const blob = await client.openBlob(layer.digest, { offsetBytes: 0 }, { signal });
  const bytes = await readBounded(blob.body, PAYLOAD_MAX_BYTES, 'the payload of a signature');
  const { algorithm } = splitDigest(layer.digest);
  const digest = digestOf(createDigester(algorithm).update(bytes), algorithm);
  if (digest !== layer.digest) {
    throw new EngineError(
      'corrupt',
      `Cannot read the payload of a signature: the registry sent ${digest} instead of ${layer.digest}`,
    );
  }
  return bytes;
}
