/**
 * A layer's bytes as they are stored → its tar: gzip (all members), zstd (all
 * frames) or plain, told apart by their first bytes. Both sides are hashed on
 * the way: the blob's digest and the diff id.
 *
 * **Invariant:** more comes out than the limits allow → the stream fails; it
 * never grows without bound. Content is decoded once, never nested.
 * Source: RFC 1952, RFC 8878; docs/security.md row F5.
 */
import type { Hash } from 'node:crypto';
import type { Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Digest } from '../base/brand.ts';
import { EngineError, isEngineError, messageOf, toError } from '../base/error.ts';
import { createDigester, digestOf } from '../spec/digest.ts';
import { compressionOf, type LayerCompression } from '../spec/media-type.ts';
import { ZstdFrames } from './zstd-frames.ts';

/** Bounds of decompression. */
export interface DecompressLimits {
  /** Bytes of the tar. */
  readonly layerBytes: number;
  /** Bytes out per byte in, beyond the first {@link RATIO_FREE_BYTES}. */
  readonly ratio: number;
}

/** Defaults. gzip itself cannot exceed 1032:1. */
export const DECOMPRESS_LIMITS: DecompressLimits = { layerBytes: 64 * 2 ** 30, ratio: 1100 };

/** Small layers may be as dense as they like; in bytes. */
const RATIO_FREE_BYTES = 16 * 1024 * 1024;
/** Bytes that tell how a stream is packed. */
const HEAD_BYTES = 6;
/** Bytes of one inflated chunk: the default of 16 KiB is 2.5 times slower. */
const CHUNK_BYTES = 256 * 1024;

/** A layer being decoded. Iterate `tar` once; the rest is known after its end. */
export interface DecodedLayer {
  /** The tar. A chunk is valid until the next one is asked for. */
  readonly tar: AsyncIterable<Buffer>;
  /** Bytes of the stored form read so far. */
  readonly readBytes: () => number;
  /** Precondition: `tar` ended. */
  readonly results: () => DecodeResults;
}

/** What a whole layer turned out to be. */
export interface DecodeResults {
  readonly compression: LayerCompression;
  /** Digest of the stored form. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Digest of the tar. */
  readonly diffId: Digest;
  readonly tarBytes: number;
}

/** How a layer is decoded. */
export interface DecodeOptions {
  /** Default: {@link DECOMPRESS_LIMITS}. */
  readonly limits?: DecompressLimits;
  /** Digest of the stored form, which the source answers for; default: it is hashed. */
  readonly digest?: Digest;
  /** Whether digests are asked for; default: yes. */
  readonly isHashed?: boolean;
}

/** Decode `source`, whose chunks need be valid only until the next one is asked for. Errors while iterating: `corrupt`, `exhausted`, and those of the source. */
export function decodeLayer(
  source: AsyncIterable<Uint8Array>,
  { limits = DECOMPRESS_LIMITS, digest, isHashed = true }: DecodeOptions = {},
): DecodedLayer {
  const stored = isHashed && digest === undefined ? createDigester() : undefined;
  let plain: Hash | undefined;
  const counts = { read: 0, written: 0 };
  let compression: LayerCompression = 'none';
  let digests: { readonly stored: Digest; readonly plain: Digest } | undefined;

  async function* tar(): AsyncGenerator<Buffer> {
    const counted = countAndHash(source, stored, counts);
    try {
      const head = await peek(counted);
      refuseForeign(head.first);
      compression = compressionOf(head.first);
      // What is not packed is its own stored form; a diff id is always of SHA-256.
      const isSame = compression === 'none' && digest?.startsWith('sha256:') !== false;
      plain = isHashed && !isSame ? createDigester() : undefined;
      for await (const chunk of inflate(head.chunks, compression)) {
        counts.written += chunk.length;
        checkLimits(counts, limits);
        plain?.update(chunk);
        yield chunk;
      }
    } finally {
      // A reader that stops at the first chunk leaves the rest unasked for: the source is closed
      // here, unawaited, as one that has gone quiet would hold a cancelled run.
      void counted.return(undefined).catch(() => undefined);
    }
    const ofStored = digest ?? (stored === undefined ? undefined : digestOf(stored));
    if (ofStored !== undefined)
      digests = { stored: ofStored, plain: plain === undefined ? ofStored : digestOf(plain) };
  }

  return {
    tar: tar(),
    readBytes: () => counts.read,
    results: () => {
      if (digests === undefined)
        throw new EngineError('internal', 'Cannot tell the digests of a layer before its end');
      return {
        compression,
        digest: digests.stored,
        sizeBytes: counts.read,
        diffId: digests.plain,
        tarBytes: counts.written,
      };
    },
  };
}

async function* countAndHash(
  source: AsyncIterable<Uint8Array>,
  hash: Hash | undefined,
  counts: { read: number },
): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    counts.read += chunk.length;
    hash?.update(chunk);
    yield Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

/** The first bytes (fewer when there are no more), and the whole stream. */
async function peek(
  chunks: AsyncGenerator<Buffer>,
): Promise<{ readonly first: Buffer; readonly chunks: AsyncGenerator<Buffer> }> {
  const taken: Buffer[] = [];
  let length = 0;
  while (length < HEAD_BYTES) {
    const next = await chunks.next();
    if (next.done === true) break;
    // The next chunk may lie in the same memory.
    taken.push(next.value.length < HEAD_BYTES ? Buffer.from(next.value) : next.value);
    length += next.value.length;
  }
  async function* all(): AsyncGenerator<Buffer> {
    yield* taken;
    yield* chunks;
  }
  return { first: Buffer.concat(taken).subarray(0, HEAD_BYTES), chunks: all() };
}

/** Packings that other engines hand to programs of the host; carve starts none. */
function refuseForeign(head: Buffer): void {
  const hex = head.toString('hex');
  const name = hex.startsWith('fd377a585a00')
    ? 'xz'
    : /^425a683[1-9]/.test(hex)
      ? 'bzip2'
      : undefined;
  if (name === undefined) return;
  throw new EngineError('unsupported', `Cannot decompress layer: it is packed with ${name}`, {
    hint: 'Unpack it first, or pack it with gzip or zstd',
  });
}

async function* inflate(
  chunks: AsyncGenerator<Buffer>,
  compression: LayerCompression,
): AsyncGenerator<Buffer> {
  if (compression === 'none') {
    yield* chunks;
    return;
  }
  const isGzip = compression === 'gzip';
  const decoder = isGzip
    ? createGunzip({ chunkSize: CHUNK_BYTES })
    : createZstdDecompress({ chunkSize: CHUNK_BYTES });
  const feeder = new Feeder(decoder, isGzip ? chunks : splitFrames(chunks));
  try {
    yield* decoder as AsyncIterable<Buffer>;
    await feeder.finished;
  } catch (error) {
    if (feeder.sourceError !== undefined) throw toError(feeder.sourceError);
    throw new EngineError(
      'corrupt',
      `Cannot decompress layer: its ${compression} stream is damaged (${messageOf(error)})`,
      { cause: error },
    );
  } finally {
    feeder.leave();
  }
}

/**
 * Gives a decoder its input one chunk at a time: it is done with one before the
 * next is asked for, which may lie in the same memory. What stands behind the
 * decoder's end (zeros behind a gzip member) is read and dropped.
 */
class Feeder {
  /** All of the source was read. */
  readonly finished: Promise<void>;
  sourceError: unknown;
  readonly #decoder: Transform;
  #isOver = false;
  #isLeft = false;
  #wake: () => void = () => undefined;

  constructor(decoder: Transform, chunks: AsyncGenerator<Buffer>) {
    this.#decoder = decoder;
    // At its end a decoder may keep a chunk without ever saying that it is done with it.
    for (const event of ['end', 'close']) {
      decoder.once(event, () => {
        this.#isOver = true;
        this.#wake();
      });
    }
    this.finished = this.#feed(chunks);
    this.finished.catch((error: unknown) => {
      this.sourceError = error;
      decoder.destroy(toError(error));
    });
  }

  /** Nobody reads any more. */
  leave(): void {
    this.#isLeft = true;
    this.#decoder.destroy();
  }

  async #feed(chunks: AsyncGenerator<Buffer>): Promise<void> {
    for await (const chunk of chunks) {
      if (this.#isLeft) return;
      if (!this.#isOver) await this.#write(chunk);
    }
    if (!this.#isOver) this.#decoder.end();
  }

  async #write(chunk: Buffer): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      // A failure is told to the reader.
      this.#decoder.write(chunk, () => resolve());
    });
  }
}

async function* splitFrames(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const frames = new ZstdFrames();
  for await (const chunk of chunks) yield* frames.push(chunk);
  frames.finish();
}

function checkLimits(
  counts: { readonly read: number; readonly written: number },
  limits: DecompressLimits,
): void {
  if (counts.written > limits.layerBytes) {
    throw new EngineError(
      'exhausted',
      `Cannot decompress layer: it is larger than the limit of ${limits.layerBytes} bytes`,
      { details: { limitBytes: limits.layerBytes } },
    );
  }
  if (counts.written > RATIO_FREE_BYTES && counts.written > counts.read * limits.ratio) {
    throw new EngineError(
      'exhausted',
      `Cannot decompress layer: it inflates more than ${limits.ratio} times`,
      { details: { ratio: limits.ratio } },
    );
  }
}

/** Decode a whole archive that is no layer (the outer wrapping of a saved image): no hashes, same limits. */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  limits: DecompressLimits = DECOMPRESS_LIMITS,
): AsyncGenerator<Buffer> {
  const decoded = decodeLayer(source, { limits, isHashed: false });
  try {
    yield* decoded.tar;
  } catch (error) {
    if (isEngineError(error)) throw renamed(error);
    throw error;
  }
}

function renamed(error: EngineError): EngineError {
  const { kind, hint, details } = error;
  const message = error.message.replace('layer', 'archive');
  return new EngineError(kind, message, {
    details,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
