/**
 * Signatures that lie beside an image in its registry: under cosign's tag, and
 * as referrers. What comes from here is a claim of whoever could push, no more.
 *
 * **Invariant:** what is read for one image is bounded, whatever was pushed.
 * Source: cosign's signature specification (tag `ALGORITHM-HEX.sig`);
 * cosign's bundle specification; OCI distribution-spec 1.1.1 "Listing Referrers".
 */

import type { Digest } from '../../base/brand.ts';
import { EngineError, isEngineError } from '../../base/error.ts';
import { createDigester, digestOf, splitDigest } from '../../spec/digest.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { parseTarget } from '../documents.ts';
import type { RegistryClient, RemoteManifest } from '../registry/client.ts';
import { readBounded } from '../registry/read.ts';
import {
  BUNDLE_MAX_BYTES,
  BUNDLE_TYPE,
  parseBundle,
  parseStatement,
  SIGNATURE_PREDICATE,
  type Envelope,
} from './bundle.ts';
import { parseClaim, PAYLOAD_MAX_BYTES, type SignedClaim } from './payload.ts';

const PAYLOAD_MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';
const ARTIFACT_TYPE = 'application/vnd.dev.cosign.artifact.sig.v1+json';
const PREDICATE_ANNOTATION = 'dev.sigstore.bundle.predicateType';
const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';
/** Most signatures of one manifest that are looked at. */
const SIGNATURES_MAX = 64;
/** Most referrers of one image, of each kind, that are looked at. */
const REFERRERS_MAX = 16;

/** A claim and what is said to be a signature over it. */
export interface AttachedSignature {
  /** The bytes that the signature is over. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** What was signed. To be asked only once the signature was found good. Errors: `invalid`, `exhausted`. */
  readonly claim: () => SignedClaim;
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

/** Referrers that hold signatures of either kind. */
async function findReferrers(search: SignatureSearch): Promise<readonly Descriptor[]> {
  const payloads = await findReferrersOf(search, ARTIFACT_TYPE);
  const bundles = await findReferrersOf(search, BUNDLE_TYPE);
  return [...payloads, ...bundles.filter(isSignature).slice(0, REFERRERS_MAX)];
}

/** Bundles hold attestations too; most say so outside. */
function isSignature({ annotations }: Descriptor): boolean {
  const predicate = annotations?.[PREDICATE_ANNOTATION];
  return predicate === undefined || predicate === SIGNATURE_PREDICATE;
}

async function findReferrersOf(
  { client, digest, signal }: SignatureSearch,
  artifactType: string,
): Promise<readonly Descriptor[]> {
  const pages = await client.getReferrers(digest, artifactType, { signal });
  const entries = pages.flatMap((bytes) => {
    const document = parseTarget(bytes, '');
    return document.kind === 'index' ? document.index.manifests : [];
  });
  // A registry need not filter.
  const wanted = entries.filter((entry) => entry.artifactType === artifactType);
  return artifactType === BUNDLE_TYPE ? wanted : wanted.slice(0, REFERRERS_MAX);
}

async function* signaturesIn(
  search: SignatureSearch,
  remote: RemoteManifest,
): AsyncGenerator<AttachedSignature> {
  const document = parseTarget(remote.bytes, remote.mediaType);
  if (document.kind !== 'manifest') return;
  for (const layer of document.manifest.layers.slice(0, SIGNATURES_MAX)) {
    if (layer.mediaType === PAYLOAD_MEDIA_TYPE) yield* payloadSignature(search, layer);
    else if (layer.mediaType === BUNDLE_TYPE) yield* bundleSignatures(search, layer);
  }
}

async function* payloadSignature(
  search: SignatureSearch,
  layer: Descriptor,
): AsyncGenerator<AttachedSignature> {
  const text = layer.annotations?.[SIGNATURE_ANNOTATION];
  if (text === undefined || layer.size > PAYLOAD_MAX_BYTES) return;
  const signed = await readLayer(search, layer, PAYLOAD_MAX_BYTES);
  yield { signed, signature: Buffer.from(text, 'base64'), claim: () => parseClaim(signed) };
}

async function* bundleSignatures(
  search: SignatureSearch,
  layer: Descriptor,
): AsyncGenerator<AttachedSignature> {
  if (layer.size > BUNDLE_MAX_BYTES) return;
  const envelope = readEnvelope(await readLayer(search, layer, BUNDLE_MAX_BYTES));
  if (envelope === undefined) return;
  const { signed, payload } = envelope;
  for (const signature of envelope.signatures)
    yield { signed, signature, claim: () => parseStatement(payload) };
}

/** A bundle that is none is no signature: whoever may push must not keep good ones from being found. */
function readEnvelope(bytes: Uint8Array): Envelope | undefined {
  try {
    return parseBundle(bytes);
  } catch (error) {
    if (isEngineError(error)) return undefined;
    throw error;
  }
}

async function readLayer(
  search: SignatureSearch,
  layer: Descriptor,
  maxBytes: number,
): Promise<Uint8Array> {
  const { client, signal } = search;
  const blob = await client.openBlob(layer.digest, { offsetBytes: 0 }, { signal });
  const bytes = await readBounded(blob.body, maxBytes, 'a signature');
  const { algorithm } = splitDigest(layer.digest);
  const digest = digestOf(createDigester(algorithm).update(bytes), algorithm);
  if (digest !== layer.digest) {
    throw new EngineError(
      'corrupt',
      `Cannot read a signature: the registry sent ${digest} instead of ${layer.digest}`,
    );
  }
  return bytes;
}
