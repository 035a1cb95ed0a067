/**
 * An answer of unknown length, chunk by chunk. Each piece leaves at once, in
 * one write; the promise of `write` is the client's back pressure.
 *
 * Source: RFC 9112 section 7.1.
 */

import type { Socket } from 'node:net';
import type { ResponseStream } from './exchange.ts';

/** See the module. */
export class ChunkedResponse implements ResponseStream {
  readonly #socket: Socket;
  readonly #isChunked: boolean;
  readonly #answered: () => void;
  #isEnded = false;

  constructor(socket: Socket, isChunked: boolean, answered: () => void) {
    this.#socket = socket;
    this.#isChunked = isChunked;
    this.#answered = answered;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed || this.#isEnded;
  }

  write(piece: string | Uint8Array): Promise<void> | undefined {
    if (this.isClosed || piece.length === 0) return undefined;
    const isFast = this.#socket.write(this.#isChunked ? chunk(piece) : piece);
    return isFast || this.#socket.destroyed ? undefined : this.#drained();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#isChunked && !this.#socket.destroyed) this.#socket.write('0\r\n\r\n');
    this.#answered();
  }

  abort(): void {
    this.#isEnded = true;
    this.#socket.destroy();
  }

  #drained(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
  }
}

/** One chunk, in one piece: one write is one system call. */
function chunk(piece: string | Uint8Array): string | Buffer {
  if (typeof piece === 'string') return `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`;
  const size = `${piece.length.toString(16)}\r\n`;
  const bytes = Buffer.allocUnsafe(size.length + piece.length + 2);
  bytes.write(size, 0, 'latin1');
  bytes.set(piece, size.length);
  bytes.write('\r\n', size.length + piece.length, 'latin1');
  return bytes;
}
