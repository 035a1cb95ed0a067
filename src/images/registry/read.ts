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
  let sizeBytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) {
        throw new EngineError(
          'exhausted',
          `Cannot read ${what}: it is larger than ${maxBytes} bytes`,
          { operation: 'registry.read' },
        );
      }
      chunks.push(chunk);
    }
  } catch (error) {
    if (isEngineError(error)) throw error;
    throw new EngineError('unavailable', `Cannot read ${what}: ${messageOf(error)}`, {
      operation: 'registry.read',
      cause: error,
    });
  }
  return Buffer.concat(chunks);
}
