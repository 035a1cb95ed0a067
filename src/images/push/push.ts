/**
 * `push`: an image's blobs to a registry, then its manifest under the tag.
 *
 * **Invariants**
 * - Only blobs travel that the registry has not, by its own word; a blob that
 *   another repository of the same registry has is mounted from there.
 * - The manifest goes last: a push that breaks leaves no tag that points at
 *   something incomplete.
 *
 * Source: OCI distribution-spec 1.1.1 "Push"; Docker's progress stream for the words.
 */

import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { countUsedChunk } from '../../base/collect.ts';
import { isEngineError } from '../../base/error.ts';
import type { ContentStore } from '../../content/store.ts';
import { shortDigest } from '../../spec/digest.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { formatFamiliar, tryParseReference, type Reference } from '../../spec/reference.ts';
import { DOCUMENT_MAX_BYTES } from '../documents.ts';
import { Lanes } from '../pull/lanes.ts';
import type { RegistryAccess } from '../registry/access.ts';
import type { RegistryClient } from '../registry/client.ts';
import { pushEndpoint } from '../registry/endpoint.ts';
import { pushDocument } from '../registry/subject.ts';
import type { PushedImage, PushOptions } from '../remote.ts';
import type { ImageRecord } from '../store.ts';

/** Blobs of more bytes go up in pieces of this size, so that a broken connection costs one piece. */
const CHUNK_BYTES = 16 * 1024 * 1024;
/** Repositories that are asked for one blob. */
const MOUNT_TRIES = 3;

/** What a push works with. */
export interface PushParts {
  readonly content: ContentStore;
  readonly access: RegistryAccess;
}

/** Push one image under one tag. Errors: those of the registry; `corrupt` for a damaged blob. */
export async function pushImage(parts: PushParts, options: PushOptions): Promise<PushedImage> {
  const { image, reference, signal } = options;
  const display = formatFamiliar(reference);
  const lease = parts.content.lease(`push ${display}`);
  const layers = layersOf(image);
  const blobs: readonly PushedBlob[] = [...layers, { blob: image.configDescriptor }];
  for (const { blob } of blobs) lease.add(blob.digest);
  lease.add(image.manifest.digest);
  try {
    const client = await parts.access.open(pushEndpoint(reference, parts.access.config), {
      display,
      credentials: options.credentials,
    });
    const sources = mountSources(image, reference);
    for (const { id } of layers.toReversed()) options.onProgress?.({ id, status: 'Preparing' });
    const lanes = new Lanes(parts.access.concurrentUploads);
    const results = await Promise.allSettled(
      blobs.map(async (blob) => {
        if (lanes.isFull && blob.id !== undefined)
          options.onProgress?.({ id: blob.id, status: 'Waiting' });
        const leave = await lanes.enter(signal);
        try {
          await pushBlob({ ...parts, client, sources, options }, blob);
        } finally {
          leave();
        }
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const { digest, size, mediaType } = image.manifest;
    const bytes = await parts.content.read(digest, DOCUMENT_MAX_BYTES, { sizeBytes: size });
    await pushDocument(client, { reference: reference.tag, digest, mediaType, bytes }, signal);
    return { digest, sizeBytes: size };
  } finally {
    lease.release();
  }
}

/** A blob, and what a layer is called on the way. */
interface PushedBlob {
  readonly blob: Descriptor;
  /** Absent for what nobody is told of. */
  readonly id?: string;
}

/** Layers, each once, base first. Docker calls them by what they are unpacked, not by how they travel. */
function layersOf({
  layers,
  config,
}: ImageRecord): readonly (PushedBlob & { readonly id: string })[] {
  const unique = new Map(
    layers.map((blob, index) => {
      const id = shortDigest(config.rootfs.diff_ids[index] ?? blob.digest);
      return [blob.digest, { blob, id }] as const;
    }),
  );
  return [...unique.values()];
}

/** Other repositories of the same registry that the image came from. */
function mountSources(image: ImageRecord, reference: Reference): readonly string[] {
  const paths = [...image.digests, ...image.tags].flatMap((name) => {
    const other = tryParseReference(name);
    return other?.domain === reference.domain && other.path !== reference.path ? [other.path] : [];
  });
  return [...new Set(paths)].slice(0, MOUNT_TRIES);
}

interface BlobPush extends PushParts {
  readonly client: RegistryClient;
  readonly sources: readonly string[];
  readonly options: PushOptions;
}

async function pushBlob(push: BlobPush, { blob, id }: PushedBlob): Promise<void> {
  const { client, options } = push;
  const { signal } = options;
  const tell = (status: string, currentBytes?: number): void => {
    if (id === undefined) return;
    const bytes = currentBytes === undefined ? {} : { current: currentBytes, total: blob.size };
    options.onProgress?.({ id, status, ...bytes });
  };
  if (await client.hasBlob(blob.digest, { signal })) {
    tell('Layer already exists');
    return;
  }
  for (const source of push.sources) {
    if (await isMounted(push, blob, source)) {
      tell(`Mounted from ${source}`);
      return;
    }
  }
  tell('Pushing', 0);
  await upload(push, blob, (current) => {
    tell('Pushing', current);
  });
  tell('Pushed');
}

async function isMounted(
  { client, options }: BlobPush,
  blob: Descriptor,
  source: string,
): Promise<boolean> {
  try {
    return await client.uploads.mount(blob.digest, source, { signal: options.signal });
  } catch (error) {
    // No right to read the other repository: upload then.
    const isRefused =
      isEngineError(error) &&
      ['unauthorized', 'denied', 'not-found', 'invalid'].includes(error.kind);
    if (isRefused) return false;
    throw error;
  }
}

async function upload(
  push: BlobPush,
  blob: Descriptor,
  onProgress: (currentBytes: number) => void,
): Promise<void> {
  const { content, client, options } = push;
  const { digest, size } = blob;
  const place = await content.locate(digest);
  if (place !== undefined && size > CHUNK_BYTES) {
    await uploadFile(push, { path: place.path, blob, onProgress });
    return;
  }
  const body = (): Readable =>
    Readable.from(counted(content.get(digest, { sizeBytes: size }), onProgress), {
      objectMode: false,
    });
  await client.uploads.whole({ digest, sizeBytes: size, open: body }, { signal: options.signal });
}

/** A large blob in pieces. It is verified first: what is sent piece by piece cannot be taken back. */
async function uploadFile(
  { content, client, options }: BlobPush,
  what: {
    readonly path: string;
    readonly blob: Descriptor;
    readonly onProgress: (currentBytes: number) => void;
  },
): Promise<void> {
  const { digest, size } = what.blob;
  await content.verify(digest, { sizeBytes: size });
  const part = (offset: number, length: number): Readable => {
    const bytes = createReadStream(what.path, { start: offset, end: offset + length - 1 });
    const told = counted(bytes, (current) => what.onProgress(offset + current));
    return Readable.from(told, { objectMode: false });
  };
  await client.uploads.chunked({ digest, sizeBytes: size, open: part }, CHUNK_BYTES, {
    signal: options.signal,
  });
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onProgress: (currentBytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let count = 0;
  for await (const chunk of chunks) {
    count += chunk.length;
    onProgress(count);
    yield chunk;
    countUsedChunk(chunk.length);
  }
}
