/**
 * The body of one HTTP/1.1 request, out of the bytes of a connection. Pure and
 * incremental: pieces may be cut anywhere. Never holds more than one short line.
 *
 * Source: RFC 9112 sections 6 and 7.
 */

import { type BodyFraming, HttpSyntaxError } from './head.ts';

/** A chunk-size line with its extensions, in bytes. */
const sizeLineBytesMax = 1024;
/** All trailer lines together, in bytes; they are read and dropped. */
const trailerBytesMax = 8 * 1024;

/** Takes a body apart. */
export class BodyDecoder {
  #state: 'data' | 'size' | 'data-end' | 'trailer' | 'done';
  readonly #isChunked: boolean;
  #remainingBytes = 0;
  #line = '';
  #trailerBytes = 0;

  constructor(framing: BodyFraming) {
    this.#isChunked = framing.kind === 'chunked';
    this.#state = framing.kind === 'none' ? 'done' : this.#isChunked ? 'size' : 'data';
    if (framing.kind === 'length') this.#remainingBytes = framing.bytes;
  }

  /** True once the last byte of the body was taken. */
  get isDone(): boolean {
    return this.#state === 'done';
  }

  /**
   * Take what belongs to the body; `onData` gets its pieces. Returns how many
   * bytes of `input` were taken: fewer than all only when the body is done.
   * Throws {@link HttpSyntaxError}.
   */
  push(input: Buffer, onData: (piece: Buffer) => void): number {
    let at = 0;
    while (at < input.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const count = Math.min(this.#remainingBytes, input.length - at);
        onData(input.subarray(at, at + count));
        at += count;
        this.#remainingBytes -= count;
        if (this.#remainingBytes === 0) this.#state = this.#isChunked ? 'data-end' : 'done';
      } else {
        at = this.#takeLine(input, at);
      }
    }
    return at;
  }

  /** Take up to the end of a line; act on it when it is complete. Returns the new position. */
  #takeLine(input: Buffer, start: number): number {
    const newline = input.indexOf(0x0a, start);
    const end = newline === -1 ? input.length : newline + 1;
    const limit = this.#state === 'trailer' ? trailerBytesMax : sizeLineBytesMax;
    if (this.#line.length + (end - start) > limit) {
      throw new HttpSyntaxError(400, 'Line between the chunks of the body is too long');
    }
    this.#line += input.toString('latin1', start, end);
    if (newline !== -1) {
      const line = this.#line;
      this.#line = '';
      if (!line.endsWith('\r\n')) throw badChunk();
      this.#actOn(line.slice(0, -2));
    }
    return end;
  }

  #actOn(line: string): void {
    switch (this.#state) {
      case 'size': {
        const match = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(line);
        if (match === null) throw badChunk();
        this.#remainingBytes = Number.parseInt(match[1] ?? '', 16);
        this.#state = this.#remainingBytes === 0 ? 'trailer' : 'data';
        return;
      }
      case 'data-end':
        if (line !== '') throw badChunk();
        this.#state = 'size';
        return;
      case 'trailer':
        this.#trailerBytes += line.length + 2;
        if (this.#trailerBytes > trailerBytesMax) throw badChunk();
        if (line === '') this.#state = 'done';
        return;
      default:
        return;
    }
  }
}

function badChunk(): HttpSyntaxError {
  return new HttpSyntaxError(400, 'Bad chunk in the body');
}
