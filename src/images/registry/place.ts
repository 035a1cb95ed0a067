/**
 * Putting an index into a repository: the manifests it names that are
 * elsewhere in the registry come first, each after its blobs, so that the index
 * never names what is not there.
 *
 * Source: OCI distribution-spec 1.1.1 "Push"; `docker manifest push`.
 */

import { Readable } from 'node:stream';
import type { Digest } from '../../base/brand.ts';
import { EngineError } from '../../base/error.ts';
import { digestBytes } from '../../spec/digest.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { formatFamiliar, type Reference } from '../../spec/reference.ts';
import { parseTarget } from '../documents.ts';
import type { PlaceOptions } from '../remote.ts';
import type { RegistryAccess } from './access.ts';
import type { RegistryClient } from './client.ts';
import { openedAs, pushEndpoint } from './endpoint.ts';
import { pushDocument } from './subject.ts';

/** Store the index; its digest. Errors: `invalid` for manifests of another registry. */
export async function placeIndex(access: RegistryAccess, options: PlaceOptions): Promise<Digest> {
  const { reference, mediaType, bytes, signal } = options;
  checkSources(options);
  const document = parseTarget(bytes, mediaType);
  if (document.kind !== 'index')
    throw new EngineError('invalid', 'Cannot push manifest list: it is not an index');
  const target = await openClient(access, options, reference);
  for (const source of options.sources) {
    if (source.reference.path !== reference.path)
      await bringManifest({ access, options, target }, source);
  }
  const digest = digestBytes(bytes);
  await pushDocument(target, { reference: reference.tag, digest, mediaType, bytes }, signal);
  return digest;
}

function checkSources({ reference, sources }: PlaceOptions): void {
  const foreign = sources.find((source) => source.reference.domain !== reference.domain);
  if (foreign === undefined) return;
  throw new EngineError(
    'invalid',
    `cannot use source images from a different registry than the target image: ${foreign.reference.domain} != ${reference.domain}`,
  );
}

async function openClient(
  access: RegistryAccess,
  options: PlaceOptions,
  reference: Reference,
): Promise<RegistryClient> {
  const endpoint = openedAs(pushEndpoint(reference, access.config), options.isInsecure);
  return await access.open(endpoint, {
    display: formatFamiliar(reference),
    credentials: options.credentials,
  });
}

interface Placing {
  readonly access: RegistryAccess;
  readonly options: PlaceOptions;
  readonly target: RegistryClient;
}

async function bringManifest(
  placing: Placing,
  source: PlaceOptions['sources'][number],
): Promise<void> {
  const { access, options, target } = placing;
  const { signal } = options;
  const from = await openClient(access, options, source.reference);
  const { bytes, mediaType } = await from.getManifest(source.digest, { signal });
  const document = parseTarget(bytes, mediaType);
  if (document.kind !== 'manifest')
    throw new EngineError(
      'invalid',
      `Cannot push manifest list: ${source.digest} is a list itself`,
    );
  const { config, layers } = document.manifest;
  for (const blob of [config, ...layers])
    await bringBlob(placing, { from, path: source.reference.path, blob });
  const { digest } = source;
  await pushDocument(target, { reference: digest, digest, mediaType, bytes }, signal);
}

/** By mounting; a registry that does not mount gets the bytes again. */
async function bringBlob(
  { target, options: { signal } }: Placing,
  {
    from,
    path,
    blob,
  }: { readonly from: RegistryClient; readonly path: string; readonly blob: Descriptor },
): Promise<void> {
  const { digest, size } = blob;
  if (await target.hasBlob(digest, { signal })) return;
  if (await target.uploads.mount(digest, path, { signal })) return;
  const open = (): Readable => Readable.from(bytesOf(from, digest, signal), { objectMode: false });
  await target.uploads.whole({ digest, sizeBytes: size, open }, { signal });
}

async function* bytesOf(
  client: RegistryClient,
  digest: Digest,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { body } = await client.openBlob(digest, { offsetBytes: 0 }, { signal });
  yield* body as AsyncIterable<Uint8Array>;
}
