/**
 * Name resolution of one engine, put together: the directory that the engine
 * keeps true, and the server that containers ask.
 */

import { NameDirectory } from './directory.ts';
import { Forwarder } from './forward.ts';
import type { NameHooks } from './resolve.ts';
import { NameServer } from './server.ts';
import { HostUpstreams } from './upstream.ts';

/** Names of containers, as the engine sees them. */
export interface NameService {
  readonly directory: NameDirectory;
  /** Answer from now on. Precondition: the directory knows the containers that run. Errors: `unavailable`. */
  listen(): Promise<void>;
  /** Containers keep their resolvers, which wait for who listens next. Idempotent. */
  close(): Promise<void>;
}

/** What it works with. */
export interface NameServiceOptions {
  /** The engine's run directory: others may not make files there. */
  readonly directoryPath: string;
  /** The host's resolv.conf. */
  readonly resolvConfPath: string;
  /** Milliseconds that grow steadily. */
  readonly nowMs: () => number;
  readonly hooks?: NameHooks;
}

/** A service that does not listen yet. */
export function createNameService(options: NameServiceOptions): NameService {
  const { directoryPath, nowMs } = options;
  const directory = new NameDirectory();
  const host = new HostUpstreams(options.resolvConfPath, nowMs);
  let server: NameServer | undefined;
  return {
    directory,
    async listen() {
      server = await NameServer.listen({
        directory,
        directoryPath,
        nowMs,
        forwarder: new Forwarder(nowMs),
        hostUpstreams: () => host.list(),
        ...(options.hooks === undefined ? {} : { hooks: options.hooks }),
      });
    },
    async close() {
      await server?.close();
      server = undefined;
    },
  };
}
