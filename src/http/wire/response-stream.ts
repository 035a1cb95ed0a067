/**
 * An answer of unknown length, chunk by chunk. Each piece leaves at once; the
 * texts of one turn of the event loop, and the end if it follows, in one write.
 * The promise of `write` is the client's back pressure.
 *
 * Source: RFC 9112 section 7.1.
 */

import type { Socket } from 'node:net';
import type { ResponseStream } from './exchange.ts';

/** Characters that wait at most. */
const WAITING_MAX = 16_384;

/** See the module. */
export class ChunkedResponse implements ResponseStream {
  readonly #socket: Socket;
  readonly #isChunked: boolean;
  readonly #answered: () => void;
  #isEnded = false;
  /** Text that leaves at the end of this turn. */
  #waiting = '';

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
    if (typeof piece === 'string') {
      if (this.#waiting === '') process.nextTick(() => this.#flush());
      this.#waiting += this.#isChunked ? chunkOfText(piece) : piece;
      // Whoever makes text without a pause must feel the client's back pressure.
      if (this.#waiting.length >= WAITING_MAX) this.#flush();
    } else {
      this.#flush();
      this.#socket.write(this.#isChunked ? chunkOfBytes(piece) : piece);
    }
    const { destroyed, writableNeedDrain } = this.#socket;
    return writableNeedDrain && !destroyed ? this.#drained() : undefined;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#isChunked) this.#waiting += '0\r\n\r\n';
    this.#flush();
    this.#answered();
  }

  abort(): void {
    this.#isEnded = true;
    this.#flush();
    this.#socket.destroy();
  }

  #flush(): void {
    const text = this.#waiting;
    this.#waiting = '';
    if (text !== '' && !this.#socket.destroyed) this.#socket.write(text);
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

function chunkOfText(piece: string): string {
  return `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`;
}

/** In one piece: one write is one system call. */
function chunkOfBytes(piece: Uint8Array): Buffer {
  const size = `${piece.length.toString(16)}\r\n`;
  const bytes = Buffer.allocUnsafe(size.length + piece.length + 2);
  bytes.write(size, 0, 'latin1');
  bytes.set(piece, size.length);
  bytes.write('\r\n', size.length + piece.length, 'latin1');
  return bytes;
}
