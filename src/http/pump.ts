/**
 * A hijacked connection and the streams of a process, joined: bytes both ways
 * with back pressure, half-closed sides kept apart, no byte lost at the end.
 *
 * **Invariant:** at most one write in either direction waits beyond what the
 * sockets hold; when either side is gone the other is let go.
 *
 * Source: engine-api facts 3.1 to 3.3.
 */

import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { textOfError } from './status.ts';
import type { HijackReply } from './reply.ts';
import { DetachWatch } from '../spec/docker/detach-keys.ts';
import { encodeFrame } from './frame.ts';
import type { HijackedSocket } from './wire/exchange.ts';

/** Milliseconds for a client to close after the last byte of output. */
const lingerMs = 10_000;

/** Joins them; resolves when the connection is closed. */
export function pump(hijacked: HijackedSocket, reply: HijackReply): Promise<void> {
  return new Promise((resolve) => {
    new Pump(hijacked.socket, reply, resolve).start(hijacked);
  });
}

class Pump {
  readonly #socket: Socket;
  readonly #stream: Duplex;
  readonly #reply: HijackReply;
  readonly #watch: DetachWatch | undefined;
  #isOutputDone = false;

  constructor(socket: Socket, reply: HijackReply, closed: () => void) {
    this.#socket = socket;
    this.#stream = reply.attachment.stream;
    this.#reply = reply;
    this.#watch = reply.detachKeys === undefined ? undefined : new DetachWatch(reply.detachKeys);
    socket.once('close', () => {
      this.#stream.destroy();
      closed();
    });
  }

  start({ early, isEnded }: HijackedSocket): void {
    const socket = this.#socket;
    const stream = this.#stream;
    if (socket.destroyed) {
      stream.destroy();
      return;
    }
    stream.on('data', (bytes: Uint8Array) => this.#fromProcess(bytes));
    stream.once('end', () => this.#finish());
    stream.once('error', (error: unknown) => this.#fail(error));
    stream.once('close', () => this.#finish());
    stream.on('drain', () => socket.resume());
    socket.on('drain', () => stream.resume());
    socket.on('data', (bytes: Buffer) => this.#fromClient(bytes));
    socket.once('end', () => this.#clientEnded());
    if (early.length > 0) this.#fromClient(early);
    // The end of what the client sends may have been seen before the hijack.
    if (isEnded) this.#clientEnded();
    else if (!stream.writableNeedDrain) socket.resume();
  }

  #fromProcess(bytes: Uint8Array): void {
    if (!this.#socket.write(bytes)) this.#stream.pause();
  }

  #fromClient(bytes: Buffer): void {
    if (!this.#reply.hasInput || this.#isOutputDone) return;
    const typed = this.#watch?.push(bytes);
    this.#toProcess(typed?.bytes ?? bytes);
    if (typed?.isDetached === true) this.#finish();
  }

  #toProcess(bytes: Uint8Array): void {
    const stream = this.#stream;
    if (bytes.length === 0 || !stream.writable) return;
    if (!stream.write(bytes)) this.#socket.pause();
  }

  #clientEnded(): void {
    if (this.#isOutputDone) return;
    if (this.#watch !== undefined) this.#toProcess(this.#watch.flush());
    if (this.#stream.writable) this.#stream.end();
  }

  #fail(error: unknown): void {
    if (this.#isOutputDone) return;
    const text = textOfError(error);
    const isFramed = this.#reply.attachment.framing === 'multiplexed';
    this.#socket.write(isFramed ? encodeFrame('error', `${text}\n`) : `${text}\r\n`);
    this.#finish();
  }

  /** No more output: close our side, let the process's streams go, wait a little for the client. */
  #finish(): void {
    if (this.#isOutputDone) return;
    this.#isOutputDone = true;
    this.#stream.destroy();
    const socket = this.#socket;
    if (socket.destroyed) return;
    // What the client still sends is read and thrown away: closing over unread
    // bytes would reset the connection under the output it has yet to read.
    socket.resume();
    socket.end(() => {
      const timer = setTimeout(() => socket.destroy(), lingerMs);
      timer.unref();
      socket.once('close', () => clearTimeout(timer));
    });
  }
}
