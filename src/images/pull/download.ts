/**
 * One blob from a registry into the content store: resumed where an earlier
 * attempt stopped, in parallel ranges when it is large and one connection does
 * not bring it fast enough.
 *
 * **Invariant:** memory is bounded by the window of ranges, whatever the size
 * of the blob; the bytes reach the store in order and are verified there.
 *
 * Source: RFC 9110 §14 range requests; OCI distribution-spec 1.1.1 "Pulling blobs".
 */

import type { Readable } from 'node:stream';
import { EngineError, isEngineError, messageOf } from '../../base/error.ts';
import type { ContentStore, Ingest, Lease } from '../../content/store.ts';
import { Growth } from '../../content/growth.ts';
import { followFile, type LayerBytes } from '../../layers/layer-bytes.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { isRangeRefused, type RegistryClient, type RemoteBlob } from '../registry/client.ts';
import { readInto } from '../registry/read.ts';
import { SYSTEM_RETRY_CLOCK, withRetries } from '../registry/retry.ts';

/** Bytes of one range of a large blob. */
const RANGE_BYTES = 2 * 1024 * 1024;
/** Ranges of one blob on their way at once. */
const RANGE_WINDOW = 4;
/** Blobs of fewer bytes come in one request. */
const RANGES_MIN_BYTES = 32 * 1024 * 1024;
/** Bytes of a large blob that tell how fast one connection is. */
const PROBE_BYTES = 4 * 1024 * 1024;
/** From here on, in bytes per second, unpacking is what a pull waits for; ranges would only cost both sides more requests. */
const FAST_BYTES_PER_S = 32 * 1024 * 1024;
/** Bytes between two words of progress. */
const PROGRESS_BYTES = 512 * 1024;

/** What a download needs. */
export interface DownloadRequest {
  readonly client: RegistryClient;
  readonly content: ContentStore;
  readonly blob: Descriptor;
  readonly lease: Lease;
  /** Asked when it ends early: what came so far may be kept for another attempt. */
  readonly isTrusted: () => boolean;
  /** Called with the bytes that are here. */
  readonly onProgress: (currentBytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** A download that has begun. */
export interface Download {
  /** It goes on where an earlier one stopped. */
  readonly isResumed: boolean;
  /** Settles when the blob is in the store. */
  readonly finished: Promise<void>;
  /** The bytes while they come in; `undefined` when the blob is in the store. */
  readonly follow: () => Promise<LayerBytes | undefined>;
}

/** Of a blob that is in the store. */
export const ALREADY_HERE: Download = {
  isResumed: false,
  finished: Promise.resolve(),
  follow: () => Promise.resolve(undefined),
};

/** Begin. Waits while somebody else downloads the same blob. */
export async function startDownload(request: DownloadRequest): Promise<Download> {
  const { content, blob, lease, signal } = request;
  const ingest = await content.ingest({
    digest: blob.digest,
    sizeBytes: blob.size,
    lease,
    ...(signal === undefined ? {} : { signal }),
  });
  if (ingest === undefined) return ALREADY_HERE;
  const growing = new Growth();
  const isResumed = ingest.offsetBytes > 0;
  const finished = runDownload(request, ingest, growing);
  // The reader tells too; whoever waits first takes the error.
  finished.catch(() => undefined);
  const { path } = ingest;
  return {
    isResumed,
    finished,
    follow: async () => {
      const bytes = path === undefined ? undefined : await followFile(path, growing);
      if (bytes === undefined) await finished;
      return bytes;
    },
  };
}

async function runDownload(
  request: DownloadRequest,
  ingest: Ingest,
  growing: Growth,
): Promise<void> {
  try {
    growing.advance(ingest.offsetBytes);
    const retry = { ...request.client.retry, signal: request.signal };
    await withRetries(() => fetchRest(request, ingest, growing), retry);
    await ingest.commit();
    growing.complete();
  } catch (error) {
    const told = request.signal?.aborted === true ? cancelled(error) : error;
    growing.fail(told);
    // Wrong bytes would spoil every later attempt; those that filled the disk are in everybody's way.
    const isUseless = isEngineError(error) && ['corrupt', 'exhausted'].includes(error.kind);
    if (isUseless || !request.isTrusted()) await ingest.discard();
    throw told;
  } finally {
    await ingest.suspend();
  }
}

function cancelled(cause: unknown): EngineError {
  return new EngineError('cancelled', 'The pull was cancelled', { cause });
}

/** Fetch what is missing. Errors: `unavailable` when the connection broke; what came is kept. */
async function fetchRest(request: DownloadRequest, ingest: Ingest, growing: Growth): Promise<void> {
  const { blob } = request;
  let told = ingest.offsetBytes;
  const write = async (chunk: Uint8Array): Promise<void> => {
    await ingest.write(chunk);
    growing.advance(ingest.offsetBytes);
    if (ingest.offsetBytes - told < PROGRESS_BYTES && ingest.offsetBytes < blob.size) return;
    told = ingest.offsetBytes;
    request.onProgress(told);
  };
  if (ingest.offsetBytes === blob.size) return;
  if (
    blob.size - ingest.offsetBytes >= RANGES_MIN_BYTES &&
    (await fetchLarge(request, ingest, write))
  )
    return;
  const restart = async (): Promise<void> => {
    await ingest.restart();
    growing.advance(0);
  };
  await fetchStream(request, ingest, { write, restart });
}

async function fetchStream(
  request: DownloadRequest,
  ingest: Ingest,
  {
    write,
    restart,
  }: {
    readonly write: (chunk: Uint8Array) => Promise<void>;
    readonly restart: () => Promise<void>;
  },
): Promise<void> {
  const { blob } = request;
  const remote = await openAt(request, ingest.offsetBytes);
  if (remote.offsetBytes !== ingest.offsetBytes) await restart();
  await copyBody(request, remote.body, write);
  if (ingest.offsetBytes < blob.size) throw endedEarly(blob, ingest.offsetBytes);
}

/** Errors: `unavailable` when the connection broke, those of `write`. */
async function copyBody(
  { blob }: DownloadRequest,
  body: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  try {
    for await (const chunk of body) await write(chunk);
  } catch (error) {
    if (isEngineError(error)) throw error;
    throw new EngineError('unavailable', `Cannot download ${blob.digest}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function endedEarly({ digest, size }: Descriptor, offsetBytes: number): EngineError {
  return new EngineError(
    'unavailable',
    `Cannot download ${digest}: it ended after ${offsetBytes} of ${size} bytes`,
  );
}

/** From an offset, or from the start when the registry cannot go on in the middle. */
async function openAt(
  { client, blob, signal }: DownloadRequest,
  offsetBytes: number,
): Promise<RemoteBlob> {
  try {
    return await client.openBlob(blob.digest, { offsetBytes }, { signal });
  } catch (error) {
    if (offsetBytes === 0 || !isRangeRefused(error)) throw error;
    return await client.openBlob(blob.digest, { offsetBytes: 0 }, { signal });
  }
}

/** Fetch the rest of a large blob: its first part tells whether one connection does. `false` when the registry cannot send parts. */
async function fetchLarge(
  request: DownloadRequest,
  ingest: Ingest,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<boolean> {
  const clock = request.client.retry.clock ?? SYSTEM_RETRY_CLOCK;
  const endBytes = ingest.offsetBytes + PROBE_BYTES;
  let firstMs: number | undefined;
  const timed = async (chunk: Uint8Array): Promise<void> => {
    firstMs ??= clock.nowMs();
    await write(chunk);
  };
  if (!(await fetchPart(request, ingest, { endBytes, write: timed }))) return false;
  const tookMs = clock.nowMs() - (firstMs ?? 0);
  return PROBE_BYTES * 1000 >= FAST_BYTES_PER_S * tookMs
    ? await fetchPart(request, ingest, { endBytes: request.blob.size, write })
    : await fetchRanges(request, ingest, write);
}

/** Fetch one part in one request, written as it comes. `false` when the registry cannot. */
async function fetchPart(
  request: DownloadRequest,
  ingest: Ingest,
  {
    endBytes,
    write,
  }: { readonly endBytes: number; readonly write: (chunk: Uint8Array) => Promise<void> },
): Promise<boolean> {
  const { blob, signal } = request;
  const body = await openPart(request, { offsetBytes: ingest.offsetBytes, endBytes }, signal);
  if (body === undefined) return false;
  await copyBody(request, body, async (chunk) => {
    if (ingest.offsetBytes + chunk.length > endBytes)
      throw new EngineError(
        'corrupt',
        `Cannot download ${blob.digest}: the registry sent more than it was asked for`,
      );
    await write(chunk);
  });
  if (ingest.offsetBytes < endBytes) throw endedEarly(blob, ingest.offsetBytes);
  return true;
}

/** Ask for a part; `undefined` when the registry sends something else. */
async function openPart(
  { client, blob }: Pick<DownloadRequest, 'client' | 'blob'>,
  range: { readonly offsetBytes: number; readonly endBytes: number },
  signal: AbortSignal | undefined,
): Promise<Readable | undefined> {
  try {
    const remote = await client.openBlob(blob.digest, range, { signal });
    if (remote.offsetBytes === range.offsetBytes && remote.isPartial) return remote.body;
    remote.body.destroy();
    return undefined;
  } catch (error) {
    if (isRangeRefused(error)) return undefined;
    throw error;
  }
}

/** Fetch by ranges, several at once, written in order. `false` when the registry cannot. */
async function fetchRanges(
  request: DownloadRequest,
  ingest: Ingest,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<boolean> {
  const { blob, signal } = request;
  const stop = new AbortController();
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const pending: Promise<Buffer | undefined>[] = [];
  const free: Buffer[] = [];
  let next = ingest.offsetBytes;
  const ask = (): void => {
    const start = next;
    next = Math.min(start + RANGE_BYTES, blob.size);
    const memory = free.pop() ?? Buffer.allocUnsafeSlow(RANGE_BYTES);
    const range = fetchRange(request, { start, memory: memory.subarray(0, next - start) }, both);
    // Ranges behind a failed one are given up together with it.
    range.catch(() => undefined);
    pending.push(range);
  };
  try {
    ask();
    for (let range = pending.shift(); range !== undefined; range = pending.shift()) {
      const bytes = await range;
      if (bytes === undefined) return false;
      while (next < blob.size && pending.length < RANGE_WINDOW) ask();
      await write(bytes);
      free.push(Buffer.from(bytes.buffer));
    }
    return true;
  } finally {
    stop.abort();
  }
}

/** Fills `memory` with the bytes from `start` on; `undefined` when the registry sends something else. */
async function fetchRange(
  { client, blob }: DownloadRequest,
  { start, memory }: { readonly start: number; readonly memory: Buffer },
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const range = { offsetBytes: start, endBytes: start + memory.length };
  return await withRetries(
    async () => {
      const body = await openPart({ client, blob }, range, signal);
      if (body === undefined) return undefined;
      const sizeBytes = await readInto(body, memory, `a part of ${blob.digest}`);
      if (sizeBytes === memory.length) return memory;
      throw new EngineError(
        'unavailable',
        `Cannot download ${blob.digest}: a part ended after ${sizeBytes} of ${memory.length} bytes`,
      );
    },
    { ...client.retry, signal },
  );
}
