/**
 * What every writer of blob files needs: whole writes, and the words for
 * content that is not what it was announced as.
 */
import type { FileHandle } from 'node:fs/promises';
import type { Digest } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';

/** One write may take less than all of it. */
export async function writeAll(file: FileHandle, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length; ) {
    const { bytesWritten } = await file.write(data, at, data.length - at, null);
    at += bytesWritten;
  }
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
