/**
 * Docker's stream framing: how stdout and stderr share one connection.
 * Source: Engine API `POST /containers/{id}/attach`, "Stream format".
 */

/** Number of a stream in a frame. */
export const STREAM_NUMBER: Readonly<Record<'stdin' | 'stdout' | 'stderr' | 'error', number>> = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
  error: 3,
};

/** Bytes before the payload. */
export const FRAME_HEADER_BYTES = 8;

/** What stands before a payload of `bytes` bytes. */
export function streamFrameHeader(stream: number, bytes: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  header[0] = stream;
  new DataView(header.buffer).setUint32(4, bytes);
  return header;
}

/** Header and payload in one buffer. */
export function encodeStreamFrame(stream: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  frame.set(streamFrameHeader(stream, payload.length));
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** One frame. */
export interface StreamFrame {
  /** See {@link STREAM_NUMBER}. */
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** Frames of a byte stream; a torn last one is dropped. A frame comes in pieces when its bytes do. */
export async function* decodeStreamFrames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<StreamFrame, void, undefined> {
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  const view = new DataView(header.buffer);
  let headerBytes = 0;
  let left = 0;
  for await (const chunk of source) {
    let at = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const part = chunk.subarray(at, at + FRAME_HEADER_BYTES - headerBytes);
        header.set(part, headerBytes);
        headerBytes += part.length;
        at += part.length;
        if (headerBytes < FRAME_HEADER_BYTES) break;
        headerBytes = 0;
        left = view.getUint32(4);
        continue;
      }
      const payload = chunk.subarray(at, at + left);
      at += payload.length;
      left -= payload.length;
      yield { stream: header[0] ?? 0, payload };
    }
  }
}
