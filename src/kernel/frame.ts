/**
 * Frames: what the chisel's host and its monitors say and hear. Pure bytes.
 *
 * **Invariant:** a decoder holds at most one frame's bytes plus one chunk, and
 * never more than the greatest frame of its direction.
 * Source: docs/chisel-protocol.md "Frame".
 */

import { EngineError } from '../base/error.ts';

/** Frame kinds; answers have bit 7 set. */
export const FRAME_KIND = {
  apply: 1,
  start: 2,
  control: 16,
  attach: 17,
  signal: 18,
  resize: 19,
  exec: 20,
  watch: 21,
  release: 22,
  hello: 48,
  query: 49,
  done: 0x81,
  started: 0x82,
  exited: 0x83,
  data: 0x84,
  lost: 0x85,
  state: 0x90,
  answer: 0xb1,
} as const;

/** Bytes of a frame before its payload. */
export const FRAME_HEAD_BYTES = 16;
/** Greatest `length` field of a question, in bytes. */
export const FRAME_MAX_BYTES: number = 4 * 1024 * 1024 + 64 * 1024;
/** Greatest frame of an answer in bytes: frames of several writers must not mix, so each is one small write. */
export const ANSWER_MAX_BYTES = 4096;

/** One frame. */
export interface Frame {
  readonly kind: number;
  /** Chosen by the asker, comes back in the answer; 0..2^53-1. */
  readonly id: number;
  readonly payload: Uint8Array;
}

/** Bytes of one frame; `parts` together are its payload. */
export function encodeFrame(kind: number, id: number, parts: readonly Uint8Array[] = []): Buffer {
  let payloadBytes = 0;
  for (const part of parts) payloadBytes += part.byteLength;
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payloadBytes);
  frame.writeUInt32LE(FRAME_HEAD_BYTES - 4 + payloadBytes, 0);
  frame.writeUInt16LE(kind, 4);
  frame.writeUInt16LE(0, 6);
  frame.writeBigUInt64LE(BigInt(id), 8);
  let at = FRAME_HEAD_BYTES;
  for (const part of parts) {
    frame.set(part, at);
    at += part.byteLength;
  }
  return frame;
}

/** Little-endian u32s one after another: the payload of most requests. */
export function encodeU32s(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return bytes;
}

/** Collects chunks into frames. */
export class FrameDecoder {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #neededBytes: number = FRAME_HEAD_BYTES;

  /** `maxBytes`: greatest `length` field taken. */
  constructor(maxBytes: number = ANSWER_MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The frames that `chunk` completes. Payloads may share memory with `chunk`.
   * Errors: `corrupt` for a length out of bounds; the decoder is then of no more use.
   */
  push(chunk: Uint8Array): Frame[] {
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.byteLength;
    const frames: Frame[] = [];
    while (this.#heldBytes >= this.#neededBytes) {
      const held = this.#join();
      const length = held.readUInt32LE(0);
      if (length < FRAME_HEAD_BYTES - 4 || length > this.#maxBytes) {
        throw new EngineError('corrupt', `Cannot read a frame: its length is ${length} bytes`);
      }
      this.#neededBytes = length + 4;
      if (this.#heldBytes < this.#neededBytes) break;
      frames.push({
        kind: held.readUInt16LE(4),
        id: Number(held.readBigUInt64LE(8)),
        payload: held.subarray(FRAME_HEAD_BYTES, this.#neededBytes),
      });
      this.#keep(held.subarray(this.#neededBytes));
    }
    return frames;
  }

  /** True when a frame has begun and not ended. */
  get isInsideFrame(): boolean {
    return this.#heldBytes > 0;
  }

  #join(): Buffer {
    const [only] = this.#chunks;
    const joined =
      this.#chunks.length === 1 && only !== undefined
        ? Buffer.from(only.buffer, only.byteOffset, only.byteLength)
        : Buffer.concat(this.#chunks, this.#heldBytes);
    this.#chunks = [joined];
    return joined;
  }

  #keep(rest: Uint8Array): void {
    this.#chunks = rest.byteLength > 0 ? [rest] : [];
    this.#heldBytes = rest.byteLength;
    this.#neededBytes = FRAME_HEAD_BYTES;
  }
}
