/** The limits that keep a client from holding the server's memory or time. */

/** Of one server. */
export interface WireLimits {
  /** Milliseconds from the first byte of a request (or of a new connection) to the end of its head. */
  readonly headTimeoutMs: number;
  /** Milliseconds for a body that is read into memory. */
  readonly bodyTimeoutMs: number;
  /** Milliseconds a connection may rest between two requests. */
  readonly idleTimeoutMs: number;
  /** Milliseconds for a client to close after our last byte. */
  readonly lingerTimeoutMs: number;
  /** Bytes of a body nobody wanted that are read away to keep the connection. */
  readonly drainedBytesMax: number;
  /** Count of connections at a time. */
  readonly connectionsMax: number;
}

/** The limits of the daemon. */
export const defaultLimits: WireLimits = {
  headTimeoutMs: 10_000,
  bodyTimeoutMs: 30_000,
  // Longer than the idle pools of the known clients, so that it is the client
  // that closes: a server that closes first loses the race with the next request.
  idleTimeoutMs: 300_000,
  lingerTimeoutMs: 5_000,
  drainedBytesMax: 4 * 1024 * 1024,
  connectionsMax: 8192,
};

/** Descriptors that are kept for everything but connections. */
const ownDescriptors = 48;
/** Descriptors a connection may need: its own, and one of the monitor or file it is about. */
const descriptorsEach = 2;

/** `defaultLimits`, with no more connections than a process with `openFilesMax` descriptors can serve; at least 4. Pure. */
export function limitsWithin(openFilesMax: number): WireLimits {
  const served = Math.floor((openFilesMax - ownDescriptors) / descriptorsEach);
  const connectionsMax = Math.min(defaultLimits.connectionsMax, Math.max(4, served));
  return { ...defaultLimits, connectionsMax };
}
