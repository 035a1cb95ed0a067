/**
 * A typed client of the Engine API, for carve's own CLI and for programs. It
 * needs nothing but `node:net`, so it runs wherever that exists.
 *
 * ```ts
 * const client = createClient({ host: 'unix:///run/carve/carve.sock' });
 * const { Id } = await client.containers.create({ Image: 'debian', Cmd: ['true'] });
 * await client.containers.start(Id);
 * ```
 */

import { createContainerClient, type ContainerClient } from './containers.ts';
import { createExecClient, type ExecClient } from './execs.ts';
import { parseHost, type HostAddress } from './host.ts';
import { openConnection, type Connection } from './http/connection.ts';
import { createImageClient, type ImageClient } from './images.ts';
import { createNetworkClient, type NetworkClient } from './networks.ts';
import { createRegistriesClient, type RegistriesClient } from './registries.ts';
import { createSystemClient, type SystemClient } from './system.ts';
import { createVolumeClient, type VolumeClient } from './volumes.ts';
import { Transport } from './transport.ts';

/** Where carve's daemon listens unless told otherwise. */
export const defaultHost = 'unix:///run/carve/carve.sock';

/** What a client is made of; every field has a default. */
export interface ClientOptions {
  /** `unix://PATH` or `tcp://HOST:PORT`; default {@link defaultHost}. */
  readonly host?: string;
  /** Opens a connection; default: {@link openConnection}. */
  readonly connect?: (address: HostAddress) => Promise<Connection>;
  /** e.g. `1.51`, the default. */
  readonly apiVersion?: string;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A client of one engine. Every method throws `EngineError`; `unavailable` when no engine answers. */
export interface Client {
  readonly address: HostAddress;
  readonly containers: ContainerClient;
  readonly execs: ExecClient;
  readonly images: ImageClient;
  readonly networks: NetworkClient;
  readonly registries: RegistriesClient;
  readonly volumes: VolumeClient;
  readonly system: SystemClient;
  /** Version of the API in use; settled by the first request. */
  apiVersion(): string;
  /** Closes idle connections; calls under way go on. */
  close(): void;
}

/** A client of the engine at `host`. Connects with the first call. Throws `invalid` for a bad host. */
export function createClient(options: ClientOptions = {}): Client {
  const address = parseHost(options.host ?? defaultHost);
  const transport = new Transport({
    address,
    connect: options.connect ?? openConnection,
    ...(options.apiVersion === undefined ? {} : { apiVersion: options.apiVersion }),
    ...(options.headers === undefined ? {} : { headers: options.headers }),
  });
  return {
    address,
    containers: createContainerClient(transport),
    execs: createExecClient(transport),
    images: createImageClient(transport),
    networks: createNetworkClient(transport),
    registries: createRegistriesClient(transport),
    volumes: createVolumeClient(transport),
    system: createSystemClient(transport),
    apiVersion: () => transport.apiVersion,
    close: () => {
      transport.close();
    },
  };
}
