/**
 * HTTP/1.1 responses from bytes: an incremental parser without I/O. Bytes in
 * any cut give the same result; a malformed or oversized response throws, and
 * nothing is buffered without a bound.
 *
 * Source: RFC 9112 §4, §5, §6.3, §7.1; RFC 9110 §15.2 (interim responses).
 */

import { EngineError } from '../../base/error.ts';

/** How a response's body ends. */
export type BodyKind = 'none' | 'length' | 'chunked' | 'close' | 'upgrade';

/** Status and headers of a response. */
export interface ResponseHead {
  /** 101, or 200..599. */
  readonly statusCode: number;
  /** Names in lower case; the last of several wins. */
  readonly headers: ReadonlyMap<string, string>;
  readonly bodyKind: BodyKind;
}

/** What a piece of input completed. */
export type ResponsePart =
  | { readonly kind: 'head'; readonly head: ResponseHead }
  | { readonly kind: 'body'; readonly bytes: Buffer }
  | {
      readonly kind: 'end';
      /** Input after the response: the raw stream after an upgrade, else of no meaning. */
      readonly rest: Buffer;
    };

const headBytesMax = 64 * 1024;
const chunkLineBytesMax = 4 * 1024;
const empty: Buffer = Buffer.alloc(0);

type State =
  | 'head'
  | 'length'
  | 'chunk-size'
  | 'chunk-data'
  | 'chunk-end'
  | 'trailer'
  | 'close'
  | 'done';

/** Parses one response. */
export class ResponseParser {
  readonly #isHead: boolean;
  #state: State = 'head';
  /** Bytes of an unfinished head or chunk line. */
  #pending: Buffer = empty;
  /** Bytes of the body or of the chunk still to come. */
  #remainingBytes = 0;

  constructor(options: { readonly isHeadRequest: boolean }) {
    this.#isHead = options.isHeadRequest;
  }

  /** True once the `end` part was given. */
  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Takes the next bytes, gives what they complete. Throws `corrupt`. */
  push(input: Buffer): readonly ResponsePart[] {
    const parts: ResponsePart[] = [];
    let bytes = this.#pending.length === 0 ? input : Buffer.concat([this.#pending, input]);
    this.#pending = empty;
    for (;;) {
      const next = this.#step(bytes, parts);
      if (next === undefined) return parts;
      bytes = next;
    }
  }

  /** The connection ended. Gives the `end` of a body that ends so; throws `corrupt` for anything cut short. */
  finish(): readonly ResponsePart[] {
    if (this.#state === 'done') return [];
    if (this.#state === 'close') {
      this.#state = 'done';
      return [{ kind: 'end', rest: empty }];
    }
    throw new EngineError(
      'corrupt',
      'Cannot read the response of the engine: the connection ended in the middle of it',
    );
  }

  /** One step of the state machine: the bytes left, or `undefined` when more are needed. */
  #step(bytes: Buffer, parts: ResponsePart[]): Buffer | undefined {
    switch (this.#state) {
      case 'head':
        return this.#takeHead(bytes, parts);
      case 'length':
      case 'chunk-data':
        return this.#takeData(bytes, parts);
      case 'close':
        if (bytes.length > 0) parts.push({ kind: 'body', bytes });
        return undefined;
      case 'chunk-size':
      case 'chunk-end':
      case 'trailer':
        return this.#takeLine(bytes, parts);
      case 'done':
        return undefined;
    }
  }

  #takeHead(bytes: Buffer, parts: ResponsePart[]): Buffer | undefined {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0 || end > headBytesMax) {
      if (bytes.length > headBytesMax) throw malformed('its head is too long');
      this.#pending = bytes;
      return undefined;
    }
    const head = parseHead(bytes.toString('latin1', 0, end), this.#isHead);
    const rest = bytes.subarray(end + 4);
    if (head === undefined) return rest;
    parts.push({ kind: 'head', head });
    switch (head.bodyKind) {
      case 'none':
      case 'upgrade':
        return this.#end(rest, parts);
      case 'length':
        this.#remainingBytes = Number(head.headers.get('content-length'));
        this.#state = 'length';
        return this.#remainingBytes === 0 ? this.#end(rest, parts) : rest;
      case 'chunked':
        this.#state = 'chunk-size';
        return rest;
      case 'close':
        this.#state = 'close';
        return rest;
    }
  }

  #takeData(bytes: Buffer, parts: ResponsePart[]): Buffer | undefined {
    if (bytes.length === 0) return undefined;
    const taken = bytes.subarray(0, this.#remainingBytes);
    parts.push({ kind: 'body', bytes: taken });
    this.#remainingBytes -= taken.length;
    const rest = bytes.subarray(taken.length);
    if (this.#remainingBytes > 0) return undefined;
    if (this.#state === 'length') return this.#end(rest, parts);
    this.#state = 'chunk-end';
    return rest;
  }

  #takeLine(bytes: Buffer, parts: ResponsePart[]): Buffer | undefined {
    const end = bytes.indexOf('\r\n');
    if (end < 0 || end > chunkLineBytesMax) {
      if (bytes.length > chunkLineBytesMax)
        throw malformed('a line of its chunked body is too long');
      this.#pending = bytes;
      return undefined;
    }
    const line = bytes.toString('latin1', 0, end);
    const rest = bytes.subarray(end + 2);
    if (this.#state === 'chunk-end') {
      if (line !== '') throw malformed('a chunk is longer than it says');
      this.#state = 'chunk-size';
      return rest;
    }
    if (this.#state === 'trailer') return line === '' ? this.#end(rest, parts) : rest;
    const digits = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(line)?.[1];
    if (digits === undefined) throw malformed('a chunk has no size');
    this.#remainingBytes = Number.parseInt(digits, 16);
    this.#state = this.#remainingBytes === 0 ? 'trailer' : 'chunk-data';
    return rest;
  }

  #end(rest: Buffer, parts: ResponsePart[]): undefined {
    this.#state = 'done';
    parts.push({ kind: 'end', rest });
    return undefined;
  }
}

/** `undefined` for an interim response, which says nothing. */
function parseHead(text: string, isHeadRequest: boolean): ResponseHead | undefined {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1];
  if (status === undefined) throw malformed('it is not HTTP');
  const statusCode = Number(status);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) throw malformed('a header has no name');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  if (statusCode < 200 && statusCode !== 101) return undefined;
  return { statusCode, headers, bodyKind: bodyKindOf(statusCode, headers, isHeadRequest) };
}

function bodyKindOf(
  statusCode: number,
  headers: ReadonlyMap<string, string>,
  isHeadRequest: boolean,
): BodyKind {
  if (statusCode === 101) return 'upgrade';
  if (isHeadRequest || statusCode === 204 || statusCode === 304) return 'none';
  const coding = headers.get('transfer-encoding')?.toLowerCase();
  if (coding !== undefined) {
    if (coding !== 'chunked') throw malformed(`its transfer coding "${coding}" is unknown`);
    return 'chunked';
  }
  const length = headers.get('content-length');
  if (length === undefined) return 'close';
  if (!/^\d{1,15}$/.test(length)) throw malformed('its length is not a number');
  return 'length';
}

function malformed(reason: string): EngineError {
  return new EngineError('corrupt', `Cannot read the response of the engine: ${reason}`);
}
