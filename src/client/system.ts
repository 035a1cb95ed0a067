/**
 * The endpoints of the engine itself, typed.
 *
 * Source: Docker Engine API 1.51, "System".
 */

import type { DiskUsage, EngineEvent, SystemInfo } from '../spec/docker/system.ts';
import { decodeAs } from './decode.ts';
import { readJsonStream } from './json.ts';
import type { Transport } from './transport.ts';
import { encodeFilters, type CallOptions, type Filters } from './types.ts';

/** Answer of `GET /version`. Source: Engine API `SystemVersion`. */
export interface SystemVersion {
  readonly Platform?: { readonly Name: string };
  readonly Components?: readonly {
    readonly Name: string;
    readonly Version: string;
    readonly Details?: Readonly<Record<string, string>>;
  }[];
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion?: string;
  readonly GitCommit: string;
  readonly GoVersion?: string;
  readonly Os: string;
  readonly Arch: string;
  readonly KernelVersion?: string;
  readonly BuildTime?: string;
  readonly Experimental?: boolean;
}

/** Credentials for one registry. Source: Engine API `AuthConfig`. */
export interface AuthConfig {
  readonly username?: string;
  readonly password?: string;
  readonly serveraddress?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** Operations on the engine itself. Every method throws `EngineError`. */
export interface SystemClient {
  /** Headers of the answer, names in lower case. */
  ping(options?: CallOptions): Promise<ReadonlyMap<string, string>>;
  version(options?: CallOptions): Promise<SystemVersion>;
  info(options?: CallOptions): Promise<SystemInfo>;
  diskUsage(options?: CallOptions): Promise<DiskUsage>;
  /** `since`, `until`: seconds since the epoch, with up to nine decimals. */
  events(
    options?: CallOptions & {
      readonly since?: string | undefined;
      readonly until?: string | undefined;
      readonly filters?: Filters;
    },
  ): AsyncIterable<EngineEvent>;
  /** Checks credentials with their registry. */
  login(auth: AuthConfig): Promise<{ readonly Status: string; readonly IdentityToken?: string }>;
}

/** The system endpoints of one engine. */
export function createSystemClient(transport: Transport): SystemClient {
  return {
    ping: async ({ signal } = {}) => {
      const { headers, body } = await transport.stream({ method: 'HEAD', path: '/_ping', signal });
      await body.read();
      return headers;
    },
    version: ({ signal } = {}) => transport.json({ method: 'GET', path: '/version', signal }),
    info: ({ signal } = {}) => transport.json({ method: 'GET', path: '/info', signal }),
    diskUsage: ({ signal } = {}) => transport.json({ method: 'GET', path: '/system/df', signal }),
    events: async function* ({ since, until, filters, signal } = {}) {
      const query = { since, until, filters: encodeFilters(filters) };
      const { body } = await transport.stream({ method: 'GET', path: '/events', query, signal });
      for await (const event of readJsonStream(body)) yield decodeAs<EngineEvent>(event);
    },
    login: (auth) => transport.json({ method: 'POST', path: '/auth', json: auth }),
  };
}
