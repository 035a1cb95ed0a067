/**
 * The network endpoints of the Engine API, typed. `ref` is an id, a unique
 * prefix of one, or a name.
 *
 * Source: Docker Engine API 1.51, "Network".
 */

import type {
  NetworkConnectBody,
  NetworkCreateBody,
  NetworkCreated,
  NetworkDisconnectBody,
  NetworkInspect,
  NetworkSummary,
} from '../spec/docker/network.ts';
import type { EgressLog } from '../spec/egress.ts';
import type { NetworkExposure } from '../spec/exposure.ts';
import { encodeSegment } from './http/message.ts';
import type { Transport } from './transport.ts';
import { encodeFilters, type CallOptions, type Filters } from './types.ts';

/** A network as engines of any version list it. */
export interface ListedNetwork extends Omit<NetworkSummary, 'EnableIPv4' | 'Labels'> {
  /** Since API 1.48. */
  readonly EnableIPv4?: boolean;
  readonly Labels: NetworkSummary['Labels'] | null;
}

/** Operations on networks. Every method throws `EngineError`. */
export interface NetworkClient {
  list(options?: CallOptions & { readonly filters?: Filters }): Promise<readonly ListedNetwork[]>;
  inspect(ref: string, options?: { readonly verbose?: boolean }): Promise<NetworkInspect>;
  create(body: NetworkCreateBody): Promise<NetworkCreated>;
  remove(ref: string): Promise<void>;
  prune(filters?: Filters): Promise<{ readonly NetworksDeleted: readonly string[] | null }>;
  connect(ref: string, body: NetworkConnectBody): Promise<void>;
  disconnect(ref: string, body: NetworkDisconnectBody): Promise<void>;
  /** What containers, or one of them, tried and might not. */
  denials(container?: string): Promise<EgressLog>;
  /** Who reaches which port of running containers, or of one. */
  exposure(container?: string): Promise<NetworkExposure>;
}

/** The network endpoints of one engine. */
export function createNetworkClient(transport: Transport): NetworkClient {
  const pathOf = (ref: string, verb = ''): string => `/networks/${encodeSegment(ref)}${verb}`;
  return {
    list: ({ filters, signal } = {}) =>
      transport.json({
        method: 'GET',
        path: '/networks',
        query: { filters: encodeFilters(filters) },
        signal,
      }),
    inspect: (ref, { verbose } = {}) =>
      transport.json({ method: 'GET', path: pathOf(ref), query: { verbose } }),
    create: (json) => transport.json({ method: 'POST', path: '/networks/create', json }),
    remove: async (ref) => {
      await transport.send({ method: 'DELETE', path: pathOf(ref) });
    },
    prune: (filters) =>
      transport.json({
        method: 'POST',
        path: '/networks/prune',
        query: { filters: encodeFilters(filters) },
      }),
    connect: async (ref, json) => {
      await transport.send({ method: 'POST', path: pathOf(ref, '/connect'), json });
    },
    disconnect: async (ref, json) => {
      await transport.send({ method: 'POST', path: pathOf(ref, '/disconnect'), json });
    },
    denials: (container) =>
      transport.json({ method: 'GET', path: '/carve/egress/log', query: { container } }),
    exposure: (container) =>
      transport.json({ method: 'GET', path: '/carve/network/exposure', query: { container } }),
  };
}
