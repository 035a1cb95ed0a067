/**
 * Streams of JSON objects, read one by one however the bytes are cut.
 *
 * Source: Docker Engine API, progress, event and stats streams.
 */

import { EngineError } from '../base/error.ts';
import { parseJson } from './decode.ts';

/** Longest object of a stream, in bytes of UTF-8 as UTF-16 units. */
const objectLengthMax = 16 * 1024 * 1024;

/**
 * Objects of a stream: one a line, or one directly after the other, with any
 * white space between. Throws `corrupt` when the last one is cut short.
 */
export async function* readJsonStream(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<unknown, void, void> {
  const splitter = new JsonSplitter();
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    for (const text of splitter.push(decoder.decode(chunk, { stream: true })))
      yield parseJson(text);
  }
  for (const text of splitter.push(decoder.decode())) yield parseJson(text);
  if (splitter.isInsideObject) {
    throw new EngineError(
      'corrupt',
      'Cannot read the response of the engine: it ends in the middle of an object',
    );
  }
}

/** Cuts a text into its top-level objects, by counting brackets outside strings. */
export class JsonSplitter {
  #text = '';
  /** Where scanning goes on in `#text`. */
  #at = 0;
  #depth = 0;
  #isString = false;
  #isEscaped = false;

  /** True when the text so far ends inside an object. */
  get isInsideObject(): boolean {
    return this.#depth > 0;
  }

  /** Adds text, gives the objects it completes. */
  push(text: string): readonly string[] {
    this.#text += text;
    const found: string[] = [];
    let start = 0;
    for (; this.#at < this.#text.length; this.#at++) {
      const isEnd = this.#scan(this.#text.charCodeAt(this.#at));
      if (!isEnd) continue;
      const item = this.#text.slice(start, this.#at + 1).replace(/^[^{[]+/, '');
      if (item !== '') found.push(item);
      start = this.#at + 1;
    }
    this.#text = this.#text.slice(start);
    this.#at -= start;
    if (this.#text.length > objectLengthMax) {
      throw new EngineError(
        'corrupt',
        'Cannot read the response of the engine: one of its objects is too long',
      );
    }
    return found;
  }

  /** Takes one UTF-16 unit; true when it closes a top-level object. */
  #scan(code: number): boolean {
    if (this.#isString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (code === 0x5c) this.#isEscaped = true;
      else if (code === 0x22) this.#isString = false;
      return false;
    }
    switch (code) {
      case 0x22:
        this.#isString = this.#depth > 0;
        return false;
      case 0x7b:
      case 0x5b:
        this.#depth++;
        return false;
      case 0x7d:
      case 0x5d:
        if (this.#depth === 0) return false;
        this.#depth--;
        return this.#depth === 0;
      default:
        return false;
    }
  }
}
