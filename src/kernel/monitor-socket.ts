/**
 * Connections to a monitor's socket, whatever the length of its path.
 *
 * Source: unix(7): a socket address holds 108 bytes; proc(5): /proc/self/fd.
 */

import { open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { EngineError } from '../base/error.ts';
import { encodeFrame, FRAME_HEAD_BYTES } from './frame.ts';

/** Options of every conversation with a monitor. */
export interface MonitorOptions {
  readonly signal?: AbortSignal;
  /** Longest wait for the first answer in milliseconds; default 10,000. */
  readonly timeoutMs?: number;
}

const SOCKET_NAME = 'monitor.sock';
const PATH_MAX_BYTES = 107;
const TIMEOUT_MS = 10_000;
/** Nobody listens: never started, ended, or killed. */
const GONE = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** The `code` of a system error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** The engine's error for a failing connection: `not-found` when no monitor is there. */
export function monitorError(runDir: string, cause: unknown): EngineError {
  const code = codeOf(cause) ?? '';
  return GONE.has(code)
    ? new EngineError('not-found', `No monitor answers in ${runDir}`, { cause })
    : new EngineError('unavailable', `Cannot reach the monitor in ${runDir}: ${code}`, { cause });
}

/** Connect; the socket is paused and half-open. Errors: `not-found`, `unavailable`, `cancelled`, `timeout`. */
export async function connectSocket(runDir: string, options: MonitorOptions = {}): Promise<Socket> {
  const path = join(runDir, SOCKET_NAME);
  if (Buffer.byteLength(path) <= PATH_MAX_BYTES) return await connectPath(runDir, path, options);
  const directory = await open(runDir, 'r').catch((cause: unknown) => {
    throw monitorError(runDir, cause);
  });
  try {
    return await connectPath(runDir, `/proc/self/fd/${directory.fd}/${SOCKET_NAME}`, options);
  } finally {
    await directory.close();
  }
}

function connectPath(runDir: string, path: string, options: MonitorOptions): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.pause();
  return guard(socket, { runDir, ...options }, (resolve) => {
    socket.once('connect', () => resolve(socket));
  });
}

/** Settle by `begin`, or by the socket's failure, the signal, or the time; destroys the socket unless it succeeds. */
function guard<T>(
  socket: Socket,
  options: MonitorOptions & { readonly runDir: string },
  begin: (resolve: (value: T) => void, reject: (error: EngineError) => void) => void,
): Promise<T> {
  const { runDir } = options;
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onError = (cause: Error): void => reject(monitorError(runDir, cause));
  const onClose = (): void =>
    reject(new EngineError('not-found', `No monitor answers in ${runDir}`));
  const onAbort = (): void => reject(new EngineError('cancelled', 'The operation was cancelled'));
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const timer = setTimeout(() => {
    reject(
      new EngineError('timeout', `The monitor in ${runDir} did not answer for ${timeoutMs} ms`),
    );
  }, timeoutMs);
  socket.once('error', onError).once('close', onClose);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted === true) onAbort();
  begin(resolve, reject);
  return promise
    .catch((error: unknown) => {
      // Late errors of a socket that is given up are nobody's.
      socket.on('error', () => undefined);
      socket.destroy();
      throw error;
    })
    .finally(() => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError).off('close', onClose);
    });
}

/** The first question of a connection, and the frame that answers it. */
export interface Opening {
  readonly question: { readonly kind: number; readonly id: number; readonly payload: Uint8Array };
  readonly answer: { readonly kind: number; readonly payloadBytes: number };
}

/**
 * Connect and ask the first question.
 * What follows the answer stays in the socket, which is returned paused.
 * Errors: as {@link connectSocket}; `corrupt` for another answer.
 */
export async function openConversation(
  runDir: string,
  opening: Opening,
  options: MonitorOptions = {},
): Promise<{ readonly socket: Socket; readonly payload: Buffer }> {
  const { question, answer } = opening;
  const socket = await connectSocket(runDir, options);
  const payload = await guard<Buffer>(socket, { runDir, ...options }, (resolve, reject) => {
    socket.write(encodeFrame(question.kind, question.id, [question.payload]));
    readExactly(socket, FRAME_HEAD_BYTES + answer.payloadBytes, (bytes) => {
      if (bytes.readUInt16LE(4) === answer.kind) resolve(bytes.subarray(FRAME_HEAD_BYTES));
      else
        reject(
          new EngineError(
            'corrupt',
            `The monitor in ${runDir} answered with a frame of another kind`,
          ),
        );
    });
  });
  return { socket, payload };
}

/** Call back with the first `count` bytes; the rest stays unread. */
function readExactly(socket: Socket, count: number, done: (bytes: Buffer) => void): void {
  const onReadable = (): void => {
    // A stream of bytes gives a Buffer, or null while there are fewer.
    const bytes: unknown = socket.read(count);
    if (!Buffer.isBuffer(bytes) || bytes.byteLength < count) return;
    socket.off('readable', onReadable);
    done(bytes);
  };
  socket.on('readable', onReadable);
}
