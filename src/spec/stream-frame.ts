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
  /** Number of the stream, see {@link STREAM_NUMBER}. */
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** Frames of a byte stream; a torn last one is dropped. A frame comes in pieces when its bytes do. */
export async function* decodeStreamFrames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<StreamFrame, void, undefined> {
  const decoder = new StreamFrameDecoder();
  for await (const chunk of source) yield* decoder.push(chunk);
}

/** Takes chunks, gives frames. */
class StreamFrameDecoder {
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  /** Bytes of the present payload still to come. */
  #left = 0;

  *push(chunk: Uint8Array): Generator<StreamFrame, void, undefined> {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left === 0) {
        at += this.#takeHeader(chunk.subarray(at));
        continue;
      }
      const payload = chunk.subarray(at, at + this.#left);
      at += payload.length;
      this.#left -= payload.length;
      yield { stream: this.#header[0] ?? 0, payload };
    }
  }

  /** Count of bytes taken. */
  #takeHeader(bytes: Uint8Array): number {
    const part = bytes.subarray(0, FRAME_HEADER_BYTES - this.#headerBytes);
    this.#header.set(part, this.#headerBytes);
    this.#headerBytes += part.length;
    if (this.#headerBytes === FRAME_HEADER_BYTES) {
      this.#headerBytes = 0;
      this.#left = new DataView(this.#header.buffer).getUint32(4);
    }
    return part.length;
  }
}
