/**
 * One HTTP/1.1 connection to an engine, over a bare socket: `node:http`
 * costs a command 15 ms of start-up, and its upgrades differ between runtimes.
 * One request at a time; a hijacked connection becomes a raw stream.
 *
 * Source: RFC 9112; Docker Engine API "attach" for the hijack.
 */

import { EngineError } from '../../base/error.ts';
import { formatHost, type HostAddress } from '../host.ts';
import { encodeChunk, encodeRequestHead, lastChunk, type RequestHead } from './message.ts';
import { openSocket } from './open-socket.ts';
import { ResponseParser, type ResponseHead } from './parser.ts';
import { ByteQueue } from './queue.ts';
import type { RawSocket } from './raw-socket.ts';

/** A body to send: complete, or in pieces whose length is not known. */
export type RequestBody = Uint8Array | string | AsyncIterable<Uint8Array>;

/** A response whose body is yet to be read. */
export interface RawResponse {
  readonly head: ResponseHead;
  /** The body; for an upgraded connection what the engine sends from then on. */
  readonly body: ByteQueue;
  /** The connection the response came on; a hijacked one is written to through it. */
  readonly connection: Connection;
}

interface Exchange {
  readonly parser: ResponseParser;
  readonly body: ByteQueue;
  readonly hijack: boolean;
  readonly resolve: (response: RawResponse) => void;
  readonly reject: (error: unknown) => void;
  /** Lets go of the caller's signal. */
  readonly release: () => void;
  /** The head of the response has been read. */
  isAnswered: boolean;
}

/** Connects; throws `unavailable` with `details.code` (`ENOENT`, `ECONNREFUSED`, `EACCES`…). */
export async function openConnection(address: HostAddress): Promise<Connection> {
  try {
    return new Connection(await openSocket(address), address);
  } catch (error) {
    throw connectError(address, error);
  }
}

function connectError(address: HostAddress, error: unknown): EngineError {
  const host = formatHost(address);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const text =
    code === 'EACCES' || code === 'EPERM'
      ? `Cannot connect to the carve daemon at ${host}: permission denied`
      : `Cannot connect to the carve daemon at ${host}. Is it running?`;
  return new EngineError('unavailable', text, {
    details: { code, host },
    cause: error,
  });
}

/** A connected socket that speaks HTTP, then perhaps something else. */
export class Connection {
  readonly #socket: RawSocket;
  readonly #host: string;
  #exchange: Exchange | undefined;
  #isClosed = false;
  /** Not to be reused: closing, hijacked, or with a request half sent. */
  #isSpent = false;
  #isHijacked = false;
  #isInputEnded = false;
  #onIdle: (() => void) | undefined;
  /** Who waits until more may be written. */
  #writers: (() => void)[] = [];

  constructor(socket: RawSocket, address: HostAddress) {
    this.#socket = socket;
    this.#host = formatHost(address);
    socket.listen({
      data: (bytes) => this.#receive(bytes),
      end: () => this.#inputEnded(),
      error: (cause) => this.#fail(this.#lost(cause)),
      close: () => {
        this.#isClosed = true;
        this.#wakeWriters();
        this.#inputEnded();
      },
      drain: () => this.#wakeWriters(),
    });
  }

  /** True when another request may be sent on it. */
  get isReusable(): boolean {
    return !this.#isClosed && !this.#isSpent && !this.#isInputEnded && this.#exchange === undefined;
  }

  /** Called once when the response under way has been read to its end. */
  onIdle(callback: () => void): void {
    this.#onIdle = callback;
  }

  /** An idle connection keeps no process alive. */
  setIdle(isIdle: boolean): void {
    this.#socket.keepAlive(!isIdle);
  }

  /**
   * Sends a request; settles with the head of its response. With `hijack` the
   * body of a 101, or of a 200 without a length, is a raw stream and the
   * connection stays writable.
   */
  async request(
    head: RequestHead,
    body: RequestBody | undefined,
    options: { readonly hijack?: boolean; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<RawResponse> {
    options.signal?.throwIfAborted();
    const response = this.#expectResponse(
      head.method === 'HEAD',
      options.hijack === true,
      options.signal,
    );
    this.#send(head, body);
    return response;
  }

  /** Writes raw bytes on a hijacked connection; settles when more may be written, `false` when the peer is gone. */
  write(bytes: Uint8Array): Promise<boolean> {
    if (this.#isClosed || this.#socket.isEnded) return Promise.resolve(false);
    if (this.#socket.write(bytes)) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#writers.push(() => resolve(!this.#isClosed));
    });
  }

  #wakeWriters(): void {
    for (const wake of this.#writers.splice(0)) wake();
  }

  /** Ends what this side sends; the peer may go on. */
  endWrite(): void {
    this.#socket.end();
  }

  /** Closes at once. */
  destroy(): void {
    this.#isSpent = true;
    this.#socket.destroy();
  }

  #expectResponse(
    isHeadRequest: boolean,
    hijack: boolean,
    signal: AbortSignal | undefined,
  ): Promise<RawResponse> {
    return new Promise((resolve, reject) => {
      const body = new ByteQueue({
        pause: () => {
          this.#socket.pause();
        },
        resume: () => {
          this.#socket.resume();
        },
        cancel: () => {
          this.destroy();
        },
      });
      const abort = (): void => {
        this.#fail(signal?.reason);
        this.destroy();
      };
      // Covers the body too: it is let go when the exchange is over.
      signal?.addEventListener('abort', abort, { once: true });
      const release = (): void => {
        signal?.removeEventListener('abort', abort);
      };
      this.#exchange = {
        parser: new ResponseParser({ isHeadRequest }),
        body,
        hijack,
        resolve,
        reject,
        release,
        isAnswered: false,
      };
      if (this.#isClosed || this.#isInputEnded) this.#fail(undefined);
    });
  }

  #send(head: RequestHead, body: RequestBody | undefined): void {
    if (body === undefined || typeof body === 'string') {
      this.#socket.write(encodeRequestHead(head) + (body ?? ''));
      return;
    }
    this.#socket.write(encodeRequestHead(head));
    if (body instanceof Uint8Array) this.#socket.write(body);
    else void this.#sendChunks(body);
  }

  async #sendChunks(body: AsyncIterable<Uint8Array>): Promise<void> {
    // Until the last chunk is out, an early answer must not free the connection.
    const exchange = this.#exchange;
    this.#isSpent = true;
    try {
      for await (const bytes of body) {
        if (this.#isClosed || exchange !== this.#exchange) return;
        if (bytes.length === 0) continue;
        const [size, data, end] = encodeChunk(bytes);
        this.#socket.write(size);
        this.#socket.write(data);
        if (!(await this.write(Buffer.from(end)))) return;
      }
      this.#socket.write(lastChunk);
    } catch (error) {
      this.#fail(error);
      this.destroy();
    }
  }

  #receive(bytes: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined) {
      // Nothing was asked: the peer is out of step.
      this.destroy();
      return;
    }
    if (this.#isHijacked) {
      exchange.body.push(bytes);
      return;
    }
    try {
      this.#deliver(exchange, exchange.parser.push(bytes));
    } catch (error) {
      this.#fail(exchange.isAnswered ? error : this.#foreign(error));
      this.destroy();
    }
  }

  #deliver(exchange: Exchange, parts: ReturnType<ResponseParser['push']>): void {
    for (const part of parts) {
      switch (part.kind) {
        case 'head':
          this.#startBody(exchange, part.head);
          break;
        case 'body':
          exchange.body.push(part.bytes);
          break;
        case 'end':
          if (this.#isHijacked) exchange.body.push(part.rest);
          else this.#endBody(exchange);
          break;
      }
    }
  }

  #startBody(exchange: Exchange, head: ResponseHead): void {
    const { bodyKind } = head;
    this.#isHijacked =
      exchange.hijack &&
      (bodyKind === 'upgrade' || (bodyKind === 'close' && head.statusCode === 200));
    if (
      this.#isHijacked ||
      bodyKind === 'close' ||
      head.headers.get('connection')?.toLowerCase() === 'close'
    ) {
      this.#isSpent = true;
    }
    exchange.isAnswered = true;
    exchange.resolve({ head, body: exchange.body, connection: this });
  }

  #endBody(exchange: Exchange): void {
    this.#exchange = undefined;
    exchange.release();
    exchange.body.end();
    if (this.#isSpent) this.#socket.destroy();
    const onIdle = this.#onIdle;
    this.#onIdle = undefined;
    onIdle?.();
  }

  #inputEnded(): void {
    if (this.#isInputEnded) return;
    this.#isInputEnded = true;
    const exchange = this.#exchange;
    if (exchange === undefined) {
      this.#socket.destroy();
      return;
    }
    if (this.#isHijacked) {
      exchange.release();
      exchange.body.end();
      return;
    }
    try {
      this.#deliver(exchange, exchange.parser.finish());
    } catch (error) {
      this.#fail(exchange.isAnswered ? error : this.#lost(error));
    }
    this.#socket.destroy();
  }

  #fail(error: unknown): void {
    this.#isSpent = true;
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#exchange = undefined;
    exchange.release();
    const reason = error ?? this.#lost(undefined);
    exchange.reject(reason);
    exchange.body.fail(reason);
  }

  /** The first words of the peer are no HTTP. */
  #foreign(cause: unknown): EngineError {
    return new EngineError('corrupt', `Cannot use ${this.#host}: what answers there is no engine`, {
      cause,
    });
  }

  #lost(cause: unknown): EngineError {
    return new EngineError(
      'unavailable',
      `Lost the connection to the carve daemon at ${this.#host}`,
      {
        details: { code: 'ECONNRESET', host: this.#host },
        cause,
      },
    );
  }
}
