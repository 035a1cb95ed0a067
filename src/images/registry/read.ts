/** Read a whole response body, bounded. */

import type { Readable } from 'node:stream';
import { EngineError, isEngineError, messageOf } from '../../base/error.ts';

/** All bytes of `body`. Errors: `exhausted` above `maxBytes`, `unavailable` when the stream breaks. `what` is for the message. */
export async function readBounded(
  body: Readable,
  maxBytes: number,
  what: string,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  await readChunks(body, { maxBytes, what, onChunk: (chunk) => chunks.push(chunk) });
  return Buffer.concat(chunks);
}

/** Copies `body` into `memory`; the count of bytes that came. Errors: `exhausted` when it has more, `unavailable` when the stream breaks. `what` is for the message. */
export async function readInto(body: Readable, memory: Buffer, what: string): Promise<number> {
  const onChunk = (chunk: Uint8Array, offsetBytes: number): void => memory.set(chunk, offsetBytes);
  return await readChunks(body, { maxBytes: memory.length, what, onChunk });
}

interface ChunkReader {
  readonly maxBytes: number;
  readonly what: string;
  readonly onChunk: (chunk: Uint8Array, offsetBytes: number) => void;
}

async function readChunks(
  body: Readable,
  { maxBytes, what, onChunk }: ChunkReader,
): Promise<number> {
  let sizeBytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      const offsetBytes = sizeBytes;
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) {
        throw new EngineError(
          'exhausted',
          `Cannot read ${what}: it is larger than ${maxBytes} bytes`,
          { operation: 'registry.read' },
        );
      }
      onChunk(chunk, offsetBytes);
    }
  } catch (error) {
    if (isEngineError(error)) throw error;
    throw new EngineError('unavailable', `Cannot read ${what}: ${messageOf(error)}`, {
      operation: 'registry.read',
      cause: error,
    });
  }
  return sizeBytes;
}
