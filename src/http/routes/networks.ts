/**
 * Networks: made, listed, joined, left, removed.
 * Source: Docker Engine API 1.51, Network; engine-api facts 2, 6.2.
 */

import { EngineError } from '../../base/error.ts';
import type { NetworkOperations } from '../../engine/engine.ts';
import type { Call } from '../call.ts';
import { networkConnectBody, networkCreateBody, networkDisconnectBody } from '../decode/network.ts';
import { empty, json, noContent, type Reply } from '../reply.ts';
import type { Route } from '../route.ts';
import { shapeNetwork, shapeNetworkCreate } from '../shape/network.ts';

/** First version whose list leaves the containers out. */
const SINCE_SHORT_LIST = 28;

/** Routes over `networks`. */
export function networkRoutes(networks: NetworkOperations): readonly Route[] {
  return [
    { method: 'GET', path: '/networks', handle: (call) => list(networks, call) },
    {
      method: 'GET',
      path: '/networks/{name}',
      handle: async (call) => {
        const scope = call.query.nonEmpty('scope');
        const options = scope === undefined ? {} : { scope };
        return json(shapeNetwork(await networks.inspect(call.name, options), call.version));
      },
    },
    { method: 'POST', path: '/networks/create', handle: (call) => create(networks, call) },
    {
      method: 'POST',
      path: '/networks/prune',
      since: 25,
      handle: async (call) => json({ NetworksDeleted: await networks.prune(call.filters) }),
    },
    {
      method: 'DELETE',
      path: '/networks/{name}',
      handle: async (call) => {
        await networks.remove(call.name);
        return noContent;
      },
    },
    {
      method: 'POST',
      path: '/networks/{name}/connect',
      handle: async (call) => {
        const body = required(await call.body(networkConnectBody));
        await networks.connect(call.name, {
          container: containerOf(body),
          settings: body.EndpointConfig ?? {},
        });
        return empty(200);
      },
    },
    {
      method: 'POST',
      path: '/networks/{name}/disconnect',
      handle: async (call) => {
        const body = required(await call.body(networkDisconnectBody));
        const force = body.Force ?? false;
        await networks.disconnect(call.name, { container: containerOf(body), force });
        return empty(200);
      },
    },
  ];
}

async function list(networks: NetworkOperations, call: Call): Promise<Reply> {
  const all = await networks.list(call.filters);
  const shown =
    call.version >= SINCE_SHORT_LIST
      ? all
      : await Promise.all(all.map(async ({ Id }) => networks.inspect(Id)));
  return json(shown.map((network) => shapeNetwork(network, call.version)));
}

async function create(networks: NetworkOperations, call: Call): Promise<Reply> {
  const body = required(await call.body(networkCreateBody));
  return json(await networks.create(shapeNetworkCreate(body, call.version)), 201);
}

/** Errors: `invalid`. */
function required<T>(body: T | undefined): T {
  if (body !== undefined) return body;
  throw new EngineError('invalid', 'Invalid request body: it is empty');
}

/** Errors: `invalid`. */
function containerOf(body: { readonly Container?: string }): string {
  const ref = body.Container ?? '';
  if (ref !== '') return ref;
  throw new EngineError('invalid', 'Invalid request body: Container is empty');
}
