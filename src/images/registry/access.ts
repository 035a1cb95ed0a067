/** How this engine reaches registries: its configuration, its transport, one client for each conversation. */

import { RegistryClient } from './client.ts';
import type { RegistryConfig } from './config.ts';
import type { Credentials } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import type { RetryOptions } from './retry.ts';
import { Session } from './session.ts';
import { readTlsSettings } from './tls.ts';
import type { Transport } from './transport.ts';

/** For whom a client speaks. */
export interface ClientRequest {
  /** The image as the user named it, for messages. */
  readonly display: string;
  readonly credentials: Credentials | undefined;
}

/** The way to registries. */
export interface RegistryAccess {
  readonly config: RegistryConfig;
  /** Count of blobs of one pull that come in at once. */
  readonly concurrentDownloads: number;
  /** Count of blobs of one push that go out at once. */
  readonly concurrentUploads: number;
  /** A client of a repository. Errors: `invalid` for certificates that cannot be read. */
  open(endpoint: Endpoint, request: ClientRequest): Promise<RegistryClient>;
  /** A conversation with an endpoint beside its repositories. `isLogin`: ask for a refresh token. Errors as `open`. */
  session(
    endpoint: Endpoint,
    credentials: Credentials | undefined,
    isLogin?: boolean,
  ): Promise<Session>;
}

/** Parts of the access. */
export interface RegistryAccessOptions {
  readonly config: RegistryConfig;
  readonly transport: Transport;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** Count; default 3, as Docker's. */
  readonly concurrentDownloads?: number;
  /** Count; default 5, as Docker's. */
  readonly concurrentUploads?: number;
  readonly retry?: RetryOptions;
}

/** Make the access. The caller closes the transport. */
export function createRegistryAccess(options: RegistryAccessOptions): RegistryAccess {
  const { config, transport, nowMs, retry } = options;
  const session: RegistryAccess['session'] = async (endpoint, credentials, isLogin = false) => {
    const tls = await readTlsSettings(endpoint.host, endpoint.settings);
    return new Session({
      transport,
      endpoint,
      tls,
      credentials,
      isLogin,
      nowMs,
      ...(retry === undefined ? {} : { retry }),
    });
  };
  return {
    config,
    concurrentDownloads: options.concurrentDownloads ?? 3,
    concurrentUploads: options.concurrentUploads ?? 5,
    session,
    open: async (endpoint, { display, credentials }) =>
      new RegistryClient(await session(endpoint, credentials), {
        path: endpoint.repository,
        display,
      }),
  };
}
