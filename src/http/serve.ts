/**
 * The Engine API of an engine, on a socket.
 */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { EngineError, messageOf } from '../base/error.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { Engine } from '../engine/engine.ts';
import { admitAll, admitLoopback } from './admit.ts';
import { createApp } from './app.ts';
import { Heads } from './heads.ts';
import type { ServerIdentity } from './identity.ts';
import { errorReply } from './reply.ts';
import { listenUnix, type PlacedSocket } from './unix-socket.ts';
import { defaultLimits, limitsWithin, type WireLimits } from './wire/limits.ts';
import { WireServer } from './wire/server.ts';

/** Milliseconds `close` waits for answers that are being written. */
const closeGraceMs = 2000;

/** Certificates of a TCP socket, PEM. Clients must show one that `ca` signed. */
export interface TlsOptions {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Where to listen. */
export type ListenAddress =
  | {
      readonly kind: 'unix';
      readonly path: string;
      /** Id of the group that may connect; `undefined`: `carve`, else `docker`, else root's. */
      readonly groupId?: number;
    }
  | {
      readonly kind: 'tcp';
      /** Without `tls` only a loopback address. */
      readonly host: string;
      /** 0: any free one. */
      readonly port: number;
      readonly tls?: TlsOptions;
    };

/** How to serve. */
export interface ServeOptions {
  readonly listen: ListenAddress;
  readonly identity: ServerIdentity;
  readonly log?: Log;
  /** Tests only: tighter limits. */
  readonly limits?: WireLimits;
}

/** A server that listens. */
export interface RunningServer {
  /** TCP port; `undefined` on a unix socket. */
  readonly port: number | undefined;
  /** Serve a connected socket that somebody else accepted, half-open allowed. */
  accept(socket: Socket): void;
  /** Stop listening, answer what is being answered, let every client go. */
  close(): Promise<void>;
}

/**
 * Serve the Engine API of `engine`.
 * Errors: `in-use` when another server answers at the address, `conflict` when a file is in the
 * way, `denied`, `invalid` for an address that must not be served.
 */
export async function serve(engine: Engine, options: ServeOptions): Promise<RunningServer> {
  const { listen } = options;
  const log = options.log ?? silentLog;
  const heads = new Heads(options.identity.version, () => Date.now());
  const admit = listen.kind === 'tcp' && listen.tls === undefined ? admitLoopback : admitAll;
  const wire = new WireServer({
    limits: options.limits ?? limitsWithin(openFilesMax()),
    handler: createApp({ engine, identity: options.identity, heads, log, admit }),
    monotonicMs: () => performance.now(),
    syntaxError: (error) => {
      const { status, contentType, body } = errorReply(error.status, error.message);
      return { head: heads.of(status, contentType), body };
    },
    tooMany: () => {
      const text = 'Too many connections are open to the carve daemon';
      const { status, contentType, body } = errorReply(503, text);
      return { head: heads.of(status, contentType), body };
    },
  });
  const accept = (socket: Socket): void => wire.accept(socket);
  const listener = createListener(listen, accept);
  const placed = await startListening(listener, listen);
  listener.on('error', (error) => log.error('listener failed', { error: messageOf(error) }));
  const address = listener.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? undefined) : undefined,
    accept,
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        listener.close(() => resolve());
      });
      await placed?.remove();
      await wire.close(closeGraceMs);
      await closed;
    },
  };
}

/** The soft limit of this process; 1024 where it cannot be read. Source: proc(5). */
function openFilesMax(): number {
  try {
    const found = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return Number(found?.[1] ?? 1024);
  } catch {
    return 1024;
  }
}

function createListener(listen: ListenAddress, accept: (socket: Socket) => void): Server {
  const options = { allowHalfOpen: true, noDelay: true };
  if (listen.kind === 'unix' || listen.tls === undefined) return createServer(options, accept);
  return createTlsServer(
    {
      ...options,
      ...listen.tls,
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: defaultLimits.headTimeoutMs,
    },
    accept,
  );
}

async function startListening(
  listener: Server,
  listen: ListenAddress,
): Promise<PlacedSocket | undefined> {
  if (listen.kind === 'unix') {
    const token = `${process.pid}.${randomBytes(4).toString('hex')}`;
    const { path, groupId } = listen;
    return listenUnix(listener, { path, token, ...(groupId === undefined ? {} : { groupId }) });
  }
  const { host, port } = listen;
  if (listen.tls === undefined && !isLoopback(host)) {
    throw new EngineError(
      'invalid',
      `Cannot listen on ${host}:${port}: whoever reaches this socket is root here, so beyond loopback it needs client certificates`,
    );
  }
  await new Promise<void>((resolve, reject) => {
    listener.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new EngineError(
          error.code === 'EADDRINUSE' ? 'in-use' : 'internal',
          `Cannot listen on ${host}:${port}: ${messageOf(error)}`,
          { cause: error },
        ),
      );
    });
    listener.listen({ host, port }, resolve);
  });
  return undefined;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
