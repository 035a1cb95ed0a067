/**
 * The HTTP/1.1 connections of a set of listening sockets: their limits, their
 * deadlines, their end.
 */

import type { Socket } from 'node:net';
import { Connection, type ConnectionContext } from './connection.ts';
import type { ExchangeHandler } from './exchange.ts';
import type { HttpSyntaxError } from './head.ts';
import type { WireLimits } from './limits.ts';

/** Milliseconds between two looks at the deadlines. */
const sweepPeriodMs = 1000;

/** What a server of connections needs. */
export interface WireServerOptions {
  readonly limits: WireLimits;
  readonly handler: ExchangeHandler;
  /** Milliseconds of a monotonic clock. */
  monotonicMs(): number;
  /** Complete answer to a request that is no HTTP. */
  syntaxError(error: HttpSyntaxError): { readonly head: string; readonly body: string };
  /** Complete answer to a connection beyond the limit. */
  tooMany(): { readonly head: string; readonly body: string };
}

/** See the module. */
export class WireServer {
  readonly #context: ConnectionContext;
  readonly #tooMany: WireServerOptions['tooMany'];
  readonly #connections = new Set<Connection>();
  /** Sockets that left HTTP; they end with the server. */
  readonly #hijacked = new Set<Socket>();
  /** One timer for all deadlines: a timer per request would cost more than the request. */
  #sweep: NodeJS.Timeout | undefined;
  #emptied: (() => void) | undefined;
  #isClosing = false;

  constructor(options: WireServerOptions) {
    this.#tooMany = () => options.tooMany();
    this.#context = {
      limits: options.limits,
      handler: options.handler,
      monotonicMs: () => options.monotonicMs(),
      syntaxError: (error) => options.syntaxError(error),
      closed: (connection) => this.#remove(connection),
      hijacked: (socket) => this.#keep(socket),
    };
  }

  /** Serve a connection that a listener accepted (or that was handed over). The socket must allow half-open. */
  accept(socket: Socket): void {
    const count = this.#connections.size + this.#hijacked.size;
    if (this.#isClosing || count >= this.#context.limits.connectionsMax) {
      refuse(socket, this.#isClosing ? undefined : this.#tooMany());
      return;
    }
    this.#connections.add(new Connection(socket, this.#context));
    if (this.#sweep !== undefined) return;
    this.#sweep = setInterval(() => this.#expire(), sweepPeriodMs);
    this.#sweep.unref();
  }

  /** Count of open connections that speak HTTP. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Answer what is being answered, end the rest; after `graceMs` cut what is left. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    for (const connection of this.#connections) connection.shutdown();
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        this.#emptied = resolve;
        const timer = setTimeout(() => {
          for (const connection of this.#connections) connection.destroy();
          resolve();
        }, graceMs);
        timer.unref();
      });
    }
    for (const socket of this.#hijacked) socket.destroy();
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  #keep(socket: Socket): void {
    this.#hijacked.add(socket);
    socket.once('close', () => this.#hijacked.delete(socket));
  }

  #expire(): void {
    const nowMs = this.#context.monotonicMs();
    for (const connection of this.#connections) connection.expire(nowMs);
  }

  #remove(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
    this.#emptied?.();
  }
}

/** Say why, if there is an answer, and let it go at once: its descriptor is what is short. */
function refuse(socket: Socket, answer?: { readonly head: string; readonly body: string }): void {
  socket.on('error', () => undefined);
  if (answer === undefined) {
    socket.destroy();
    return;
  }
  const { head, body } = answer;
  const length = Buffer.byteLength(body);
  socket.end(`${head}Content-Length: ${length}\r\nConnection: close\r\n\r\n${body}`, () => {
    socket.destroy();
  });
}
