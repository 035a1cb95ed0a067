/**
 * Docker's stream framing, written: output of a process without a console
 * travels as frames of one stream each.
 *
 * A frame: u8 stream, three zero bytes, u32 length (big endian), payload.
 * Source: Docker Engine API, "Stream format" of `POST /containers/{id}/attach`.
 */

/** Numbers of the streams; `error` tells of a failure of the engine itself. */
export const streamNumber = { stdin: 0, stdout: 1, stderr: 2, error: 3 } as const;

/** Bytes of a frame's header. */
export const frameHeaderBytes = 8;

/** One frame. */
export function encodeFrame(
  stream: keyof typeof streamNumber,
  payload: string | Uint8Array,
): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
  const frame = Buffer.alloc(frameHeaderBytes + bytes);
  frame.writeUInt8(streamNumber[stream], 0);
  frame.writeUInt32BE(bytes, 4);
  if (typeof payload === 'string') frame.write(payload, frameHeaderBytes);
  else frame.set(payload, frameHeaderBytes);
  return frame;
}
