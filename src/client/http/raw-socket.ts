/** What a connection needs of a socket; `open-socket.ts` gives one. */

/** What a socket tells. Each at most once, but `data` and `drain`. */
export interface SocketListener {
  data(bytes: Buffer): void;
  /** The peer sends no more. */
  end(): void;
  error(cause: unknown): void;
  /** Gone, both ways. */
  close(): void;
  /** What waited to be sent is on its way. */
  drain(): void;
}

/** A connected socket. */
export interface RawSocket {
  /** Before the first byte is sent; the socket tells nothing before. */
  listen(listener: SocketListener): void;
  /** `false`: it waits to be sent; `drain` follows. */
  write(data: string | Uint8Array): boolean;
  /** Ends what this side sends, after what waits; the peer may go on. Idempotent. */
  end(): void;
  /** True once {@link end} or {@link destroy} was called. */
  readonly isEnded: boolean;
  /** Closes at once. Idempotent. */
  destroy(): void;
  pause(): void;
  resume(): void;
  /** Whether an open socket keeps the process alive. */
  keepAlive(isKept: boolean): void;
}
