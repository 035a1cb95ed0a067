/**
 * What a route answers, as a value: routes write no bytes, so they can be read
 * and tested without a socket.
 */

import type { Attachment } from '../engine/engine.ts';
import { encodeBigJson, encodeJson } from './json.ts';

/** Header lines beyond the standard ones; names in the spelling they travel in. */
export type ExtraHeaders = Readonly<Record<string, string>>;

/** A whole answer. */
export interface BodyReply {
  readonly kind: 'body';
  readonly status: number;
  /** `undefined`: no body. */
  readonly contentType: string | undefined;
  readonly body: string;
  readonly headers?: ExtraHeaders;
}

/** An answer that comes piece by piece; its head leaves at once. */
export interface StreamReply {
  readonly kind: 'stream';
  readonly contentType: string;
  readonly pieces: AsyncIterable<string | Uint8Array>;
  /** What tells the client of a failure in the middle; `undefined`: the connection is cut. */
  readonly lateError: ((message: string) => string | Uint8Array) | undefined;
  readonly headers?: ExtraHeaders;
}

/** The connection leaves HTTP and becomes the streams of a process. */
export interface HijackReply {
  readonly kind: 'hijack';
  readonly attachment: Attachment;
  /** Content-Type when the client asked for an upgrade. */
  readonly contentType: string;
  /** What the client sends is input; otherwise it is ignored. */
  readonly hasInput: boolean;
  /** Bytes that detach; consoles only. */
  readonly detachKeys: Uint8Array | undefined;
}

/** See the module. */
export type Reply = BodyReply | StreamReply | HijackReply;

/** Exactly this: Go's client compares it as a string. */
export const jsonType = 'application/json';

/** A JSON value. */
export function json(value: unknown, status = 200): BodyReply {
  return { kind: 'body', status, contentType: jsonType, body: `${encodeJson(value)}\n` };
}

/** A JSON value with bigints in it. */
export function bigJson(value: unknown): BodyReply {
  return { kind: 'body', status: 200, contentType: jsonType, body: `${encodeBigJson(value)}\n` };
}

/** A status without a body. */
export function empty(status: number, headers?: ExtraHeaders): BodyReply {
  const reply: BodyReply = { kind: 'body', status, contentType: undefined, body: '' };
  return headers === undefined ? reply : { ...reply, headers };
}

/** Done, nothing to say. */
export const noContent: BodyReply = empty(204);
/** It was so already. */
export const notModified: BodyReply = empty(304);

/** An error as the clients read it. */
export function errorReply(status: number, message: string): BodyReply {
  return json({ message }, status);
}
