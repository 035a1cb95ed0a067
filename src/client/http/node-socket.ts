/** A socket by `node:net`: every address, every runtime. */

import { connect, type Socket } from 'node:net';
import type { HostAddress } from '../host.ts';
import type { RawSocket, SocketListener } from './raw-socket.ts';

/** Connects. Throws what the system said, with its `code`. */
export function openNodeSocket(address: HostAddress): Promise<RawSocket> {
  return new Promise((resolve, reject) => {
    const socket =
      address.kind === 'unix'
        ? connect({ path: address.path, allowHalfOpen: true })
        : connect({ host: address.hostname, port: address.port, allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      if (address.kind === 'tcp') socket.setNoDelay(true);
      resolve(new NodeSocket(socket));
    });
  });
}

class NodeSocket implements RawSocket {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEnded(): boolean {
    return this.#socket.writableEnded || this.#socket.destroyed;
  }

  listen(listener: SocketListener): void {
    this.#socket.on('data', (bytes: Buffer) => listener.data(bytes));
    this.#socket.on('end', () => listener.end());
    this.#socket.on('error', (cause) => listener.error(cause));
    this.#socket.on('close', () => listener.close());
    this.#socket.on('drain', () => listener.drain());
  }

  write(data: string | Uint8Array): boolean {
    return this.#socket.write(data);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  keepAlive(isKept: boolean): void {
    if (isKept) this.#socket.ref();
    else this.#socket.unref();
  }
}
