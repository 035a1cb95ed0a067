/**
 * One HTTP/1.1 connection of a server: requests in, answers out, in order.
 *
 * It is our own on `node:net`, because half of the Engine API leaves HTTP in
 * the middle of a request, some of it without an Upgrade header, and the
 * runtimes' HTTP servers differ just there (see docs/decisions).
 *
 * **Invariant:** input is read ahead only up to a bound, so no client can make
 * the daemon buffer; and always read while an answer is due, so that a client
 * that goes away is noticed.
 *
 * Source: RFC 9112.
 */

import type { Socket } from 'node:net';
import { ActiveExchange, type ExchangeWriter } from './active-exchange.ts';
import { RequestBody } from './body.ts';
import { BodyDecoder } from './body-decoder.ts';
import type { ExchangeHandler, HijackedSocket } from './exchange.ts';
import { headBytesMax, HttpSyntaxError, parseHead, type RequestHead } from './head.ts';
import type { WireLimits } from './limits.ts';

/** Bytes of later requests (or of a stream to come) kept while one is answered. */
const readAheadBytesMax = 64 * 1024;
const headEnd = Buffer.from('\r\n\r\n');
const noBytes = Buffer.alloc(0);

/** What a connection needs of its server. */
export interface ConnectionContext {
  readonly limits: WireLimits;
  /** Milliseconds of a monotonic clock. */
  monotonicMs(): number;
  readonly handler: ExchangeHandler;
  /** Complete answer to a request that is no HTTP. */
  syntaxError(error: HttpSyntaxError): { readonly head: string; readonly body: string };
  /** The connection is over, or no longer the server's. */
  closed(connection: Connection): void;
  /** The socket left HTTP. */
  hijacked(socket: Socket): void;
}

type State = 'head' | 'exchange' | 'draining' | 'flushing' | 'lingering' | 'hijacked' | 'closed';

/** See the module. */
export class Connection {
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  #state: State = 'head';
  /** What arrived and is not taken yet. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Monotonic milliseconds after which {@link expire} ends the connection. */
  #deadlineMs: number;
  #decoder: BodyDecoder | undefined;
  #body: RequestBody | undefined;
  #exchange: ActiveExchange | undefined;
  #drainedBytes = 0;
  #hasContinued = false;
  #isPaused = false;
  /** The client closed its side. */
  #isEnded = false;
  #isClosing = false;
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  readonly #onEnd = (): void => this.#clientEnded();
  readonly #onError = (): void => {
    this.#socket.destroy();
  };
  readonly #onClose = (): void => this.#closed();

  constructor(socket: Socket, context: ConnectionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#deadlineMs = context.monotonicMs() + context.limits.headTimeoutMs;
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    socket.on('end', this.#onEnd);
    socket.on('data', this.#onData);
  }

  /** End the connection if it is over its time. Called by the server's sweep. */
  expire(nowMs: number): void {
    if (nowMs < this.#deadlineMs) return;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    if (this.#state === 'exchange') {
      this.#isClosing = true;
      this.#body?.fail(new HttpSyntaxError(408, 'Request body did not come in time'));
    } else if (this.#state === 'head' && this.#pendingBytes > 0) {
      this.#refuse(new HttpSyntaxError(408, 'Request did not come in time'));
    } else {
      this.#socket.destroy();
    }
  }

  /** Finish what is being answered, then close; streams are aborted. */
  shutdown(): void {
    this.#isClosing = true;
    if (this.#state === 'head') this.#socket.destroy();
    else this.#exchange?.abort();
  }

  /** Close now. */
  destroy(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    switch (this.#state) {
      case 'head':
        this.#takeHead(chunk);
        return;
      case 'exchange':
      case 'draining':
      case 'flushing':
        this.#takeBody(chunk);
        return;
      default:
        return; // Lingering: what comes now is not wanted.
    }
  }

  #takeHead(chunk: Buffer): void {
    if (this.#pendingBytes === 0) {
      this.#deadlineMs = this.#context.monotonicMs() + this.#context.limits.headTimeoutMs;
    }
    const hadBytes = this.#pendingBytes;
    const tail = hadBytes === 0 ? noBytes : lastBytes(this.#pending, 3);
    const seam = tail.length === 0 ? chunk : Buffer.concat([tail, chunk]);
    const found = seam.indexOf(headEnd);
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (found === -1) {
      if (this.#pendingBytes > headBytesMax) {
        this.#refuse(new HttpSyntaxError(431, 'Request head is too large'));
      }
      return;
    }
    const end = hadBytes - tail.length + found;
    const bytes = hadBytes === 0 ? chunk : Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#start(bytes, end);
  }

  /** `bytes` holds a head of `end` bytes and what follows it. */
  #start(bytes: Buffer, end: number): void {
    // A client may end the request before with an empty line too many.
    let from = 0;
    while (from < end && bytes[from] === 0x0d && bytes[from + 1] === 0x0a) from += 2;
    let head: RequestHead;
    try {
      if (end > headBytesMax) throw new HttpSyntaxError(431, 'Request head is too large');
      head = parseHead(bytes.subarray(from, end));
    } catch (error) {
      if (!(error instanceof HttpSyntaxError)) throw error;
      this.#refuse(error);
      return;
    }
    this.#state = 'exchange';
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    const decoder = new BodyDecoder(head.framing);
    this.#decoder = decoder;
    this.#body = new RequestBody(
      { wanted: () => this.#bodyWanted(head), collecting: (on) => this.#bodyCollecting(on) },
      decoder.isDone,
    );
    const exchange = new ActiveExchange(head, this.#body, this.#writer());
    this.#exchange = exchange;
    const rest = bytes.subarray(end + headEnd.length);
    if (rest.length > 0) this.#takeBody(rest);
    void this.#context.handler(exchange);
  }

  #takeBody(chunk: Buffer): void {
    const taken = this.#decode(chunk);
    if (taken < chunk.length) {
      this.#pending.push(chunk.subarray(taken));
      this.#pendingBytes += chunk.length - taken;
    }
    if (this.#state === 'draining' && this.#isBodyDone()) this.#next();
    else this.#updateFlow();
  }

  /** How many bytes of `chunk` belong to the body. */
  #decode(chunk: Buffer): number {
    const decoder = this.#decoder;
    if (decoder === undefined || this.#isBodyDone()) return 0;
    try {
      const taken = decoder.push(chunk, (piece) => this.#takePiece(piece));
      if (this.#isBodyDone()) this.#body?.finish();
      return taken;
    } catch (error) {
      if (!(error instanceof HttpSyntaxError)) throw error;
      this.#isClosing = true;
      this.#decoder = undefined;
      this.#body?.fail(error);
      if (this.#state === 'draining') this.#socket.destroy();
      return chunk.length;
    }
  }

  #isBodyDone(): boolean {
    return this.#decoder?.isDone === true;
  }

  #takePiece(piece: Buffer): void {
    if (this.#state === 'draining') {
      this.#drainedBytes += piece.length;
      if (this.#drainedBytes > this.#context.limits.drainedBytesMax) this.#socket.destroy();
    } else {
      this.#body?.push(piece);
    }
  }

  #bodyWanted(head: RequestHead): void {
    if (this.#state !== 'exchange') return;
    if (head.expectsContinue && this.#exchange?.isUnanswered === true && !this.#hasContinued) {
      this.#hasContinued = true;
      this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    }
    this.#updateFlow();
  }

  #bodyCollecting(isCollecting: boolean): void {
    const { limits } = this.#context;
    this.#deadlineMs = isCollecting
      ? this.#context.monotonicMs() + limits.bodyTimeoutMs
      : Number.POSITIVE_INFINITY;
  }

  #updateFlow(): void {
    if (this.#state === 'hijacked' || this.#state === 'closed') return;
    const isFull = this.#pendingBytes > readAheadBytesMax || this.#body?.isFull === true;
    if (isFull === this.#isPaused) return;
    this.#isPaused = isFull;
    if (isFull) this.#socket.pause();
    else this.#socket.resume();
  }

  #clientEnded(): void {
    this.#isEnded = true;
    this.#isClosing = true;
    if (this.#state === 'exchange') {
      if (this.#decoder?.isDone === false) {
        this.#body?.fail(new HttpSyntaxError(400, 'Request body is cut short'));
      }
      this.#exchange?.abort();
    } else if (this.#state !== 'hijacked') {
      this.#socket.end();
    }
  }

  #closed(): void {
    if (this.#state === 'hijacked' || this.#state === 'closed') return;
    this.#state = 'closed';
    this.#body?.fail(new HttpSyntaxError(400, 'Request body is cut short'));
    this.#exchange?.abort();
    this.#pending = [];
    this.#context.closed(this);
  }

  /** What an exchange may do to the connection. */
  #writer(): ExchangeWriter {
    return {
      socket: this.#socket,
      willClose: () => this.#isClosing || !this.#canDrain(),
      answered: () => this.#answered(),
      hijacked: (head) => this.#hijack(head),
    };
  }

  /** The rest of the request's body can be read away cheaply. */
  #canDrain(): boolean {
    const decoder = this.#decoder;
    if (decoder === undefined) return false;
    if (decoder.isDone) return true;
    const head = this.#exchange?.head;
    if (head === undefined || (head.expectsContinue && !this.#hasContinued)) return false;
    const { framing } = head;
    return framing.kind === 'length' && framing.bytes <= this.#context.limits.drainedBytesMax;
  }

  /** The answer is written. */
  #answered(): void {
    if (this.#state !== 'exchange') return;
    const isKept = this.#exchange?.isKept === true && !this.#isClosing;
    this.#exchange = undefined;
    if (!isKept || this.#decoder === undefined) {
      this.#linger();
    } else if (this.#decoder.isDone) {
      this.#next();
    } else {
      this.#state = 'draining';
      this.#drainedBytes = 0;
      this.#deadlineMs = this.#context.monotonicMs() + this.#context.limits.bodyTimeoutMs;
      this.#body?.discard();
      this.#resume();
    }
  }

  /** Ready for the next request, which may be there already. */
  #next(): void {
    this.#body = undefined;
    this.#decoder = undefined;
    this.#hasContinued = false;
    if (this.#socket.writableNeedDrain) {
      // A client that sends requests and reads no answers must not fill our memory.
      this.#state = 'flushing';
      this.#deadlineMs = Number.POSITIVE_INFINITY;
      this.#socket.once('drain', () => {
        if (this.#state === 'flushing') this.#next();
      });
      this.#updateFlow();
      return;
    }
    this.#state = 'head';
    this.#deadlineMs = this.#context.monotonicMs() + this.#context.limits.idleTimeoutMs;
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#resume();
    const [first] = pending;
    if (first !== undefined) {
      this.#takeHead(pending.length === 1 ? first : Buffer.concat(pending));
    }
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** Our side is done; give the client time to read it, and throw away what it still sends. */
  #linger(): void {
    this.#state = 'lingering';
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    this.#resume();
    this.#socket.end(() => {
      // Only now: a slow reader may take its time for the answer itself.
      this.#deadlineMs = this.#context.monotonicMs() + this.#context.limits.lingerTimeoutMs;
    });
  }

  #refuse(error: HttpSyntaxError): void {
    const { head, body } = this.#context.syntaxError(error);
    this.#socket.write(
      `${head}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
    this.#linger();
  }

  #hijack(head: string): HijackedSocket {
    const socket = this.#socket;
    this.#state = 'hijacked';
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    const early = this.#pending.length === 0 ? noBytes : Buffer.concat(this.#pending);
    this.#pending = [];
    this.#exchange = undefined;
    socket.pause();
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onClose);
    // The error listener stays: a socket without one would end the daemon.
    socket.write(head);
    this.#context.closed(this);
    this.#context.hijacked(socket);
    return { socket, early, isEnded: this.#isEnded };
  }
}

/** The last `count` bytes of `pieces`, or all there are. */
function lastBytes(pieces: readonly Buffer[], count: number): Buffer {
  let bytes: Buffer = noBytes;
  for (let index = pieces.length - 1; index >= 0 && bytes.length < count; index -= 1) {
    const piece = pieces[index] ?? noBytes;
    bytes = Buffer.concat([piece.subarray(Math.max(0, piece.length - count)), bytes]);
  }
  return bytes.subarray(Math.max(0, bytes.length - count));
}
