/**
 * A local socket by the runtime's own means, which are there without loading a
 * module. Only Bun has them; where they are absent, or say no, `node:net` is
 * asked, whose errors are the system's.
 *
 * Source: Bun's documentation, "TCP sockets" (`Bun.connect`, back pressure).
 */

import type { RawSocket, SocketListener } from './raw-socket.ts';

/** The part of Bun's sockets that is used. */
interface BunSocket {
  /** Bytes that were taken; fewer than given: `drain` follows. Negative: closed. */
  write(data: Uint8Array): number;
  /** Ends this direction. */
  shutdown(): void;
  /** Closes at once. */
  terminate(): void;
  pause(): void;
  resume(): void;
  ref(): void;
  unref(): void;
}

interface BunHandlers {
  data(socket: BunSocket, bytes: Uint8Array): void;
  end(): void;
  error(socket: BunSocket, cause: unknown): void;
  close(): void;
  drain(): void;
  open(): void;
}

interface BunRuntime {
  connect(options: {
    readonly unix: string;
    readonly allowHalfOpen: true;
    readonly socket: BunHandlers;
  }): Promise<BunSocket>;
}

/** Connects to the socket at `path`; `undefined` when this runtime cannot, for whatever reason. */
export async function openRuntimeSocket(path: string): Promise<RawSocket | undefined> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a global that only one runtime has, described by what is used
  const runtime = (globalThis as { readonly Bun?: BunRuntime }).Bun;
  if (runtime === undefined) return undefined;
  const made = new RuntimeSocket();
  try {
    made.attach(await runtime.connect({ unix: path, allowHalfOpen: true, socket: made.handlers }));
    return made;
  } catch {
    return undefined;
  }
}

class RuntimeSocket implements RawSocket {
  readonly handlers: BunHandlers;
  #socket: BunSocket | undefined;
  #listener: SocketListener | undefined;
  /** What the socket has not taken. */
  #waiting: Uint8Array[] = [];
  #isEnded = false;
  #isClosed = false;

  constructor() {
    this.handlers = {
      open: () => undefined,
      data: (_, bytes) =>
        this.#listener?.data(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)),
      end: () => this.#listener?.end(),
      error: (_, cause) => this.#listener?.error(cause),
      close: () => this.#closed(),
      drain: () => this.#drain(),
    };
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  attach(socket: BunSocket): void {
    this.#socket = socket;
  }

  listen(listener: SocketListener): void {
    this.#listener = listener;
  }

  write(data: string | Uint8Array): boolean {
    if (this.#isEnded || this.#isClosed) return false;
    this.#waiting.push(typeof data === 'string' ? Buffer.from(data) : data);
    return this.#waiting.length > 1 ? false : this.#flush();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#waiting.length === 0) this.#socket?.shutdown();
  }

  destroy(): void {
    this.#isEnded = true;
    this.#waiting = [];
    if (!this.#isClosed) this.#socket?.terminate();
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#isClosed) this.#socket?.resume();
  }

  keepAlive(isKept: boolean): void {
    if (isKept) this.#socket?.ref();
    else this.#socket?.unref();
  }

  /** True when nothing waits any more. */
  #flush(): boolean {
    for (let data = this.#waiting[0]; data !== undefined; data = this.#waiting[0]) {
      const taken = Math.max(0, this.#socket?.write(data) ?? 0);
      if (taken < data.length) {
        this.#waiting[0] = data.subarray(taken);
        return false;
      }
      this.#waiting.shift();
    }
    return true;
  }

  #drain(): void {
    if (this.#isClosed || this.#waiting.length === 0 || !this.#flush()) return;
    if (this.#isEnded) this.#socket?.shutdown();
    this.#listener?.drain();
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isEnded = true;
    this.#listener?.close();
  }
}
