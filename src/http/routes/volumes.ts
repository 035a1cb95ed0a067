/**
 * Volumes, as far as they exist: what containers made is listed.
 * Source: Docker Engine API 1.51, Volume; engine-api facts 2, 6.2.
 */

import { EngineError } from '../../base/error.ts';
import type { SystemOperations } from '../../engine/engine.ts';
import type { Volume } from '../../spec/docker/system.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';

/** Routes; `system` knows the volumes from its disk usage. */
export function volumeRoutes(system: SystemOperations): readonly Route[] {
  const all = async (): Promise<readonly Volume[]> =>
    (await system.diskUsage()).Volumes.map(({ UsageData: _, ...volume }) => volume);
  return [
    {
      method: 'GET',
      path: '/volumes',
      handle: async () => json({ Volumes: await all(), Warnings: null }),
    },
    {
      method: 'GET',
      path: '/volumes/{name}',
      handle: async (call) => {
        const volume = (await all()).find(({ Name }) => Name === call.name);
        if (volume !== undefined) return json(volume);
        throw new EngineError('not-found', `get ${call.name}: no such volume`);
      },
    },
    { method: 'POST', path: '/volumes/create', handle: () => notYet('Creating a volume') },
    { method: 'POST', path: '/volumes/prune', since: 25, handle: () => notYet('Pruning volumes') },
    { method: 'DELETE', path: '/volumes/{name}', handle: () => notYet('Removing a volume') },
  ];
}

/** Errors: always `unsupported`. */
function notYet(what: string): never {
  throw new EngineError('unsupported', `${what} is not supported yet`);
}
