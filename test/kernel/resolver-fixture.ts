/**
 * What the tests of the resolver share: a program in a network namespace of its
 * own with a resolver, and whoever answers at the other end of the socket.
 */

import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeFrame, type Frame, FRAME_KIND, FrameDecoder } from '../../src/kernel/frame.ts';
import { encodeMessages } from '../../src/kernel/netlink/message.ts';
import { setLink } from '../../src/kernel/netlink/link.ts';
import { NETLINK_ROUTE } from '../../src/kernel/netlink/rtnetlink.ts';
import { CLONE } from '../../src/kernel/plan/flags.ts';
import type { Plan } from '../../src/kernel/plan/op.ts';
import { NAMES_SOCKET, planResolver } from '../../src/network/plan/resolver.ts';
import { cloneOp, execOp, STDIO } from './plan-fixture.ts';

/** Greatest frame of a monitor: a query of 4 KiB. */
const QUERY_FRAME_BYTES = 4096 + 12;
const NOTHING = new Uint8Array(0);

/** Operations after `monitor`: a program with loopback and a resolver in a namespace of its own. */
export function resolverOps(
  directory: string,
  argv: readonly string[],
  withoutRedirection = false,
): Plan {
  return [
    cloneOp(CLONE.CLONE_NEWNET),
    { op: 'netlink-open', slot: 0, protocol: NETLINK_ROUTE },
    {
      op: 'netlink',
      slot: 0,
      messages: encodeMessages([setLink({ index: 1 }, { up: true })]),
      patches: NOTHING,
      ignore: 0,
    },
    { op: 'close', slot: 0 },
    ...planResolver({ slot: 0, directory, containerId: 'c1', withoutRedirection }),
    STDIO,
    execOp(argv),
  ];
}

/** One query as the other end sees it. */
export interface Heard {
  readonly label: string;
  readonly frame: Frame;
  readonly reply: (payload: Uint8Array) => void;
}

/** Whoever answers: a server at the socket. */
export class FakeNames implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #path: string;

  private constructor(directory: string, hear: (query: Heard) => void) {
    this.#path = join(directory, NAMES_SOCKET);
    this.#server = createServer((socket) => this.#serve(socket, hear));
  }

  static async listen(directory: string, hear: (query: Heard) => void): Promise<FakeNames> {
    const fake = new FakeNames(directory, hear);
    await rm(fake.#path, { force: true });
    fake.#server.listen(fake.#path);
    await once(fake.#server, 'listening');
    return fake;
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** A connection to the monitor, to write anything to. */
  get sockets(): readonly Socket[] {
    return [...this.#sockets];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket, hear: (query: Heard) => void): void {
    const decoder = new FrameDecoder(QUERY_FRAME_BYTES);
    let label = '';
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) {
        if (frame.kind === FRAME_KIND.hello) label = Buffer.from(frame.payload).toString();
        if (frame.kind !== FRAME_KIND.query) continue;
        const reply = (payload: Uint8Array): void => {
          socket.write(encodeFrame(FRAME_KIND.answer, frame.id, [payload]));
        };
        hear({ label, frame, reply });
      }
    });
  }
}
