/**
 * Life and facts of containers.
 * Source: Docker Engine API 1.51, Container; engine-api facts 2, 4, 5.1.
 */

import { EngineError } from '../../base/error.ts';
import type { ContainerOperations } from '../../engine/engine.ts';
import type { Call } from '../call.ts';
import { createBody, updateBody } from '../decode/container.ts';
import { empty, json, noContent, notModified, type Reply } from '../reply.ts';
import type { Route } from '../route.ts';
import { shapeInspect, shapeSummary } from '../shape/container.ts';
import { shapeCreate } from '../shape/create.ts';

/** Routes over `containers`. */
export function containerRoutes(containers: ContainerOperations): readonly Route[] {
  return [
    ...lifeRoutes(containers),
    ...changeRoutes(containers),
    { method: 'GET', path: '/containers/json', handle: (call) => listContainers(containers, call) },
    {
      method: 'GET',
      path: '/containers/{name}/json',
      handle: async (call) => {
        const size = call.query.boolean('size');
        return json(shapeInspect(await containers.inspect(call.name, { size }), call.version));
      },
    },
  ];
}

function lifeRoutes(containers: ContainerOperations): readonly Route[] {
  return [
    { method: 'POST', path: '/containers/create', handle: (call) => create(containers, call) },
    { method: 'POST', path: '/containers/{name}/start', handle: (call) => start(containers, call) },
    {
      method: 'POST',
      path: '/containers/{name}/stop',
      handle: async (call) =>
        (await containers.stop(call.name, stopOptions(call))) ? noContent : notModified,
    },
    {
      method: 'POST',
      path: '/containers/{name}/restart',
      handle: async (call) => {
        await containers.restart(call.name, stopOptions(call));
        return noContent;
      },
    },
    {
      method: 'POST',
      path: '/containers/{name}/kill',
      handle: async (call) => {
        await containers.kill(call.name, call.query.nonEmpty('signal') ?? 'SIGKILL');
        return noContent;
      },
    },
    {
      method: 'DELETE',
      path: '/containers/{name}',
      handle: async (call) => {
        await containers.remove(call.name, {
          force: call.query.boolean('force'),
          volumes: call.query.boolean('v'),
          link: call.query.boolean('link'),
        });
        return noContent;
      },
    },
  ];
}

function changeRoutes(containers: ContainerOperations): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/containers/{name}/pause',
      handle: async (call) => {
        await containers.pause(call.name);
        return noContent;
      },
    },
    {
      method: 'POST',
      path: '/containers/{name}/unpause',
      handle: async (call) => {
        await containers.unpause(call.name);
        return noContent;
      },
    },
    {
      method: 'POST',
      path: '/containers/{name}/rename',
      handle: async (call) => {
        await containers.rename(call.name, (call.query.text('name') ?? '').replace(/^\//, ''));
        return noContent;
      },
    },
    {
      method: 'POST',
      path: '/containers/{name}/resize',
      handle: async (call) => {
        await containers.resize(call.name, consoleSize(call));
        return empty(200);
      },
    },
    {
      method: 'POST',
      path: '/containers/{name}/update',
      handle: async (call) =>
        json({ Warnings: await containers.update(call.name, (await call.body(updateBody)) ?? {}) }),
    },
    {
      method: 'POST',
      path: '/containers/prune',
      since: 25,
      handle: async (call) => {
        const { deleted, spaceReclaimedBytes } = await containers.prune(call.filters);
        return json({ ContainersDeleted: deleted, SpaceReclaimed: spaceReclaimedBytes });
      },
    },
  ];
}

async function create(containers: ContainerOperations, call: Call): Promise<Reply> {
  const query = { name: call.query.nonEmpty('name'), platform: call.query.nonEmpty('platform') };
  const request = shapeCreate(await call.body(createBody), query, call.version);
  const { signal } = call;
  const { id, warnings } = await containers.create(request, { signal });
  return json({ Id: id, Warnings: warnings }, 201);
}

async function start(containers: ContainerOperations, call: Call): Promise<Reply> {
  if (call.query.nonEmpty('checkpoint') !== undefined) {
    throw new EngineError('unsupported', 'Starting from a checkpoint is not supported');
  }
  const detachKeys = call.query.nonEmpty('detachKeys');
  const isStarted = await containers.start(
    call.name,
    detachKeys === undefined ? undefined : { detachKeys },
  );
  return isStarted ? noContent : notModified;
}

async function listContainers(containers: ContainerOperations, call: Call): Promise<Reply> {
  const limit = call.query.integer('limit');
  const hasLimit = limit !== undefined && limit > 0;
  const rows = await containers.list({
    all: call.query.boolean('all') || hasLimit,
    ...(hasLimit ? { limit } : {}),
    size: call.query.boolean('size'),
    filters: call.filters,
  });
  return json(rows.map((row) => shapeSummary(row, call.version)));
}

/** `t` and, from 1.42 on, `signal`. */
function stopOptions(call: Call): {
  readonly signalName?: string;
  readonly timeoutSeconds?: number;
} {
  const signalName = call.version >= 42 ? call.query.nonEmpty('signal') : undefined;
  const timeoutSeconds = call.query.integer('t');
  return {
    ...(signalName === undefined ? {} : { signalName }),
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
  };
}

/** `h` and `w`, both needed. Errors: `invalid`. */
export function consoleSize(call: Call): { readonly rows: number; readonly columns: number } {
  return { rows: cells(call, 'h'), columns: cells(call, 'w') };
}

function cells(call: Call, key: 'h' | 'w'): number {
  const count = call.query.integer(key);
  // The kernel's winsize holds 16 bits each.
  if (count === undefined || count < 0 || count > 0xffff) {
    throw new EngineError('invalid', `Invalid console size: ${key} must be 0 to 65535`);
  }
  return count;
}
