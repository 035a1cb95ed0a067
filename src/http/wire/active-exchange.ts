/**
 * The exchange a connection is busy with: turns the answer into bytes and tells
 * the connection when it is written.
 *
 * Source: RFC 9110 section 8.6, RFC 9112 sections 6 and 9.
 */

import type { Socket } from 'node:net';
import type { RequestBody } from './body.ts';
import type { Exchange, HijackedSocket, ResponseStream } from './exchange.ts';
import type { RequestHead } from './head.ts';
import { ChunkedResponse } from './response-stream.ts';

/** What an exchange may do to its connection. */
export interface ExchangeWriter {
  readonly socket: Socket;
  /** No further request can be answered on the connection. */
  willClose(): boolean;
  answered(): void;
  hijacked(head: string): HijackedSocket;
}

/** See the module. */
export class ActiveExchange implements Exchange {
  readonly head: RequestHead;
  readonly body: RequestBody;
  readonly #writer: ExchangeWriter;
  #controller: AbortController | undefined;
  #isAborted = false;
  /** Nothing of the answer is written. */
  isUnanswered = true;
  /** The answer told the client that the connection goes on. */
  isKept = false;

  constructor(head: RequestHead, body: RequestBody, writer: ExchangeWriter) {
    this.head = head;
    this.body = body;
    this.#writer = writer;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** The client is gone, or the server closes. */
  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort();
  }

  send(head: string, body: string | Uint8Array): void {
    const connection = this.#answer();
    const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    // 204 and 304 have no body, and must not speak of its length (RFC 9110, 8.6).
    const length = /^HTTP\/1\.1 (?:204|304) /.test(head) ? '' : `Content-Length: ${bytes}\r\n`;
    const text = `${head}${length}${connection}\r\n`;
    const { socket } = this.#writer;
    if (this.head.method === 'HEAD' || bytes === 0) {
      socket.write(text);
    } else if (typeof body === 'string') {
      socket.write(text + body);
    } else {
      socket.write(Buffer.concat([Buffer.from(text), body]));
    }
    this.#writer.answered();
  }

  stream(head: string): ResponseStream {
    // A client of HTTP/1.0 knows no chunks: the end of the connection ends the answer.
    const isChunked = this.head.minorVersion === 1;
    const connection = this.#answer(isChunked);
    const encoding = isChunked ? 'Transfer-Encoding: chunked\r\n' : '';
    const { socket } = this.#writer;
    socket.write(`${head}${encoding}${connection}\r\n`);
    return new ChunkedResponse(socket, isChunked, () => this.#writer.answered());
  }

  hijack(head: string): HijackedSocket {
    this.isUnanswered = false;
    return this.#writer.hijacked(head);
  }

  /** Note that there is an answer; the Connection header line it needs. */
  #answer(canKeep = true): string {
    this.isUnanswered = false;
    this.isKept = canKeep && this.head.isKeepAlive && !this.#writer.willClose();
    if (!this.isKept) return 'Connection: close\r\n';
    return this.head.minorVersion === 0 ? 'Connection: keep-alive\r\n' : '';
  }
}
