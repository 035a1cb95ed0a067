/**
 * Frames from a byte stream: `u32 payload bytes, u32 kind, payload`, little
 * endian. A frame is only ever as large as it may be.
 */
import { EngineError } from '../base/error.ts';

/** One frame. */
export interface Frame {
  /** Number of its kind. */
  readonly kind: number;
  readonly payload: Buffer;
}

/** Reads frames one at a time. */
export class FrameReader {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(source: AsyncIterable<Buffer>, maxBytes: number) {
    this.#chunks = source[Symbol.asyncIterator]();
    this.#maxBytes = maxBytes;
  }

  /** The next frame, `undefined` at the end of the stream. Errors: `internal` for a broken stream. */
  async next(): Promise<Frame | undefined> {
    const head = await this.#take(8);
    if (head === undefined) return undefined;
    const size = head.readUInt32LE(0);
    if (size > this.#maxBytes)
      throw new EngineError('internal', `Cannot read frames: one has ${size} bytes`);
    const payload = await this.#take(size);
    return payload === undefined ? undefined : { kind: head.readUInt32LE(4), payload };
  }

  async #take(bytes: number): Promise<Buffer | undefined> {
    while (this.#length < bytes) {
      const next = await this.#chunks
        .next()
        .catch(() => ({ done: true as const, value: undefined }));
      if (next.done === true) return undefined;
      const chunk = next.value;
      this.#parts.push(chunk);
      this.#length += chunk.length;
    }
    const [first] = this.#parts;
    const all = first !== undefined && first.length >= bytes ? first : Buffer.concat(this.#parts);
    if (all !== first) this.#parts = [all];
    this.#parts[0] = all.subarray(bytes);
    if (this.#parts[0].length === 0) this.#parts.shift();
    this.#length -= bytes;
    return all.subarray(0, bytes);
  }
}
