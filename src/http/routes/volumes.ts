/**
 * Volumes, and below `/carve` what only carve does with them.
 * Source: Docker Engine API 1.51, Volume; engine-api facts 2, 6.2.
 */

import { EngineError } from '../../base/error.ts';
import type { Filters } from '../../engine/engine.ts';
import type { CopyVolume, CreateVolume, VolumeOperations } from '../../engine/volumes/contract.ts';
import type { Call } from '../call.ts';
import { boolean, type Decode, map, object, text, unit } from '../decode/shape.ts';
import { json, noContent, type Reply } from '../reply.ts';
import type { Route } from '../route.ts';

/** From this version on a prune leaves named volumes alone unless told otherwise. */
const ANONYMOUS_ONLY_SINCE = 42;

interface CreateBody extends CreateVolume {
  readonly ClusterVolumeSpec?: object;
}

const createBody: Decode<CreateBody> = object<CreateBody>({
  Name: text,
  Driver: text,
  DriverOpts: map(text),
  Labels: map(text),
  ClusterVolumeSpec: unit,
});

const copyBody: Decode<CopyVolume> = object<CopyVolume>({
  Name: text,
  Labels: map(text),
  Pause: boolean,
});

interface RenameBody {
  readonly Name?: string;
}

const renameBody: Decode<RenameBody> = object<RenameBody>({ Name: text });

/** Routes over `volumes`. */
export function volumeRoutes(volumes: VolumeOperations): readonly Route[] {
  return [...dockerRoutes(volumes), ...ownRoutes(volumes)];
}

function dockerRoutes(volumes: VolumeOperations): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/volumes',
      handle: async (call) => json({ Volumes: await volumes.list(call.filters), Warnings: null }),
    },
    {
      method: 'GET',
      path: '/volumes/{name}',
      handle: async (call) => json(await volumes.inspect(call.name)),
    },
    { method: 'POST', path: '/volumes/create', handle: (call) => create(volumes, call) },
    {
      method: 'POST',
      path: '/volumes/prune',
      since: 25,
      handle: async (call) => {
        const { deleted, spaceReclaimedBytes } = await volumes.prune(pruneFilters(call));
        return json({
          VolumesDeleted: deleted.length === 0 ? null : deleted,
          SpaceReclaimed: spaceReclaimedBytes,
        });
      },
    },
    {
      method: 'DELETE',
      path: '/volumes/{name}',
      handle: async (call) => {
        await volumes.remove(call.name, { force: call.query.boolean('force') });
        return noContent;
      },
    },
  ];
}

function ownRoutes(volumes: VolumeOperations): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/carve/volumes/{name}/clone',
      handle: async (call) => {
        const request = (await call.body(copyBody)) ?? {};
        return json(await volumes.clone(call.name, request, { signal: call.signal }), 201);
      },
    },
    {
      method: 'POST',
      path: '/carve/volumes/{name}/snapshot',
      handle: async (call) => {
        const request = (await call.body(copyBody)) ?? {};
        return json(await volumes.snapshot(call.name, request, { signal: call.signal }), 201);
      },
    },
    {
      method: 'POST',
      path: '/carve/volumes/{name}/rename',
      handle: async (call) => {
        const { Name: newName = '' } = (await call.body(renameBody)) ?? {};
        return json(await volumes.rename(call.name, newName));
      },
    },
    {
      method: 'GET',
      path: '/carve/volumes/{name}/export',
      handle: async (call) => ({
        kind: 'stream',
        contentType: 'application/x-tar',
        pieces: await volumes.export(call.name, { signal: call.signal }),
        lateError: undefined,
      }),
    },
    {
      method: 'POST',
      path: '/carve/volumes/import',
      handle: async (call) => {
        const name = call.query.nonEmpty('name');
        const request = {
          ...(name === undefined ? {} : { Name: name }),
          Labels: labelsOf(call.query.all('label')),
        };
        const { signal } = call;
        return json(await volumes.import(request, call.bodyStream(), { signal }), 201);
      },
    },
  ];
}

async function create(volumes: VolumeOperations, call: Call): Promise<Reply> {
  const { ClusterVolumeSpec: cluster, ...request } = (await call.body(createBody)) ?? {};
  if (cluster !== undefined) {
    throw new EngineError(
      'unavailable',
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  }
  return json(await volumes.create(request), 201);
}

/** Older clients mean every unused volume. */
function pruneFilters(call: Call): Filters {
  return call.version >= ANONYMOUS_ONLY_SINCE ? call.filters : { ...call.filters, all: ['true'] };
}

function labelsOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const equals = pair.indexOf('=');
      return equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
}
