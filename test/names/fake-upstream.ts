/**
 * Name servers on loopback that answer as a test says: late, wrong, cut, not at
 * all. UDP and TCP at one port.
 */

import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Upstream } from '../../src/network/dns/upstream.ts';

/** One question to a fake. */
export interface Question {
  readonly message: Buffer;
  readonly isTcp: boolean;
  /** Who asked. */
  readonly port: number;
  /** Say something to who asked; any number of times. */
  readonly say: (bytes: Uint8Array) => void;
  /** TCP: close the connection. */
  readonly hangUp: () => void;
}

/** A fake server. */
export class FakeUpstream implements AsyncDisposable {
  readonly questions: Question[] = [];
  readonly #udp: DatagramSocket;
  readonly #tcp: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answer: (question: Question) => void;
  #port = 0;
  #isClosed = false;

  private constructor(answer: (question: Question) => void) {
    this.#answer = answer;
    this.#udp = createSocket('udp4');
    this.#tcp = createServer((socket) => this.#serve(socket));
  }

  /** `at`: default a free port of 127.0.0.1. */
  static async listen(
    answer: (question: Question) => void,
    at: Upstream = { address: '127.0.0.1', port: 0 },
  ): Promise<FakeUpstream> {
    const fake = new FakeUpstream(answer);
    fake.#tcp.listen(at.port, at.address);
    await once(fake.#tcp, 'listening');
    const address = fake.#tcp.address();
    fake.#port = typeof address === 'object' && address !== null ? address.port : 0;
    fake.#udp.on('message', (message, from) => {
      fake.#hear({
        message,
        isTcp: false,
        port: from.port,
        say: (bytes) => fake.sendTo(from.port, bytes),
        hangUp: () => undefined,
      });
    });
    fake.#udp.bind(fake.#port, at.address);
    await once(fake.#udp, 'listening');
    return fake;
  }

  /** Where it is. */
  get upstream(): Upstream {
    return { address: '127.0.0.1', port: this.#port };
  }

  /** A datagram from this server's own port to one of 127.0.0.1. */
  sendTo(port: number, bytes: Uint8Array): void {
    if (!this.#isClosed) this.#udp.send(bytes, port, '127.0.0.1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#tcp, 'close');
    this.#isClosed = true;
    this.#tcp.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#udp.close();
    await closed;
  }

  #hear(question: Question): void {
    this.questions.push(question);
    this.#answer(question);
  }

  #serve(socket: Socket): void {
    let held = Buffer.alloc(0);
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
        const message = Buffer.from(held.subarray(2, 2 + held.readUInt16BE(0)));
        held = held.subarray(2 + message.length);
        this.#hear({
          message,
          isTcp: true,
          port: socket.remotePort ?? 0,
          say: (bytes) => {
            const length = Buffer.alloc(2);
            length.writeUInt16BE(bytes.length);
            socket.write(Buffer.concat([length, bytes]));
          },
          hangUp: () => socket.destroy(),
        });
      }
    });
  }
}
