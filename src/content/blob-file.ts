/**
 * What every writer of blob files needs: whole writes, and the words for
 * content that is not what it was announced as.
 */
import type { FileHandle } from 'node:fs/promises';
import { countUsedChunk } from '../base/collect.ts';
import type { Digest } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import { createDigester, digestOf, splitDigest } from '../spec/digest.ts';
import type { BlobInfo, PutOptions } from './store.ts';

/** One write may take less than all of it. */
export async function writeAll(file: FileHandle, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length; ) {
    const { bytesWritten } = await file.write(data, at, data.length - at, null);
    at += bytesWritten;
  }
  countUsedChunk(data.length);
}

/** Write a stream to an empty file and check that it is what was announced. Errors: `corrupt`, `exhausted`, those of the disk. */
export async function receiveBlob(
  file: FileHandle,
  source: AsyncIterable<Uint8Array>,
  options: PutOptions,
): Promise<BlobInfo> {
  const { digest: wanted, sizeBytes: announced = Infinity, maxBytes = Infinity } = options;
  const algorithm = wanted === undefined ? 'sha256' : splitDigest(wanted).algorithm;
  const hash = createDigester(algorithm);
  const limit = Math.min(maxBytes, announced);
  let sizeBytes = 0;
  for await (const chunk of source) {
    options.signal?.throwIfAborted();
    sizeBytes += chunk.length;
    if (sizeBytes > limit) throw tooLarge(options, limit);
    hash.update(chunk);
    await writeAll(file, chunk);
    options.follower?.onWritten(sizeBytes);
  }
  const digest = digestOf(hash, algorithm);
  if (wanted !== undefined && wanted !== digest) throw wrongDigest(wanted, digest);
  if (announced !== Infinity && announced !== sizeBytes)
    throw wrongSize(digest, announced, sizeBytes);
  return { digest, sizeBytes };
}

function tooLarge({ digest, sizeBytes }: PutOptions, maxBytes: number): EngineError {
  const what = digest ?? 'blob';
  if (sizeBytes === maxBytes) {
    const message = `Cannot accept ${what}: it has more than the announced ${maxBytes} bytes`;
    return new EngineError('corrupt', message, { details: { wantedBytes: maxBytes } });
  }
  const message = `Cannot accept ${what}: it has more than the allowed ${maxBytes} bytes`;
  return new EngineError('exhausted', message, { details: { maxBytes } });
}

/** Content whose digest is not the one it was announced with. */
export function wrongDigest(wanted: Digest, found: Digest): EngineError {
  return new EngineError('corrupt', `Cannot accept ${wanted}: the content has digest ${found}`, {
    details: { wanted, found },
  });
}

/** Content whose size is not the one it was announced with. */
export function wrongSize(digest: Digest, wantedBytes: number, foundBytes: number): EngineError {
  return new EngineError(
    'corrupt',
    `Cannot accept ${digest}: it has ${foundBytes} bytes where ${wantedBytes} were announced`,
    { details: { wantedBytes, foundBytes } },
  );
}
