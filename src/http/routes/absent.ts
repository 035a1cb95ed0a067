/**
 * What Docker has and a single engine does not: clients that ask get the answer
 * that makes them go on without.
 * Source: engine-api facts 2 (plugins, swarm).
 */

import { EngineError } from '../../base/error.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';

const swarmPaths: ReadonlySet<string> = new Set([
  '/swarm',
  '/services',
  '/nodes',
  '/tasks',
  '/secrets',
  '/configs',
]);

/** Routes of what exists only as an answer. */
export const absentRoutes: readonly Route[] = [
  { method: 'GET', path: '/plugins', since: 25, handle: () => json([]) },
  {
    method: 'GET',
    path: '/plugins/{name}/json',
    since: 25,
    handle: (call) => {
      throw new EngineError('not-found', `plugin ${JSON.stringify(call.name)} not found`);
    },
  },
  {
    method: 'POST',
    path: '/plugins/pull',
    since: 25,
    handle: () => {
      throw new EngineError('unsupported', 'Plugins are not supported');
    },
  },
  {
    method: 'POST',
    path: '/build',
    handle: () => {
      throw new EngineError('unsupported', 'Building images is not supported yet');
    },
  },
];

/** Errors: `unavailable` for anything about a swarm. */
export function refuseSwarm(path: string): void {
  const slash = path.indexOf('/', 1);
  if (!swarmPaths.has(slash === -1 ? path : path.slice(0, slash))) return;
  throw new EngineError(
    'unavailable',
    path === '/swarm/leave'
      ? 'This node is not part of a swarm'
      : 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
}
