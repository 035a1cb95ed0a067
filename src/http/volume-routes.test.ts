import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { at } from '../../test/fakes/json.ts';
import { TestServer } from '../../test/fakes/server.ts';
import { EngineError } from '../base/error.ts';
import type { VolumeOperations } from '../engine/volumes/contract.ts';
import type { Volume } from '../spec/docker/system.ts';

const volume: Volume = {
  Name: 'data',
  Driver: 'local',
  Mountpoint: '/v/data/_data',
  Labels: null,
  Options: null,
  Scope: 'local',
};

/** Operations that note how they were called. */
function noted(): { readonly calls: unknown[][]; readonly volumes: Partial<VolumeOperations> } {
  const calls: unknown[][] = [];
  const note =
    <T>(name: string, result: T) =>
    async (...args: unknown[]): Promise<T> => {
      calls.push([name, ...args.filter((each) => !isOptions(each))]);
      return Promise.resolve(result);
    };
  return {
    calls,
    volumes: {
      create: note('create', volume),
      list: note('list', [volume]),
      inspect: note('inspect', volume),
      remove: note('remove', undefined),
      prune: note('prune', { deleted: [], spaceReclaimedBytes: 7 }),
      clone: note('clone', volume),
      snapshot: note('snapshot', volume),
      rename: note('rename', volume),
      export: async () => Promise.resolve(Readable.from(['tar'])),
      import: async (request, archive) => {
        const chunks: Buffer[] = [];
        for await (const chunk of archive) chunks.push(Buffer.from(chunk as Uint8Array));
        calls.push(['import', request, Buffer.concat(chunks).toString()]);
        return volume;
      },
    },
  };
}

function isOptions(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'signal' in value;
}

test('volumes: every endpoint calls one operation with what the client sent', async () => {
  const { calls, volumes } = noted();
  await using server = await TestServer.start({ volumes });
  const rows: [string, string, object | undefined, number, unknown[]][] = [
    ['GET', '/volumes?filters={"label":["a"]}', undefined, 200, ['list', { label: ['a'] }]],
    ['GET', '/volumes/data', undefined, 200, ['inspect', 'data']],
    [
      'POST',
      '/volumes/create',
      { Name: 'data', Labels: null, Other: 1 },
      201,
      ['create', { Name: 'data' }],
    ],
    ['POST', '/volumes/create', undefined, 201, ['create', {}]],
    ['DELETE', '/volumes/data?force=1', undefined, 204, ['remove', 'data', { force: true }]],
    ['POST', '/volumes/prune', undefined, 200, ['prune', {}]],
    ['POST', '/v1.41/volumes/prune', undefined, 200, ['prune', { all: ['true'] }]],
    [
      'POST',
      '/carve/volumes/data/clone',
      { Name: 'b', Pause: true },
      201,
      ['clone', 'data', { Name: 'b', Pause: true }],
    ],
    ['POST', '/carve/volumes/data/snapshot', undefined, 201, ['snapshot', 'data', {}]],
    ['POST', '/carve/volumes/data/rename', { Name: 'b' }, 200, ['rename', 'data', 'b']],
  ];
  for (const [method, path, body, status, call] of rows) {
    const answer = await server.ask(path, { method, ...(body === undefined ? {} : { body }) });
    assert.equal(answer.status, status, `${method} ${path}: ${answer.body}`);
    assert.deepEqual(calls.pop(), call, path);
  }
});

test('volumes: answers have the shapes that clients read', async () => {
  const { calls, volumes } = noted();
  await using server = await TestServer.start({ volumes });
  assert.deepEqual((await server.ask('/volumes')).json(), { Volumes: [volume], Warnings: null });
  assert.deepEqual((await server.ask('/volumes/prune', { method: 'POST' })).json(), {
    VolumesDeleted: null,
    SpaceReclaimed: 7,
  });
  const exported = await server.ask('/carve/volumes/data/export');
  assert.equal(exported.headers.get('content-type'), 'application/x-tar');
  assert.match(exported.body, /tar/);
  const imported = await server.ask('/carve/volumes/import?name=b&label=a=b&label=c', {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-tar' },
    body: { not: 'read as json' },
  });
  assert.equal(imported.status, 201);
  const wanted = { Name: 'b', Labels: { a: 'b', c: '' } };
  assert.deepEqual(calls.at(-1), ['import', wanted, '{"not":"read as json"}']);
});

test('volumes: what is wrong', async () => {
  const volumes: Partial<VolumeOperations> = {
    inspect: async () => Promise.reject(new EngineError('not-found', 'get x: no such volume')),
    remove: async () => Promise.reject(new EngineError('in-use', 'remove x: volume is in use')),
  };
  await using server = await TestServer.start({ volumes });
  const rows: [string, string, object | undefined, number, RegExp][] = [
    ['GET', '/volumes/x', undefined, 404, /^get x: no such volume$/],
    ['DELETE', '/volumes/x', undefined, 409, /in use/],
    ['POST', '/volumes/create', { Name: 5 }, 400, /Name must be a string/],
    ['POST', '/volumes/create', { DriverOpts: { a: 1 } }, 400, /DriverOpts\.a must be a string/],
    ['POST', '/volumes/create', { ClusterVolumeSpec: {} }, 503, /not a swarm manager/],
    ['POST', '/volumes/create?x', [] as object, 400, /must be an object/],
    ['GET', '/volumes?filters=x', undefined, 400, /filters/],
    ['PUT', '/volumes/x', {}, 404, /page not found/],
    ['POST', '/v1.24/volumes/prune', undefined, 404, /page not found/],
  ];
  for (const [method, path, body, status, message] of rows) {
    const answer = await server.ask(path, { method, ...(body === undefined ? {} : { body }) });
    assert.equal(answer.status, status, `${method} ${path}: ${answer.body}`);
    assert.match(String(at(answer.json(), 'message')), message, path);
  }
});
