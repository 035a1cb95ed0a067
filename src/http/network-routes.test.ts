import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '../base/error.ts';
import type { NetworkOperations } from '../engine/engine.ts';
import type { NetworkCreateBody, NetworkInspect } from '../spec/docker/network.ts';
import { TestServer } from '../../test/fakes/server.ts';

const web: NetworkInspect = {
  Name: 'web',
  Id: 'ab'.repeat(32),
  Created: '2026-11-23T10:00:00.123456789Z',
  Scope: 'local',
  Driver: 'bridge',
  EnableIPv4: true,
  EnableIPv6: false,
  IPAM: {
    Driver: 'default',
    Options: {},
    Config: [{ Subnet: '172.18.0.0/24', Gateway: '172.18.0.1' }],
  },
  Internal: false,
  Attachable: false,
  Ingress: false,
  ConfigFrom: { Network: '' },
  ConfigOnly: false,
  Options: {},
  Labels: {},
  Containers: {
    c1: {
      Name: 'c',
      EndpointID: 'e',
      MacAddress: '02:00:00:00:00:01',
      IPv4Address: '172.18.0.2/24',
      IPv6Address: '',
    },
  },
};
const { Containers: _, ...summary } = web;

/** Remembers what it was called with. */
function recorder(): { readonly calls: unknown[][]; readonly networks: NetworkOperations } {
  const calls: unknown[][] = [];
  const note =
    <T>(name: string, result: T) =>
    async (...args: unknown[]): Promise<T> => {
      calls.push([name, ...args]);
      return result;
    };
  return {
    calls,
    networks: {
      create: note('create', { Id: web.Id, Warning: 'mind' }),
      inspect: note('inspect', web),
      list: note('list', [summary]),
      remove: note('remove', undefined),
      prune: note('prune', ['old']),
      connect: note('connect', undefined),
      disconnect: note('disconnect', undefined),
      denials: note('denials', []),
      exposure: note('exposure', { Containers: [] }),
    },
  };
}

const EVERYTHING: NetworkCreateBody = {
  Name: 'web',
  CheckDuplicate: true,
  Driver: 'bridge',
  Scope: 'local',
  Internal: true,
  Attachable: true,
  Ingress: false,
  ConfigOnly: false,
  ConfigFrom: { Network: '' },
  IPAM: {
    Driver: 'default',
    Config: [
      {
        Subnet: '10.1.0.0/16',
        IPRange: '10.1.5.0/24',
        Gateway: '10.1.0.1',
        AuxiliaryAddresses: { router: '10.1.5.1' },
      },
    ],
    Options: { a: 'b' },
  },
  EnableIPv4: true,
  EnableIPv6: false,
  Options: { 'com.docker.network.driver.mtu': '1400' },
  Labels: { k: 'v' },
};

test('every endpoint calls one operation with what was sent', async () => {
  const { calls, networks } = recorder();
  await using server = await TestServer.start({ networks });
  const rows: readonly (readonly [string, string, unknown, number, unknown, unknown[]])[] = [
    ['GET', '/networks', undefined, 200, [summary], ['list', {}]],
    [
      'GET',
      '/networks?filters={"name":{"web":true}}',
      undefined,
      200,
      [summary],
      ['list', { name: ['web'] }],
    ],
    ['GET', '/networks/web', undefined, 200, web, ['inspect', 'web', {}]],
    [
      'GET',
      '/networks/a%2Fb?verbose=true&scope=local',
      undefined,
      200,
      web,
      ['inspect', 'a/b', { scope: 'local' }],
    ],
    [
      'POST',
      '/networks/create',
      { ...EVERYTHING, Peers: ['x'] },
      201,
      { Id: web.Id, Warning: 'mind' },
      ['create', EVERYTHING],
    ],
    [
      'POST',
      '/networks/create',
      { Name: 'n', EnableIPv6: null, IPAM: null, Options: null, Labels: null },
      201,
      { Id: web.Id, Warning: 'mind' },
      ['create', { Name: 'n' }],
    ],
    ['DELETE', '/networks/web', undefined, 204, undefined, ['remove', 'web']],
    [
      'POST',
      '/networks/prune?filters={"label":["a=b"]}',
      undefined,
      200,
      { NetworksDeleted: ['old'] },
      ['prune', { label: ['a=b'] }],
    ],
    [
      'POST',
      '/networks/web/connect',
      {
        Container: 'c',
        EndpointConfig: {
          IPAMConfig: { IPv4Address: '10.1.0.9' },
          Aliases: ['db'],
          GwPriority: 5,
          DriverOpts: { o: 'p' },
          Bogus: 1,
        },
      },
      200,
      undefined,
      [
        'connect',
        'web',
        {
          container: 'c',
          settings: {
            IPAMConfig: { IPv4Address: '10.1.0.9' },
            Aliases: ['db'],
            GwPriority: 5,
            DriverOpts: { o: 'p' },
          },
        },
      ],
    ],
    [
      'POST',
      '/networks/web/connect',
      { Container: 'c', EndpointConfig: null },
      200,
      undefined,
      ['connect', 'web', { container: 'c', settings: {} }],
    ],
    [
      'POST',
      '/networks/web/disconnect',
      { Container: 'c', Force: true },
      200,
      undefined,
      ['disconnect', 'web', { container: 'c', force: true }],
    ],
    ['GET', '/carve/egress/log', undefined, 200, { Entries: [] }, ['denials', undefined]],
    ['GET', '/carve/egress/log?container=c', undefined, 200, { Entries: [] }, ['denials', 'c']],
    [
      'GET',
      '/carve/network/exposure?container=c',
      undefined,
      200,
      { Containers: [] },
      ['exposure', 'c'],
    ],
  ];
  for (const [method, path, body, status, expected, call] of rows) {
    calls.length = 0;
    const answer = await server.ask(path, { method, ...(body === undefined ? {} : { body }) });
    assert.equal(answer.status, status, `${method} ${path}: ${answer.body}`);
    assert.deepEqual(answer.body === '' ? undefined : answer.json(), expected, `${method} ${path}`);
    assert.deepEqual(calls, [call], `${method} ${path}`);
  }
});

test('older clients see networks as their version has them', async () => {
  const { calls, networks } = recorder();
  await using server = await TestServer.start({ networks });
  const { EnableIPv4: __, ...older } = web;
  assert.deepEqual((await server.ask('/v1.47/networks/web')).json(), older);
  assert.deepEqual((await server.ask('/v1.48/networks/web')).json(), web);
  const listed = (await server.ask('/v1.47/networks')).json();
  assert.ok(Array.isArray(listed) && !('Containers' in listed[0]) && !('EnableIPv4' in listed[0]));
  assert.deepEqual((await server.ask('/v1.27/networks')).json(), [older]);
  assert.equal((await server.ask('/v1.24/networks/prune', { method: 'POST' })).status, 404);
  calls.length = 0;
  const body = { Name: 'n', EnableIPv4: false };
  await server.ask('/v1.47/networks/create', { method: 'POST', body });
  await server.ask('/v1.48/networks/create', { method: 'POST', body });
  assert.deepEqual(calls, [
    ['create', { Name: 'n' }],
    ['create', body],
  ]);
});

test('bad bodies are named by field, and an operation’s error has its status', async () => {
  const failing: Partial<NetworkOperations> = {
    inspect: async (ref) => {
      throw new EngineError('not-found', `network ${ref} not found`);
    },
    create: async () => {
      throw new EngineError('denied', 'invalid pool request: Pool overlaps');
    },
    remove: async () => {
      throw new EngineError('denied', 'none is a pre-defined network and cannot be removed');
    },
  };
  await using server = await TestServer.start({ networks: failing });
  const rows: readonly (readonly [string, string, unknown, number, RegExp])[] = [
    ['GET', '/networks/nope', undefined, 404, /^network nope not found$/],
    ['DELETE', '/networks/none', undefined, 403, /pre-defined network/],
    ['POST', '/networks/create', { Name: 'x' }, 403, /Pool overlaps/],
    ['POST', '/networks/create', undefined, 400, /it is empty/],
    ['POST', '/networks/create', [], 400, /it must be an object/],
    ['POST', '/networks/create', { Name: 5 }, 400, /Name must be a string/],
    [
      'POST',
      '/networks/create',
      { Name: 'x', EnableIPv6: 'yes' },
      400,
      /EnableIPv6 must be a boolean/,
    ],
    [
      'POST',
      '/networks/create',
      { Name: 'x', IPAM: { Config: [{ Subnet: 10 }] } },
      400,
      /IPAM\.Config\.0\.Subnet must be a string/,
    ],
    [
      'POST',
      '/networks/create',
      { Name: 'x', Labels: { a: 1 } },
      400,
      /Labels\.a must be a string/,
    ],
    ['POST', '/networks/web/connect', {}, 400, /Container is empty/],
    ['POST', '/networks/web/disconnect', { Container: '' }, 400, /Container is empty/],
    [
      'POST',
      '/networks/web/connect',
      { Container: 'c', EndpointConfig: { GwPriority: 'high' } },
      400,
      /EndpointConfig\.GwPriority must be an integer/,
    ],
    ['GET', '/networks?filters=x', undefined, 400, /filters/],
  ];
  for (const [method, path, body, status, message] of rows) {
    const answer = await server.ask(path, { method, ...(body === undefined ? {} : { body }) });
    assert.equal(answer.status, status, `${method} ${path}: ${answer.body}`);
    assert.match((answer.json() as { readonly message: string }).message, message);
  }
});
