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

/** Header and payload in one buffer. */
export function encodeStreamFrame(stream: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  frame[0] = stream;
  new DataView(frame.buffer).setUint32(4, payload.length);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}
