/**
 * The name server: monitors connect to its socket and carry their container's
 * messages here.
 *
 * **Invariants**
 * - Every query has exactly one answer frame, in any order; an empty one says
 *   that there is no answer.
 * - Who asks is what the connection said first, which only a monitor can: the
 *   socket is in a directory of root's.
 * - A connection that breaks the protocol, or takes no answers, is ended.
 * Source: docs/chisel-protocol.md "Names".
 */

import { chmod, type FileHandle, open, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { EngineError } from '../../base/error.ts';
import { encodeFrame, type Frame, FRAME_KIND, FrameDecoder } from '../../kernel/frame.ts';
import { NAMES_SOCKET } from '../plan/resolver.ts';
import { NameResolver, type ResolverParts } from './resolve.ts';

/** What a name server needs. */
export interface NameServerOptions extends ResolverParts {
  /** The engine's run directory: 0700. */
  readonly directoryPath: string;
  /** Milliseconds that grow steadily. */
  readonly nowMs: () => number;
}

/** Path of a socket address. Source: unix(7). */
const ADDRESS_MAX_BYTES = 107;
const QUERY_MAX_BYTES = 4096;
/** Greatest `length` field of a monitor's frame. */
const FRAME_MAX_BYTES = QUERY_MAX_BYTES + 12;
/** Queries of TCP have tokens from here on. */
const TCP_TOKEN = 2 ** 48;
/** Answers that a monitor did not take yet. */
const UNSENT_MAX_BYTES = 4 * 1024 * 1024;
const TICK_MS = 100;
/** Queries of all containers in a tick, so that the engine has time for others; more are answered for who has asked less than its share. */
const TICK_MAX = 2000;
const NOTHING = new Uint8Array(0);

interface Connection {
  readonly socket: Socket;
  readonly decoder: FrameDecoder;
  /** Empty before HELLO. */
  containerId: string;
  /** The tick it last asked in, by its start in milliseconds. */
  tickMs: number;
  /** Queries in that tick, a number. */
  tickCount: number;
}

/** Answers containers. Get one by {@link NameServer.listen}; close it. */
export class NameServer {
  readonly #resolver: NameResolver;
  readonly #nowMs: () => number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Open as long as the socket's address leads through it. */
  #directory: FileHandle | undefined;
  #tickMs = 0;
  #tickCount = 0;
  #askerCount = 0;

  private constructor(options: NameServerOptions) {
    this.#resolver = new NameResolver(options);
    this.#nowMs = options.nowMs;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /**
   * Precondition: the directory of names knows the containers that run. A
   * socket that an earlier engine left is replaced.
   * Errors: `unavailable`.
   */
  static async listen(options: NameServerOptions): Promise<NameServer> {
    const server = new NameServer(options);
    const path = join(options.directoryPath, NAMES_SOCKET);
    try {
      await rm(path, { force: true });
      const address = await server.#addressOf(options.directoryPath, path);
      await new Promise<void>((resolve, reject) => {
        server.#server.once('error', reject);
        server.#server.listen(address, resolve);
      });
      await chmod(path, 0o600);
    } catch (cause) {
      await server.close();
      throw new EngineError('unavailable', `Cannot answer names at ${path}`, { cause });
    }
    return server;
  }

  /** Ends every connection; monitors come back to who listens next. */
  async close(): Promise<void> {
    this.#resolver.close();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await this.#directory?.close();
    this.#directory = undefined;
  }

  /** The path, or a way to it that fits into a socket address. */
  async #addressOf(directoryPath: string, path: string): Promise<string> {
    if (Buffer.byteLength(path) <= ADDRESS_MAX_BYTES) return path;
    this.#directory = await open(directoryPath, 'r');
    return `/proc/self/fd/${this.#directory.fd}/${NAMES_SOCKET}`;
  }

  #serve(socket: Socket): void {
    const connection: Connection = {
      socket,
      decoder: new FrameDecoder(FRAME_MAX_BYTES),
      containerId: '',
      tickMs: 0,
      tickCount: 0,
    };
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A monitor that ended: there is nobody to tell.
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => this.#receive(connection, chunk));
  }

  #receive(connection: Connection, chunk: Buffer): void {
    try {
      for (const frame of connection.decoder.push(chunk)) this.#take(connection, frame);
    } catch {
      connection.socket.destroy();
    }
  }

  /** Throws for a frame that does not belong here. */
  #take(connection: Connection, frame: Frame): void {
    const isFirst = connection.containerId === '';
    if (isFirst && frame.kind === FRAME_KIND.hello && frame.payload.length > 0) {
      connection.containerId = Buffer.from(frame.payload).toString('latin1');
      return;
    }
    if (isFirst || frame.kind !== FRAME_KIND.query) {
      throw new EngineError('corrupt', `Cannot take frame ${frame.kind} of a monitor`);
    }
    if (this.#isTooMuch(connection)) {
      this.#answer(connection, frame.id, undefined);
      return;
    }
    const { containerId } = connection;
    // The decoder's memory is used again.
    const message = Uint8Array.from(frame.payload);
    void this.#resolver
      .resolve({ containerId, message, isTcp: frame.id >= TCP_TOKEN })
      .catch(() => undefined)
      .then((bytes) => this.#answer(connection, frame.id, bytes));
  }

  #isTooMuch(connection: Connection): boolean {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#tickMs + TICK_MS) {
      this.#tickMs = nowMs;
      this.#tickCount = 0;
      this.#askerCount = 0;
    }
    if (connection.tickMs !== this.#tickMs) {
      connection.tickMs = this.#tickMs;
      connection.tickCount = 0;
      this.#askerCount += 1;
    }
    this.#tickCount += 1;
    connection.tickCount += 1;
    return this.#tickCount > TICK_MAX && connection.tickCount > TICK_MAX / this.#askerCount;
  }

  #answer({ socket }: Connection, id: number, bytes: Uint8Array | undefined): void {
    if (socket.destroyed) return;
    socket.write(encodeFrame(FRAME_KIND.answer, id, [bytes ?? NOTHING]));
    if (socket.writableLength > UNSENT_MAX_BYTES) socket.destroy();
  }
}
