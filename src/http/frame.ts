/** Words of ours inside the stream framing of a process's output. */

import { encodeStreamFrame, STREAM_NUMBER } from '../spec/stream-frame.ts';

/** One frame of text or bytes. */
export function encodeFrame(
  stream: 'stdout' | 'stderr' | 'error',
  payload: string | Uint8Array,
): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'utf8') : payload;
  return Buffer.from(encodeStreamFrame(STREAM_NUMBER[stream], bytes).buffer);
}
