/**
 * One request and its answer, as the application sees it. The connection behind
 * it deals with bytes, keep-alive and clients that go away.
 *
 * **Invariant:** exactly one of `send`, `stream` and `hijack` answers an exchange.
 */

import type { Socket } from 'node:net';
import type { RequestBody } from './body.ts';
import type { RequestHead } from './head.ts';

/** An answer that is written piece by piece. */
export interface ResponseStream {
  /**
   * Write a piece, at once. A promise when the client is slow: wait for it
   * before the next piece. Nothing is written to a client that is gone.
   */
  write(piece: string | Uint8Array): Promise<void> | undefined;
  /** The answer is complete. */
  end(): void;
  /** The answer is not complete and cannot be: cut the connection, so that the client knows. */
  abort(): void;
  /** The client is gone. */
  readonly isClosed: boolean;
}

/** The connection itself, out of HTTP's hands. Whoever has it closes it. */
export interface HijackedSocket {
  readonly socket: Socket;
  /** What the client sent already, after the request and its body. */
  readonly early: Buffer;
  /** The client closed its side already. */
  readonly isEnded: boolean;
}

/** A request to be answered. */
export interface Exchange {
  readonly head: RequestHead;
  readonly body: RequestBody;
  /** Aborts when the client is gone or the server closes. Made when first asked for. */
  readonly signal: AbortSignal;
  /** The whole answer. `head` is the status line and header lines; the length is added. */
  send(head: string, body: string | Uint8Array): void;
  /** The head of an answer whose length is not known. */
  stream(head: string): ResponseStream;
  /** Write `head` (complete, with its empty line) and leave HTTP. The body of the request must be done or discarded. */
  hijack(head: string): HijackedSocket;
}

/** Answers an exchange; must not throw. */
export type ExchangeHandler = (exchange: Exchange) => Promise<void>;
