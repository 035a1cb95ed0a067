/**
 * Files of a container: `docker cp`.
 * Source: Docker Engine API 1.51, ContainerArchive; engine-api facts 5.7.
 */

import { EngineError } from '../../base/error.ts';
import type { ContainerOperations } from '../../engine/engine.ts';
import type { PathStat } from '../../spec/docker/archive.ts';
import type { Call } from '../call.ts';
import { encodeJson } from '../json.ts';
import { empty, type ExtraHeaders } from '../reply.ts';
import type { Route } from '../route.ts';

/** Routes over `containers`. */
export function archiveRoutes(containers: ContainerOperations): readonly Route[] {
  const path = '/containers/{name}/archive';
  return [
    {
      method: 'HEAD',
      path,
      handle: async (call) => {
        const { signal } = call;
        return empty(
          200,
          statHeader(await containers.statPath(call.name, pathOf(call), { signal })),
        );
      },
    },
    {
      method: 'GET',
      path,
      handle: async (call) => {
        const { signal } = call;
        const { stat, archive } = await containers.readArchive(call.name, pathOf(call), { signal });
        return {
          kind: 'stream',
          contentType: 'application/x-tar',
          pieces: archive,
          lateError: undefined,
          headers: statHeader(stat),
        };
      },
    },
    {
      method: 'PUT',
      path,
      handle: async (call) => {
        const target = pathOf(call);
        await containers.writeArchive(call.name, target, call.bodyStream(), {
          keepKinds: call.query.boolean('noOverwriteDirNonDir'),
          ownByUser: call.query.boolean('copyUIDGID'),
          signal: call.signal,
        });
        return empty(200);
      },
    },
  ];
}

function pathOf(call: Call): string {
  const path = call.query.nonEmpty('path');
  if (path === undefined) throw new EngineError('invalid', "Bad parameter: 'path' is required");
  if (path.includes('\0')) throw new EngineError('invalid', "Bad parameter: 'path' holds a NUL");
  return path;
}

function statHeader(stat: PathStat): ExtraHeaders {
  return {
    'X-Docker-Container-Path-Stat': Buffer.from(encodeJson(stat), 'utf8').toString('base64'),
  };
}
