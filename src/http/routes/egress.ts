/** carve's own: what containers tried and might not, and who reaches what. */

import type { NetworkOperations } from '../../engine/engine.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';

/** Routes over `networks`. */
export function egressRoutes(networks: NetworkOperations): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/carve/egress/log',
      handle: async (call) =>
        json({ Entries: await networks.denials(call.query.nonEmpty('container')) }),
    },
    {
      method: 'GET',
      path: '/carve/network/exposure',
      handle: async (call) => json(await networks.exposure(call.query.nonEmpty('container'))),
    },
  ];
}
