/**
 * Docker's stream framing, read: output of a process without a console comes
 * as frames of one stream each. Incremental and pure.
 *
 * Frames of one stream that arrive together leave as one piece: a program that
 * writes short lines costs one write a packet, not one a line.
 *
 * Source: Docker Engine API, "Stream format" of `POST /containers/{id}/attach`.
 */

import { EngineError } from '../base/error.ts';

/** Bytes of one output stream. */
export interface StreamPiece {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

const headerBytes = 8;
/** Stream 3: the engine tells of a failure in the middle of a stream. */
const errorStream = 3;
const errorTextBytesMax = 1024 * 1024;

/** Takes frames apart. */
export class Demultiplexer {
  /** A header that is not complete. */
  #partialHeader: Buffer = Buffer.alloc(0);
  #stream = 0;
  #remainingBytes = 0;
  #errorText: Buffer[] = [];
  #errorBytes = 0;

  /** What the engine reported in the middle of the stream, once its frame is complete. */
  failure: EngineError | undefined;

  /** Takes the next bytes, gives what they hold; look at {@link failure} then. Throws `corrupt` for what is not framed. */
  push(input: Buffer): readonly StreamPiece[] {
    const pieces: StreamPiece[] = [];
    const bytes =
      this.#partialHeader.length === 0 ? input : Buffer.concat([this.#partialHeader, input]);
    this.#partialHeader = bytes.subarray(0, 0);
    // Payloads move down over the headers between them: a run of one stream becomes one piece without a copy elsewhere.
    let runStart = 0;
    let runEnd = 0;
    let runStream = 0;
    const flush = (): void => {
      if (runEnd > runStart)
        pieces.push({
          stream: runStream === 2 ? 'stderr' : 'stdout',
          bytes: bytes.subarray(runStart, runEnd),
        });
    };
    let at = 0;
    while (at < bytes.length) {
      if (this.#remainingBytes === 0) {
        if (bytes.length - at < headerBytes) {
          this.#partialHeader = Buffer.from(bytes.subarray(at));
          break;
        }
        this.#readHeader(bytes, at);
        at += headerBytes;
        continue;
      }
      const count = Math.min(this.#remainingBytes, bytes.length - at);
      this.#remainingBytes -= count;
      if (this.#stream === errorStream) {
        this.#takeError(bytes.subarray(at, at + count));
      } else {
        if (this.#stream !== runStream) {
          flush();
          runStream = this.#stream;
          runStart = at;
          runEnd = at;
        }
        if (runEnd !== at) bytes.copyWithin(runEnd, at, at + count);
        runEnd += count;
      }
      at += count;
    }
    flush();
    return pieces;
  }

  /** True in the middle of a frame: the input was cut short. */
  get isInsideFrame(): boolean {
    return this.#remainingBytes > 0 || this.#partialHeader.length > 0;
  }

  #readHeader(bytes: Buffer, at: number): void {
    this.#stream = bytes.readUInt8(at);
    this.#remainingBytes = bytes.readUInt32BE(at + 4);
    const padding = bytes.readUIntBE(at + 1, 3);
    if (this.#stream > errorStream || padding !== 0) {
      throw new EngineError('corrupt', 'Cannot read the output: it is not in frames');
    }
    // Stream 0 is an echo of stdin; it is shown as output, as Docker's clients do.
    if (this.#stream === 0) this.#stream = 1;
  }

  #takeError(bytes: Buffer): void {
    this.#errorBytes += bytes.length;
    if (this.#errorBytes <= errorTextBytesMax) this.#errorText.push(bytes);
    if (this.#remainingBytes > 0) return;
    const text = Buffer.concat(this.#errorText).toString('utf8').trim();
    this.failure = new EngineError(
      'internal',
      text === '' ? 'The engine stopped the stream' : text,
      {
        details: { source: 'daemon' },
      },
    );
  }
}
