/** Where the stored bytes of a layer come from. */
import { type FileHandle, open } from 'node:fs/promises';
import { Growth, readGrowing, type ReadMode } from '../content/growth.ts';
import type { BlobInfo, ContentStore } from '../content/store.ts';

/** The bytes of one layer. */
export type LayerBytes =
  | { readonly kind: 'file'; readonly path: string; readonly sizeBytes: number }
  /** A file that may still be written. Whoever has these bytes closes it: {@link releaseBytes}. */
  | { readonly kind: 'growing'; readonly file: FileHandle; readonly growth: Growth }
  /** A chunk is valid until the next one is asked for. */
  | { readonly kind: 'stream'; readonly chunks: AsyncIterable<Uint8Array> };

/** The bytes of a blob that is in the store. Errors: `not-found`. */
export async function bytesOf(
  content: ContentStore,
  { digest, sizeBytes }: BlobInfo,
): Promise<LayerBytes> {
  const place = await content.locate(digest);
  if (place !== undefined) return { kind: 'file', ...place };
  return { kind: 'stream', chunks: content.get(digest, { sizeBytes }) };
}

/**
 * The bytes of a blob that is being written to `path`; `undefined` when it has
 * moved into the store already. Its end comes only after it is verified and in
 * the store.
 */
export async function followFile(path: string, growth: Growth): Promise<LayerBytes | undefined> {
  if (growth.isComplete) return undefined;
  try {
    return { kind: 'growing', file: await open(path, 'r'), growth };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Give up bytes that nobody will read. Idempotent. */
export async function releaseBytes(bytes: LayerBytes): Promise<void> {
  if (bytes.kind === 'growing') await bytes.file.close();
}

/** The bytes as chunks; each is valid until the next one is asked for. */
export async function* readLayer(
  bytes: LayerBytes,
  mode: ReadMode = 'async',
): AsyncGenerator<Uint8Array> {
  if (bytes.kind === 'stream') {
    yield* bytes.chunks;
    return;
  }
  if (bytes.kind === 'growing') {
    yield* readGrowing(bytes.file.fd, bytes.growth, mode);
    return;
  }
  const file = await open(bytes.path, 'r');
  try {
    yield* readGrowing(file.fd, Growth.whole(bytes.sizeBytes), mode);
  } finally {
    await file.close();
  }
}
