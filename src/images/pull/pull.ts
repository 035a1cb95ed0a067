/**
 * `pull`: from a reference to an image. Documents first, then the layers that
 * are missing, several at once, each unpacked while it comes in.
 *
 * **Invariants**
 * - What the reference led to is read by digest from then on: a tag that moves
 *   in the middle changes nothing.
 * - A digest in the reference is asked for by itself; a tag beside it is only a name.
 * - A failed or cancelled pull leaves no image; what was downloaded is resumed by the next.
 *
 * Source: OCI distribution-spec 1.1.1 "Pull"; Docker's progress stream for the words.
 */

import type { Digest } from '../../base/brand.ts';
import { EngineError, isEngineError } from '../../base/error.ts';
import type { ContentStore, Lease } from '../../content/store.ts';
import type { LayerBytes } from '../../layers/layer-bytes.ts';
import { shortDigest } from '../../spec/digest.ts';
import type { Descriptor, ImageManifest } from '../../spec/oci/image.ts';
import type { Platform } from '../../spec/platform.ts';
import {
  familiarRepository,
  formatFamiliar,
  formatReference,
  repositoryOf,
  withDefaultTag,
  type Reference,
} from '../../spec/reference.ts';
import { chooseManifest } from '../add.ts';
import { checkRunnable, DOCUMENT_MAX_BYTES, mediaTypeOf, parseTarget } from '../documents.ts';
import type { RegistryClient, RemoteManifest } from '../registry/client.ts';
import { pullEndpoints, type Endpoint } from '../registry/endpoint.ts';
import type { RegistryAccess } from '../registry/access.ts';
import { askInOrder } from '../registry/mirrors.ts';
import { readBounded } from '../registry/read.ts';
import type { PulledImage, PullOptions } from '../remote.ts';
import type { Admission } from '../signature/admit.ts';
import type { ImageProgress, ImageRecord, ImageStore } from '../store.ts';
import { ALREADY_HERE, startDownload, type Download } from './download.ts';
import { Lanes } from './lanes.ts';

/** Progress of a layer that costs nothing. */
const EXISTS = 'Already exists';
/** Indexes inside indexes that are followed. */
const INDEX_DEPTH_MAX = 4;

/** What a pull works with. */
export interface PullParts {
  readonly images: ImageStore;
  readonly content: ContentStore;
  readonly access: RegistryAccess;
  /** Platform of this machine. */
  readonly host: Platform;
  /** Asked before a layer is fetched and anything is stored under a name. Errors: `denied`. */
  readonly admit: (image: Admission) => Promise<void>;
}

/**
 * Pull an image from the first place that has all of it: mirrors, then the registry.
 * Errors: those of the registry; `not-found` when it has none for the platform.
 */
export async function pullImage(parts: PullParts, options: PullOptions): Promise<PulledImage> {
  const reference = withDefaultTag(options.reference);
  const lease = parts.content.lease(`pull ${formatReference(reference)}`);
  try {
    return await askInOrder(
      pullEndpoints(reference, parts.access.config),
      async (endpoint) => await pullFrom(parts, endpoint, { ...options, reference, lease }),
    );
  } finally {
    lease.release();
  }
}

async function pullFrom(parts: PullParts, endpoint: Endpoint, fetch: Fetch): Promise<PulledImage> {
  const { reference, signal } = fetch;
  const found = await askEndpoint(parts, endpoint, fetch);
  const { manifest, digests } = await fetchManifest(parts, found, fetch);
  await parts.admit({ reference, digests, client: found.client, signal });
  const name =
    reference.digest === undefined ? formatFamiliar(reference) : formatReference(reference);
  const before = parts.images.find(name);
  const image = await fetchImage(parts, found, { ...fetch, manifest });
  return { image, digest: found.target.digest, isUpToDate: before?.id === image.id };
}

/** What a reference led to, and where. */
interface Target {
  readonly client: RegistryClient;
  readonly isMirror: boolean;
  readonly target: Descriptor;
  readonly bytes: Uint8Array;
}

async function askEndpoint(parts: PullParts, endpoint: Endpoint, fetch: Fetch): Promise<Target> {
  const { reference, signal, lease, credentials } = fetch;
  const client = await parts.access.open(endpoint, {
    display: formatFamiliar(reference),
    // A mirror is another host: it never sees the registry's credentials.
    credentials: endpoint.isMirror ? undefined : credentials,
  });
  const known = await findKnown(parts, client, fetch);
  const remote =
    known ?? (await client.getManifest(reference.digest ?? reference.tag ?? 'latest', { signal }));
  const document = parseTarget(remote.bytes, remote.mediaType);
  await parts.content.putBytes(remote.bytes, { digest: remote.digest, lease, deferSync: true });
  const target = {
    mediaType: mediaTypeOf(document),
    digest: remote.digest,
    size: remote.bytes.length,
  };
  return { client, isMirror: endpoint.isMirror, target, bytes: remote.bytes };
}

/** What a tag led to before, when it still does: asking that costs nothing where reading is counted. */
async function findKnown(
  { images, content }: PullParts,
  client: RegistryClient,
  { reference, signal }: Fetch,
): Promise<RemoteManifest | undefined> {
  const { tag, digest: wanted } = reference;
  if (tag === undefined || wanted !== undefined) return undefined;
  if (images.find(formatFamiliar(reference)) === undefined) return undefined;
  try {
    const digest = await client.findManifestDigest(tag, { signal });
    const bytes = digest === undefined ? undefined : await readHere(content, digest);
    return digest === undefined || bytes === undefined
      ? undefined
      : { digest, mediaType: '', bytes };
  } catch (error) {
    // Reading it will tell what is wrong, if anything is.
    if (isEngineError(error) && ['invalid', 'denied', 'not-found'].includes(error.kind))
      return undefined;
    throw error;
  }
}

/** A document that is here, and whole. */
async function readHere(content: ContentStore, digest: Digest): Promise<Uint8Array | undefined> {
  if ((await content.find(digest)) === undefined) return undefined;
  try {
    return await content.read(digest, DOCUMENT_MAX_BYTES);
  } catch (error) {
    if (isEngineError(error) && ['not-found', 'corrupt'].includes(error.kind)) return undefined;
    throw error;
  }
}

/** A fetch in progress. */
interface Fetch extends PullOptions {
  readonly lease: Lease;
}

async function fetchImage(
  parts: PullParts,
  found: Target,
  fetch: Fetch & { readonly manifest: ImageManifest },
): Promise<ImageRecord> {
  const { manifest } = fetch;
  checkRunnable(manifest);
  await fetchDocument(parts, found.client, { descriptor: manifest.config, fetch });
  const watch = await watchLayers(parts, fetch);
  const image = await addImage(parts, found, { fetch, watch });
  for (const id of new Set(manifest.layers.map((layer) => shortDigest(layer.digest))))
    if (watch.worked.has(id)) watch.onProgress({ id, status: 'Pull complete' });
  return image;
}

/** Download and unpack; once more when what an earlier pull left was wrong, which shows only at the end. */
async function addImage(
  parts: PullParts,
  found: Target,
  {
    fetch,
    watch: { present, onProgress },
  }: {
    readonly fetch: Fetch & { readonly manifest: ImageManifest };
    readonly watch: LayerWatch;
  },
): Promise<ImageRecord> {
  const { manifest, platform, lease, reference } = fetch;
  for (let isLast = false; ; isLast = true) {
    const stop = new AbortController();
    const signal =
      fetch.signal === undefined ? stop.signal : AbortSignal.any([fetch.signal, stop.signal]);
    const own = { ...fetch, signal, onProgress, present, isMirror: found.isMirror };
    const downloads = new LayerDownloads(parts, found.client, own);
    try {
      return await parts.images.add({
        target: found.target,
        ...(platform === undefined ? {} : { platform }),
        names: namesOf(reference, found.target.digest),
        lease,
        layerSource: downloads.start(manifest.layers),
        allStored: async () => downloads.finished(),
        signal,
        onProgress,
      });
    } catch (error) {
      if (!isFaultOfBytes(error)) throw error;
      downloads.distrust();
      if (isLast || !downloads.hasResumed) throw error;
    } finally {
      stop.abort();
      await downloads.settled();
    }
  }
}

/** What of an image is here before its pull, and what it costs. */
interface LayerWatch {
  /** Layers whose blobs are here. */
  readonly present: ReadonlySet<Digest>;
  /** Short ids of the layers that cost work. */
  readonly worked: ReadonlySet<string>;
  /** As Docker tells it: nothing of the layers of an image that is here. */
  readonly onProgress: (progress: ImageProgress) => void;
}

async function watchLayers(
  { images, content }: PullParts,
  { manifest, onProgress, lease }: Fetch & { readonly manifest: ImageManifest },
): Promise<LayerWatch> {
  const present = new Set<Digest>();
  for (const { digest, size } of manifest.layers) {
    lease.add(digest);
    if ((await content.find(digest))?.sizeBytes === size) present.add(digest);
  }
  const isHere =
    images.find(manifest.config.digest) !== undefined &&
    manifest.layers.every(({ digest }) => present.has(digest));
  const worked = new Set<string>();
  const tell = (progress: ImageProgress): void => {
    if (progress.id !== undefined && progress.status !== EXISTS) worked.add(progress.id);
    onProgress?.(progress);
  };
  return { present, worked, onProgress: isHere ? () => undefined : tell };
}

/** A layer was read while it came in, and is none: what has come of it is of no use. */
function isFaultOfBytes(error: unknown): boolean {
  return isEngineError(error) && ['corrupt', 'invalid', 'unsupported'].includes(error.kind);
}

/** The names an image gets: its tag, and its digest. */
function namesOf(reference: Reference, digest: Digest): readonly string[] {
  const repository = repositoryOf(reference);
  const byDigest = `${repository}@${digest}`;
  return reference.digest === undefined && reference.tag !== undefined
    ? [`${repository}:${reference.tag}`, byDigest]
    : [byDigest];
}

/** The manifest for the platform. */
interface ChosenManifest {
  readonly manifest: ImageManifest;
  /** The target's, those of indexes on the way, the manifest's. */
  readonly digests: readonly Digest[];
}

/** Follow indexes to the manifest for the platform. */
async function fetchManifest(
  parts: PullParts,
  found: Target,
  fetch: Fetch,
): Promise<ChosenManifest> {
  let { bytes } = found;
  let { mediaType } = found.target;
  const digests = [found.target.digest];
  for (let depth = 0; depth < INDEX_DEPTH_MAX; depth += 1) {
    const document = parseTarget(bytes, mediaType);
    if (document.kind === 'manifest') return { manifest: document.manifest, digests };
    const chosen = chooseManifest(document.index, fetch.platform ?? parts.host);
    bytes = await fetchChosen(parts, found, { ...fetch, chosen });
    digests.push(chosen.digest);
    ({ mediaType } = chosen);
  }
  throw new EngineError(
    'invalid',
    `Cannot pull ${familiarRepository(fetch.reference)}: its index leads to more indexes than are followed`,
  );
}

/** A manifest that an index names, from here or from there. */
async function fetchChosen(
  { content }: PullParts,
  { client }: Target,
  { chosen, lease, signal }: Fetch & { readonly chosen: Descriptor },
): Promise<Uint8Array> {
  const { digest, size: sizeBytes } = chosen;
  lease.add(digest);
  const known = await readHere(content, digest);
  if (known?.length === sizeBytes) return known;
  const { bytes } = await client.getManifest(digest, { signal });
  await content.putBytes(bytes, { digest, sizeBytes, lease, deferSync: true });
  return bytes;
}

async function fetchDocument(
  parts: PullParts,
  client: RegistryClient,
  what: { readonly descriptor: Descriptor; readonly fetch: Fetch },
): Promise<void> {
  const { digest, size } = what.descriptor;
  const { lease, signal, reference } = what.fetch;
  lease.add(digest);
  if ((await parts.content.find(digest)) !== undefined) return;
  if (size > DOCUMENT_MAX_BYTES) {
    throw new EngineError(
      'exhausted',
      `Cannot pull ${familiarRepository(reference)}: its configuration is larger than ${DOCUMENT_MAX_BYTES} bytes`,
    );
  }
  const remote = await client.openBlob(digest, { offsetBytes: 0 }, { signal });
  const bytes = await readBounded(remote.body, size, 'the configuration of the image');
  await parts.content.putBytes(bytes, { digest, sizeBytes: size, lease, deferSync: true });
}

/** A fetch of layers. */
type LayerFetch = Fetch & Pick<LayerWatch, 'present'> & Pick<Target, 'isMirror'>;

/** The layers of one pull: each downloaded once, a few at a time. */
class LayerDownloads {
  readonly #parts: PullParts;
  readonly #client: RegistryClient;
  readonly #fetch: LayerFetch;
  readonly #started = new Map<Digest, Promise<Download>>();
  readonly #lanes: Lanes;
  #isTrusted = true;
  #hasResumed = false;

  constructor(parts: PullParts, client: RegistryClient, fetch: LayerFetch) {
    this.#parts = parts;
    this.#client = client;
    this.#fetch = fetch;
    this.#lanes = new Lanes(parts.access.concurrentDownloads);
  }

  /** Begin with every layer that is not here; how `add` gets at them. */
  start(layers: readonly Descriptor[]): (layer: Descriptor) => Promise<LayerBytes | undefined> {
    for (const layer of layers) {
      if (this.#started.has(layer.digest)) continue;
      const download = this.#begin(layer);
      download.catch(() => undefined);
      this.#started.set(layer.digest, download);
    }
    return async (layer) => {
      const download = await this.#started.get(layer.digest);
      return await download?.follow();
    };
  }

  /** Downloads that are cut off from now on keep nothing. */
  distrust(): void {
    this.#isTrusted = false;
  }

  /** Some of the bytes are of an earlier pull. */
  get hasResumed(): boolean {
    return this.#hasResumed;
  }

  /** Every blob is in the store. */
  async finished(): Promise<void> {
    for (const download of this.#started.values()) await (await download).finished;
  }

  /** Nothing runs any more. */
  async settled(): Promise<void> {
    for (const download of this.#started.values()) {
      await download.then(
        async ({ finished }) => {
          await finished.catch(() => undefined);
        },
        () => undefined,
      );
    }
  }

  async #begin(layer: Descriptor): Promise<Download> {
    const { content } = this.#parts;
    const { present, isMirror, lease, signal } = this.#fetch;
    const isHere = present.has(layer.digest);
    this.#tell(layer, { status: isHere ? EXISTS : 'Pulling fs layer' });
    if (isHere) return ALREADY_HERE;
    if (this.#lanes.isFull) this.#tell(layer, { status: 'Waiting' });
    const leave = await this.#lanes.enter(signal);
    try {
      const download = await startDownload({
        client: this.#client,
        content,
        blob: layer,
        lease,
        // What a mirror failed in the middle of would spoil what the registry sends after it.
        isTrusted: () => this.#isTrusted && (!isMirror || signal?.aborted === true),
        onProgress: (current) => {
          this.#tell(layer, { status: 'Downloading', current, total: layer.size });
          if (current === layer.size) this.#tell(layer, { status: 'Verifying Checksum' });
        },
        signal,
      });
      this.#hasResumed ||= download.isResumed;
      void download.finished
        .then(
          () => {
            this.#tell(layer, { status: 'Download complete' });
          },
          () => undefined,
        )
        .finally(leave);
      return download;
    } catch (error) {
      leave();
      throw error;
    }
  }

  #tell(layer: Descriptor, progress: ImageProgress): void {
    this.#fetch.onProgress?.({ id: shortDigest(layer.digest), ...progress });
  }
}
