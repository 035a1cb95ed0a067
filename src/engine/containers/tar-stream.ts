/** A tar that is made while it is read. */

import { Readable } from 'node:stream';

/**
 * The stream of `bytes`. `close` runs once, when it ended, failed, or was
 * destroyed, also before the first byte was asked for.
 */
export function tarStream(bytes: AsyncIterable<Uint8Array>, close: () => Promise<void>): Readable {
  const stream = Readable.from(bytes, { objectMode: false });
  // What failed was told through the stream; nobody waits for the end of a reader.
  stream.once('close', () => void close().catch(() => undefined));
  return stream;
}
