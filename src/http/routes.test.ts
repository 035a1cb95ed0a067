import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import {
  fakeEngine,
  type FakeOperations,
  sampleId,
  sampleImage,
  sampleInfo,
  sampleInspect,
  sampleSummary,
} from '../../test/fakes/engine.ts';
import { at, keysOf } from '../../test/fakes/json.ts';
import { joinChunks, requestText, TestServer } from '../../test/fakes/server.ts';
import { parseContainerId } from '../base/id.ts';
import { EngineError } from '../base/error.ts';
import type { Progress, WaitResult } from '../engine/engine.ts';
import { encodeFrame } from './frame.ts';
import { allRoutes } from './app.ts';
import type { ContainerStats, EngineEvent } from '../spec/docker/system.ts';

const id = parseContainerId(sampleId);

/** Operations that note how they were called, each with a result. */
function noted(results: Record<string, unknown>): {
  calls: unknown[][];
  operations: Record<string, unknown>;
} {
  const calls: unknown[][] = [];
  const operations: Record<string, unknown> = {};
  for (const [name, result] of Object.entries(results)) {
    operations[name] = (...args: unknown[]): unknown => {
      calls.push([name, ...args.map(withoutSignal)]);
      return result instanceof Promise ? result : Promise.resolve(result);
    };
  }
  return { calls, operations };
}

function withoutSignal(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('signal' in value)) return value;
  const { signal: _, ...rest } = value;
  return rest;
}

/** A source that fails before its first element. */
async function* failing<T>(error: Error): AsyncGenerator<T> {
  await Promise.reject(error);
  yield* [];
}

async function* each<T>(...items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

test('ping answers GET and HEAD with the headers clients negotiate by', async () => {
  await using server = await TestServer.start();
  const get = await server.ask('/_ping');
  assert.equal(get.status, 200);
  assert.equal(get.body, 'OK');
  assert.equal(get.headers.get('content-type'), 'text/plain; charset=utf-8');
  const head = await server.ask('/_ping', { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('content-length'), '0');
  assert.equal(head.body, '');
  for (const { headers } of [get, head]) {
    assert.equal(headers.get('api-version'), '1.51');
    assert.equal(headers.get('ostype'), 'linux');
    assert.equal(headers.get('docker-experimental'), 'false');
    assert.equal(headers.get('server'), 'Docker/0.1.0 (linux)');
    assert.equal(headers.get('swarm'), 'inactive');
    assert.equal(headers.get('builder-version'), '1');
    assert.equal(headers.get('cache-control'), 'no-cache, no-store, must-revalidate');
  }
});

test('unknown paths, wrong methods and versions are JSON errors with the standard headers', async () => {
  await using server = await TestServer.start();
  const rows: [string, string, number, RegExp][] = [
    ['GET', '/nope', 404, /^page not found$/],
    ['POST', '/_ping', 404, /^page not found$/],
    ['DELETE', '/containers/json', 500, /containers\.remove/],
    [
      'GET',
      '/v1.23/info',
      400,
      /client version 1\.23 is too old\. Minimum supported API version is 1\.24/,
    ],
    [
      'GET',
      '/v9.99/version',
      400,
      /client version 9\.99 is too new\. Maximum supported API version is 1\.51/,
    ],
    ['POST', '/v1.24/containers/prune', 404, /page not found/],
    ['GET', '/containers/%zz/json', 400, /percent-encoding/],
    ['GET', '/containers/json?limit=x', 400, /limit/],
    ['GET', '/containers/json?filters=x', 400, /filters/],
    ['GET', '/services', 503, /not a swarm manager/],
    ['POST', '/swarm/leave', 503, /not part of a swarm/],
    ['GET', '/plugins/x/json', 404, /not found/],
    ['POST', '/networks/create', 400, /body: it is empty/],
    ['POST', '/networks/x/connect', 400, /body: it is empty/],
    ['POST', '/build', 501, /not supported yet/],
  ];
  for (const [method, path, status, message] of rows) {
    const answer = await server.ask(path, { method });
    assert.equal(answer.status, status, `${method} ${path}: ${answer.body}`);
    assert.equal(answer.headers.get('content-type'), 'application/json', path);
    assert.equal(answer.headers.get('api-version'), '1.51', path);
    assert.ok(answer.body.endsWith('}\n'), path);
    const text = at(answer.json(), 'message');
    assert.ok(typeof text === 'string' && message.test(text), `${path}: ${String(text)}`);
  }
  assert.equal((await server.ask('/anything', { method: 'OPTIONS' })).status, 200);
});

test('version and info tell about the engine, at every served version', async () => {
  await using server = await TestServer.start();
  for (const prefix of ['', '/v1.24', '/v1.51', '/v1.60']) {
    const answer = await server.ask(`${prefix}/version`);
    assert.equal(answer.status, 200);
    const version = answer.json();
    assert.equal(at(version, 'ApiVersion'), '1.51');
    assert.equal(at(version, 'MinAPIVersion'), '1.24');
    assert.equal(at(version, 'Arch'), 'amd64');
    assert.equal(at(version, 'Components', 0, 'Name'), 'Engine');
  }
  assert.deepEqual((await server.ask('/info')).json(), sampleInfo);
});

test('create passes the request on and answers 201', async () => {
  const { calls, operations } = noted({ create: { id, warnings: ['w'] } });
  await using server = await TestServer.start({ containers: operations });
  const answer = await server.ask('/v1.51/containers/create?name=web&platform=linux/amd64', {
    method: 'POST',
    body: {
      Image: 'debian',
      Cmd: ['true'],
      HostConfig: { AutoRemove: true },
      NetworkingConfig: { EndpointsConfig: {} },
    },
  });
  assert.equal(answer.status, 201);
  assert.deepEqual(answer.json(), { Id: sampleId, Warnings: ['w'] });
  assert.deepEqual(calls, [
    [
      'create',
      {
        name: 'web',
        platform: 'linux/amd64',
        config: { Image: 'debian', Cmd: ['true'] },
        hostConfig: { AutoRemove: true },
        endpoints: {},
      },
      {},
    ],
  ]);
});

test('bodies must be one JSON value of JSON type, of a bounded size', async () => {
  const { operations } = noted({ create: { id, warnings: [] } });
  await using server = await TestServer.start({ containers: operations });
  const type = (value: string): { headers: Record<string, string> } => ({
    headers: { 'Content-Type': value },
  });
  const rows: [object, number, RegExp][] = [
    [{ body: '' }, 400, /config cannot be empty/],
    [{ body: 'null' }, 400, /config cannot be empty/],
    [{ body: '{' }, 400, /not one JSON value/],
    [{ body: '{} {}' }, 400, /not one JSON value/],
    [{ body: '[]' }, 400, /must be an object/],
    [{ body: '{"Tty":1}' }, 400, /Tty must be a boolean/],
    [
      { body: '{}', ...type('text/plain') },
      400,
      /unsupported Content-Type header \(text\/plain\): must be 'application\/json'/,
    ],
    [{ body: '{}', ...type('') }, 400, /unsupported Content-Type/],
    [{ body: '{}', ...type('application/json; charset=utf-8') }, 201, /Id/],
    [{ body: `{"Image":"${'x'.repeat(5 * 1024 * 1024)}"}` }, 413, /larger than/],
    [{ body: `${'['.repeat(100_000)}${']'.repeat(100_000)}` }, 400, /must be an object/],
  ];
  for (const [asking, status, text] of rows) {
    const answer = await server.ask('/containers/create', { method: 'POST', ...asking });
    assert.equal(answer.status, status, answer.body.slice(0, 200));
    assert.match(answer.body, text);
  }
});

test('the verbs of a container call their operation with its options', async () => {
  const { calls, operations } = noted({
    start: true,
    stop: true,
    restart: undefined,
    kill: undefined,
    remove: undefined,
    pause: undefined,
    unpause: undefined,
    rename: undefined,
    resize: undefined,
    update: ['w'],
    top: { Titles: ['PID'], Processes: [['1']] },
    changes: [{ Path: '/a', Kind: 1 }],
    prune: { deleted: ['x'], spaceReclaimedBytes: 5 },
    planStart: { title: 't', steps: [] },
  });
  await using server = await TestServer.start({ containers: operations });
  const rows: [string, string, number, string, unknown[]][] = [
    ['POST', '/containers/web/start', 204, '', ['start', 'web', undefined]],
    ['POST', '/containers/web/start?detachKeys=a', 204, '', ['start', 'web', { detachKeys: 'a' }]],
    ['POST', '/containers/web/stop', 204, '', ['stop', 'web', {}]],
    [
      'POST',
      '/containers/web/stop?t=5&signal=INT',
      204,
      '',
      ['stop', 'web', { signalName: 'INT', timeoutSeconds: 5 }],
    ],
    [
      'POST',
      '/v1.41/containers/web/stop?t=-1&signal=INT',
      204,
      '',
      ['stop', 'web', { timeoutSeconds: -1 }],
    ],
    ['POST', '/containers/web/restart?t=0', 204, '', ['restart', 'web', { timeoutSeconds: 0 }]],
    ['POST', '/containers/web/kill', 204, '', ['kill', 'web', 'SIGKILL']],
    ['POST', '/containers/web/kill?signal=9', 204, '', ['kill', 'web', '9']],
    [
      'DELETE',
      '/containers/web?v=1&force=true',
      204,
      '',
      ['remove', 'web', { force: true, volumes: true, link: false }],
    ],
    ['POST', '/containers/web/pause', 204, '', ['pause', 'web']],
    ['POST', '/containers/web/unpause', 204, '', ['unpause', 'web']],
    ['POST', '/containers/web/rename?name=/new', 204, '', ['rename', 'web', 'new']],
    [
      'POST',
      '/containers/web/resize?h=24&w=80',
      200,
      '',
      ['resize', 'web', { rows: 24, columns: 80 }],
    ],
    ['POST', '/containers/web/update', 200, '{"Warnings":["w"]}\n', ['update', 'web', {}]],
    [
      'GET',
      '/containers/web/top',
      200,
      '{"Titles":["PID"],"Processes":[["1"]]}\n',
      ['top', 'web', '-ef'],
    ],
    [
      'GET',
      '/containers/web/top?ps_args=aux',
      200,
      '{"Titles":["PID"],"Processes":[["1"]]}\n',
      ['top', 'web', 'aux'],
    ],
    ['GET', '/containers/web/changes', 200, '[{"Path":"/a","Kind":1}]\n', ['changes', 'web']],
    [
      'POST',
      '/containers/prune?filters={"until":{"1h":true}}',
      200,
      '{"ContainersDeleted":["x"],"SpaceReclaimed":5}\n',
      ['prune', { until: ['1h'] }],
    ],
    ['POST', '/carve/plan/start/web', 200, '{"title":"t","steps":[]}\n', ['planStart', 'web']],
  ];
  for (const [method, path, status, body, call] of rows) {
    calls.length = 0;
    const answer = await server.ask(path, { method });
    assert.equal(answer.status, status, `${path}: ${answer.body}`);
    assert.equal(answer.body, body, path);
    assert.deepEqual(calls, [call], path);
  }
  for (const query of ['', '?h=1', '?h=-1&w=2', '?h=a&w=2', '?h=70000&w=2']) {
    assert.equal(
      (await server.ask(`/containers/web/resize${query}`, { method: 'POST' })).status,
      400,
      query,
    );
  }
});

test('start and stop answer 304 when it was so already', async () => {
  await using server = await TestServer.start({
    containers: { start: async () => false, stop: async () => false },
  });
  for (const verb of ['start', 'stop']) {
    const client = await server.raw();
    client.write(requestText(`/containers/web/${verb}`, { method: 'POST' }));
    const text = await client.until((all) => all.endsWith('\r\n\r\n'));
    assert.match(text, /^HTTP\/1\.1 304 /);
    assert.doesNotMatch(text, /content-length/i);
    client.socket.destroy();
  }
});

test('list and inspect pass filters and shape by version', async () => {
  const { calls, operations } = noted({ list: [sampleSummary], inspect: sampleInspect });
  await using server = await TestServer.start({ containers: operations });
  const list = await server.ask(
    `/v1.45/containers/json?limit=2&size=1&filters=${encodeURIComponent('{"label":{"a=b":true}}')}`,
  );
  assert.equal(at(list.json(), 0, 'HostConfig', 'Annotations'), undefined);
  const inspect = await server.ask('/v1.44/containers/web/json?size=true');
  assert.deepEqual(at(inspect.json(), 'NetworkSettings', 'Networks', 'bridge', 'Aliases'), [
    'abababababab',
  ]);
  assert.deepEqual(calls, [
    ['list', { all: true, limit: 2, size: true, filters: { label: ['a=b'] } }],
    ['inspect', 'web', { size: true }],
  ]);
  calls.length = 0;
  await server.ask('/containers/json?limit=-1');
  assert.deepEqual(calls, [['list', { all: false, size: false, filters: {} }]]);
});

test('wait sends its head at once and its body when the container has ended', async () => {
  const ending = Promise.withResolvers<WaitResult>();
  const asked: unknown[] = [];
  await using server = await TestServer.start({
    containers: {
      wait: (ref, condition) => {
        asked.push([ref, condition]);
        return { result: ending.promise };
      },
    },
  });
  const client = await server.raw();
  const before = performance.now();
  client.write(requestText('/containers/web/wait?condition=next-exit', { method: 'POST' }));
  const head = await client.until((all) => all.includes('\r\n\r\n'));
  assert.ok(performance.now() - before < 50);
  assert.match(
    head,
    /^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Type: application\/json\r\n[\s\S]*Transfer-Encoding: chunked/,
  );
  ending.resolve({ statusCode: 3 });
  await client.until((all) => all.endsWith('0\r\n\r\n'));
  assert.equal(joinChunks(client.payload.toString()), '{"StatusCode":3}\n');
  assert.deepEqual(asked, [['web', 'next-exit']]);
  assert.equal(
    (await server.ask('/containers/web/wait?condition=never', { method: 'POST' })).status,
    400,
  );
  client.socket.destroy();
});

test('wait answers 404 before its head, tells of a failed removal, and is cancelled by the client', async () => {
  let signal: AbortSignal | undefined;
  const arrived = Promise.withResolvers<undefined>();
  await using server = await TestServer.start({
    containers: {
      wait: (ref, _condition, options) => {
        if (ref === 'gone') throw new EngineError('not-found', 'No such container: gone');
        if (ref === 'broken')
          return { result: Promise.resolve({ statusCode: 1, error: 'cannot remove' }) };
        signal = options?.signal;
        arrived.resolve(undefined);
        return {
          result: new Promise((_resolve, reject) => {
            signal?.addEventListener('abort', () =>
              reject(new EngineError('cancelled', 'cancelled')),
            );
          }),
        };
      },
    },
  });
  assert.equal((await server.ask('/containers/gone/wait', { method: 'POST' })).status, 404);
  const broken = await server.ask('/containers/broken/wait', { method: 'POST' });
  assert.deepEqual(broken.json(), { StatusCode: 1, Error: { Message: 'cannot remove' } });
  const client = await server.raw();
  client.write(requestText('/containers/web/wait', { method: 'POST' }));
  await arrived.promise;
  client.socket.destroy();
  await new Promise((resolve) => signal?.addEventListener('abort', resolve));
});

test('logs stream what the engine gives, with the type of the framing, and tell of late failures in it', async () => {
  const asked: unknown[] = [];
  const frame = encodeFrame('stdout', 'line\n');
  await using server = await TestServer.start({
    containers: {
      logs: async (ref, options) => {
        asked.push(withoutSignal({ ref, ...options }));
        const chunks = async function* (): AsyncGenerator<Uint8Array> {
          yield frame;
          if (ref === 'torn') throw new EngineError('corrupt', 'the log is torn');
        };
        return { framing: 'multiplexed', chunks: chunks() };
      },
    },
  });
  const answer = await server.ask(
    '/containers/web/logs?stdout=1&stderr=0&follow=1&since=1.5&until=0&tail=10&timestamps=1',
  );
  assert.equal(answer.headers.get('content-type'), 'application/vnd.docker.multiplexed-stream');
  assert.equal(answer.headers.get('transfer-encoding'), 'chunked');
  assert.equal(answer.body, frame.toString('latin1'));
  assert.deepEqual(asked, [
    {
      ref: 'web',
      stdout: true,
      stderr: false,
      follow: true,
      timestamps: true,
      details: false,
      sinceNs: 1_500_000_000n,
      tail: 10,
    },
  ]);
  const torn = await server.ask('/containers/torn/logs?stderr=1&tail=all');
  assert.equal(
    torn.body,
    `${frame.toString('latin1')}${encodeFrame('error', 'Error grabbing logs: the log is torn\n').toString('latin1')}`,
  );
  const none = await server.ask('/containers/web/logs');
  assert.equal(none.status, 400);
  assert.match(none.body, /you must choose at least one stream/);
});

test('logs send their head before the first line', async () => {
  await using server = await TestServer.start({
    containers: {
      logs: async (_ref, { signal }) => {
        const chunks = async function* (): AsyncGenerator<Uint8Array> {
          await new Promise((resolve) => signal?.addEventListener('abort', resolve));
          yield Buffer.alloc(0);
        };
        return { framing: 'raw', chunks: chunks() };
      },
    },
  });
  const client = await server.raw();
  client.write(requestText('/containers/web/logs?stdout=1&follow=1'));
  assert.match(await client.until((all) => all.includes('\r\n\r\n')), /raw-stream/);
  client.socket.destroy();
});

test('stats stream one object a line, or answer one', async () => {
  const sample = statsSample(12_345_678_901_234_567_890n);
  const asked: unknown[] = [];
  await using server = await TestServer.start({
    containers: {
      stats: (ref, options) => {
        asked.push(withoutSignal(options));
        if (ref === 'gone') throw new EngineError('not-found', 'No such container: gone');
        return options.stream ? each(sample, sample) : each(sample);
      },
    },
  });
  const stream = await server.ask('/containers/web/stats');
  assert.equal(stream.headers.get('transfer-encoding'), 'chunked');
  assert.equal(stream.body.split('\n').length, 3);
  const one = await server.ask('/containers/web/stats?stream=0&one-shot=1');
  assert.ok(one.body.includes('"total_usage":12345678901234567890,'));
  assert.equal((await server.ask('/containers/gone/stats')).status, 404);
  assert.equal((await server.ask('/containers/web/stats?one-shot=1')).status, 400);
  assert.deepEqual(asked.slice(0, 2), [
    { stream: true, oneShot: false },
    { stream: false, oneShot: true },
  ]);
});

function statsSample(totalNs: bigint): ContainerStats {
  const cpu = {
    cpu_usage: { total_usage: totalNs, usage_in_kernelmode: 0n, usage_in_usermode: 0n },
    throttling_data: { periods: 0n, throttled_periods: 0n, throttled_time: 0n },
  };
  const lists = {
    io_service_bytes_recursive: null,
    io_serviced_recursive: null,
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  };
  return {
    name: '/web',
    id: sampleId,
    read: '',
    preread: '',
    pids_stats: {},
    blkio_stats: lists,
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpu,
    precpu_stats: cpu,
    memory_stats: {},
  };
}

const event: EngineEvent = {
  Type: 'container',
  Action: 'start',
  Actor: { ID: sampleId, Attributes: { image: 'debian', name: 'web' } },
  scope: 'local',
  time: 1_795_428_000,
  timeNano: 1_795_428_000_123_456_789n,
};

test('events send the head at once, then one object a line in the words of both APIs', async () => {
  const asked: unknown[] = [];
  const go = Promise.withResolvers<undefined>();
  await using server = await TestServer.start({
    system: {
      events: async function* (options) {
        asked.push(withoutSignal(options));
        await go.promise;
        yield event;
      },
    },
  });
  const client = await server.raw();
  client.write(
    requestText(
      `/events?since=1&until=2.5&filters=${encodeURIComponent('{"type":["container"]}')}`,
    ),
  );
  assert.match(
    await client.until((all) => all.includes('\r\n\r\n')),
    /Content-Type: application\/json\r\n/,
  );
  go.resolve(undefined);
  await client.until((all) => all.endsWith('0\r\n\r\n'));
  const body = joinChunks(client.payload.toString());
  assert.ok(body.endsWith('"timeNano":1795428000123456789}\n'));
  const parsed: unknown = JSON.parse(body);
  assert.deepEqual(
    [at(parsed, 'status'), at(parsed, 'id'), at(parsed, 'from')],
    ['start', sampleId, 'debian'],
  );
  assert.deepEqual(asked, [
    { sinceNs: 1_000_000_000n, untilNs: 2_500_000_000n, filters: { type: ['container'] } },
  ]);
  client.socket.destroy();
});

test('events refuse bad times and filters by status, and speak the type the client accepts', async () => {
  await using server = await TestServer.start({
    system: {
      events: async function* ({ filters }) {
        if ('bogus' in filters) throw new EngineError('invalid', "invalid filter 'bogus'");
        yield event;
      },
    },
  });
  assert.equal((await server.ask('/events?since=3&until=2')).status, 400);
  assert.equal((await server.ask('/events?since=soon')).status, 400);
  const bogus = await server.ask('/events?filters={"bogus":["x"]}');
  assert.equal(bogus.status, 400);
  const sequence = await server.ask('/events', { headers: { Accept: 'application/json-seq' } });
  assert.equal(sequence.headers.get('content-type'), 'application/json-seq');
  assert.ok(sequence.body.startsWith('\x1e{'));
});

test('progress streams answer early failures by status and late ones in the stream', async () => {
  const failingLate = async function* (): AsyncGenerator<Progress> {
    yield { status: 'Pulling from library/debian', id: '12' };
    throw new EngineError('corrupt', 'digest mismatch');
  };
  const asked: unknown[] = [];
  await using server = await TestServer.start({
    images: {
      pull: (reference, options) => {
        asked.push([reference, withoutSignal(options)]);
        if (reference === 'gone:1') {
          return failing<Progress>(new EngineError('not-found', 'pull access denied for gone'));
        }
        return failingLate();
      },
    },
  });
  const late = await server.ask('/images/create?fromImage=debian&tag=12&platform=linux/arm64', {
    method: 'POST',
    headers: { 'X-Registry-Auth': 'e30=' },
  });
  assert.equal(late.status, 200);
  assert.equal(late.headers.get('transfer-encoding'), 'chunked');
  assert.equal(
    late.body,
    '{"status":"Pulling from library/debian","id":"12"}\r\n{"errorDetail":{"message":"digest mismatch"},"error":"digest mismatch"}\r\n',
  );
  const early = await server.ask('/images/create?fromImage=gone&tag=1', { method: 'POST' });
  assert.equal(early.status, 404);
  await server.ask('/images/create?fromImage=x&tag=sha256:12', { method: 'POST' });
  assert.deepEqual(asked, [
    ['debian:12', { platform: 'linux/arm64', auth: 'e30=' }],
    ['gone:1', {}],
    ['x@sha256:12', {}],
  ]);
  assert.equal((await server.ask('/images/create', { method: 'POST' })).status, 400);
});

test('import and load stream the body of the request to the engine', async () => {
  const size = 3 * 1024 * 1024;
  const count = async function* (
    archive: Readable | { readonly url: string },
    options: object,
  ): AsyncGenerator<Progress> {
    if ('url' in archive) {
      yield { status: `${archive.url} ${JSON.stringify(withoutSignal(options))}` };
      return;
    }
    let bytes = 0;
    for await (const piece of archive) bytes += Buffer.isBuffer(piece) ? piece.length : 0;
    yield { status: `${bytes} ${JSON.stringify(withoutSignal(options))}` };
  };
  await using server = await TestServer.start({
    images: { import: count, load: (archive, options) => count(archive, options ?? {}) },
  });
  const headers = { 'Content-Type': 'application/x-tar' };
  const imported = await server.ask(
    '/images/create?fromSrc=-&repo=bb&tag=1&message=m&changes=CMD%20x&changes=',
    { method: 'POST', headers, body: 'x'.repeat(size) },
  );
  assert.equal(
    imported.body,
    `{"status":${JSON.stringify(`${size} {"reference":"bb:1","message":"m","changes":["CMD x"]}`)}}\r\n`,
  );
  const fetched = await server.ask('/images/create?fromSrc=http://x/y.tar&platform=linux/arm64', {
    method: 'POST',
  });
  assert.equal(
    fetched.body,
    `{"status":${JSON.stringify('http://x/y.tar {"changes":[],"platform":"linux/arm64"}')}}\r\n`,
  );
  const client = await server.raw();
  client.write(
    requestText('/images/load?quiet=1', {
      method: 'POST',
      headers: { ...headers, 'Transfer-Encoding': 'chunked', Expect: '100-continue' },
    }),
  );
  await client.until((all) => all === 'HTTP/1.1 100 Continue\r\n\r\n');
  client.write('5\r\nabcde\r\n').write('0\r\n\r\n');
  await client.until((all) => all.endsWith('0\r\n\r\n'));
  assert.ok(client.text.includes('5 {}'));
  client.socket.destroy();
});

const AMD64 = encodeURIComponent('{"os":"linux","architecture":"amd64"}');

test('registries are searched, looked into and given indexes', async () => {
  const descriptor = { mediaType: 'm', digest: 'sha256:1', size: 2 };
  const { calls, operations } = noted({
    search: [],
    inspect: { Descriptor: descriptor, Platforms: [] },
    manifest: { descriptor, bytes: Buffer.from('{}') },
    putIndex: { digest: 'sha256:1' },
  });
  await using server = await TestServer.start({ registries: operations });
  const headers = { 'X-Registry-Auth': 'e30=' };
  const ask = async (method: string, path: string, body?: string): Promise<unknown[]> => {
    calls.length = 0;
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const answer = await server.ask(path, {
      method,
      headers: { ...headers, ...type },
      ...(body === undefined ? {} : { body }),
    });
    return [answer.status, calls[0], answer.body];
  };
  assert.deepEqual(await ask('GET', '/images/search?term=x&limit=5'), [
    200,
    ['search', 'x', { limit: 5, filters: {}, auth: 'e30=' }],
    '[]\n',
  ]);
  assert.deepEqual(await ask('GET', '/distribution/host:5000/a/b:1/json'), [
    200,
    ['inspect', 'host:5000/a/b:1', { auth: 'e30=' }],
    `{"Descriptor":${JSON.stringify(descriptor)},"Platforms":[]}\n`,
  ]);
  assert.deepEqual(await ask('GET', '/carve/registry/a/b:1/manifest?insecure=1'), [
    200,
    ['manifest', 'a/b:1', { auth: 'e30=', isInsecure: true }],
    `{"Descriptor":${JSON.stringify(descriptor)},"Raw":"e30="}\n`,
  ]);
  const [status, call] = await ask(
    'POST',
    '/carve/registry/a/b:1/index',
    '{"mediaType":"m","raw":"e30=","sources":["a/b@sha256:1"]}',
  );
  assert.equal(status, 200);
  assert.deepEqual(call, [
    'putIndex',
    'a/b:1',
    {
      mediaType: 'm',
      bytes: Buffer.from('{}'),
      sources: ['a/b@sha256:1'],
      isInsecure: false,
      auth: 'e30=',
    },
  ]);
  assert.equal((await ask('POST', '/carve/registry/a/index', '{"raw":""}'))[0], 400);
});

test('images are listed, inspected, tagged and removed', async () => {
  const { calls, operations } = noted({
    list: [],
    inspect: sampleImage,
    history: [],
    tag: undefined,
    remove: [{ Untagged: 'a:1' }],
    prune: { deleted: [], spaceReclaimedBytes: 0 },
    commit: { id: 'sha256:1' },
  });
  await using server = await TestServer.start({ images: operations });
  const rows: [string, string, number, unknown[] | undefined][] = [
    [
      'GET',
      '/images/json?all=1&digests=1',
      200,
      ['list', { all: true, filters: {}, digests: true, sharedSize: false }],
    ],
    [
      'GET',
      '/images/json?manifests=1&shared-size=1',
      200,
      ['list', { all: false, filters: {}, digests: false, sharedSize: true, manifests: true }],
    ],
    ['GET', '/images/ghcr.io/a/b:1/json', 200, ['inspect', 'ghcr.io/a/b:1', {}]],
    ['GET', '/images/x/json?manifests=1', 200, ['inspect', 'x', { manifests: true }]],
    ['GET', `/images/x/json?manifests=1&platform=${AMD64}`, 400, undefined],
    [
      'GET',
      `/images/x/json?platform=${encodeURIComponent('{"os":"linux","architecture":"amd64"}')}`,
      200,
      ['inspect', 'x', {}],
    ],
    [
      'GET',
      `/images/x/json?platform=${encodeURIComponent('{"os":"linux","architecture":"arm64"}')}`,
      404,
      ['inspect', 'x', {}],
    ],
    ['GET', '/images/x/json?platform=linux', 400, undefined],
    ['GET', '/images/a/b/history', 200, ['history', 'a/b', {}]],
    [
      'GET',
      `/images/a/history?platform=${AMD64}`,
      200,
      ['history', 'a', { platform: 'linux/amd64' }],
    ],
    ['GET', `/v1.47/images/a/history?platform=${AMD64}`, 200, ['history', 'a', {}]],
    ['GET', '/images/a/history?platform=linux', 400, undefined],
    [
      'DELETE',
      `/images/a?platforms=${AMD64}`,
      200,
      ['remove', 'a', { force: false, noPrune: false, platform: 'linux/amd64' }],
    ],
    ['DELETE', `/images/a?platforms=${AMD64}&platforms=${AMD64}`, 400, undefined],
    ['POST', '/images/a/tag?repo=b&tag=2', 201, ['tag', 'a', 'b:2']],
    ['POST', '/images/a/tag?repo=b', 201, ['tag', 'a', 'b']],
    [
      'DELETE',
      '/images/a:1?force=1&noprune=1',
      200,
      ['remove', 'a:1', { force: true, noPrune: true }],
    ],
    ['POST', '/images/prune', 200, ['prune', {}]],
    [
      'POST',
      '/commit?container=web&repo=r&tag=t&comment=c&author=a&pause=0&changes=CMD%20x',
      201,
      [
        'commit',
        'web',
        { reference: 'r:t', message: 'c', author: 'a', pause: false, changes: ['CMD x'] },
      ],
    ],
    ['POST', '/commit', 400, undefined],
  ];
  for (const [method, path, status, call] of rows) {
    calls.length = 0;
    const answer = await server.ask(path, { method });
    assert.equal(answer.status, status, `${path}: ${answer.body}`);
    assert.deepEqual(calls, call === undefined ? [] : [call], path);
  }
});

test('save and export stream archives; a failure in the middle cuts the connection', async () => {
  const broken = (): Readable =>
    Readable.from(
      (async function* (): AsyncGenerator<Buffer> {
        yield Buffer.from('begin');
        throw new Error('disk');
      })(),
    );
  const saved: unknown[] = [];
  await using server = await TestServer.start({
    images: {
      save: async (refs) => {
        saved.push(refs);
        return Readable.from([Buffer.from('tar')]);
      },
    },
    containers: { export: async () => broken() },
  });
  const one = await server.ask('/images/a/b:1/get');
  assert.equal(one.body, 'tar');
  assert.equal(one.headers.get('content-type'), 'application/x-tar');
  await server.ask('/images/get?names=a&names=b');
  assert.deepEqual(saved, [['a/b:1'], ['a', 'b']]);
  assert.equal((await server.ask('/images/get')).status, 400);
  await assert.rejects(server.ask('/containers/web/export'), /cut short/);
});

test('archive tells about a path, gives it and takes it', async () => {
  const stat = {
    name: 'hosts',
    size: 5,
    mode: 0o644,
    mtime: '2026-11-23T10:00:00Z',
    linkTarget: '',
  };
  const written: unknown[] = [];
  await using server = await TestServer.start({
    containers: {
      statPath: async (_ref, path) => {
        if (path === '/gone')
          throw new EngineError('not-found', 'Could not find the file /gone in container web');
        return stat;
      },
      readArchive: async () => ({ stat, archive: Readable.from([Buffer.from('tar')]) }),
      writeArchive: async (...[ref, path, archive, { keepKinds, ownByUser }]) => {
        const body = Buffer.concat(await archive.toArray()).toString();
        written.push([ref, path, body, keepKinds, ownByUser]);
      },
    },
  });
  const head = await server.ask('/containers/web/archive?path=/etc/hosts', { method: 'HEAD' });
  assert.equal(head.status, 200);
  const header = head.headers.get('x-docker-container-path-stat') ?? '';
  assert.deepEqual(JSON.parse(Buffer.from(header, 'base64').toString()), stat);
  assert.equal(
    (await server.ask('/containers/web/archive?path=/gone', { method: 'HEAD' })).status,
    404,
  );
  const get = await server.ask('/containers/web/archive?path=/etc/hosts');
  assert.deepEqual(
    [get.body, get.headers.get('content-type'), get.headers.get('x-docker-container-path-stat')],
    ['tar', 'application/x-tar', header],
  );
  assert.equal(
    (await server.ask('/containers/web/archive', { method: 'PUT', body: 'x' })).status,
    400,
  );
  const put = await server.ask(
    '/containers/web/archive?path=/tmp&noOverwriteDirNonDir=true&copyUIDGID=1',
    { method: 'PUT', body: 'some tar', headers: { 'Content-Type': 'application/x-tar' } },
  );
  assert.equal(put.status, 200);
  assert.deepEqual(written, [['web', '/tmp', 'some tar', true, true]]);
});

test('exec create needs a command and passes the configuration on', async () => {
  const { calls, operations } = noted({ create: { id: 'e1' } });
  await using server = await TestServer.start({ execs: operations });
  const created = await server.ask('/containers/web/exec', {
    method: 'POST',
    body: { Cmd: ['ls'], AttachStdout: true, Env: null },
  });
  assert.equal(created.status, 201);
  assert.deepEqual(created.json(), { Id: 'e1' });
  assert.equal(calls.length, 1);
  assert.deepEqual(calls[0], ['create', 'web', { Cmd: ['ls'], AttachStdout: true }]);
  for (const body of [{}, { Cmd: [] }, { Cmd: '' }, { Cmd: ['ls'], DetachKeys: 'zz' }]) {
    assert.equal(
      (await server.ask('/containers/web/exec', { method: 'POST', body })).status,
      400,
      JSON.stringify(body),
    );
  }
});

test('disk usage leaves out what was not asked for', async () => {
  const usage = {
    LayersSize: 7,
    Images: [],
    Containers: [sampleSummary],
    Volumes: [],
    BuildCache: [],
  };
  await using server = await TestServer.start({ system: { diskUsage: async () => usage } });
  assert.deepEqual(keysOf((await server.ask('/system/df')).json()), [
    'BuildCache',
    'Containers',
    'Images',
    'LayersSize',
    'Volumes',
  ]);
  const some = (await server.ask('/system/df?type=container')).json();
  assert.deepEqual([at(some, 'Images'), at(some, 'LayersSize')], [null, 0]);
  assert.equal((await server.ask('/system/df?type=bogus')).status, 400);
});

test('a bug is a 500 with a log entry; an expected error is not logged', async () => {
  const operations: FakeOperations = {
    containers: {
      start: async () => {
        throw new TypeError('undefined is not a function');
      },
      pause: async () => {
        throw new EngineError('wrong-state', 'Container web is not running');
      },
    },
  };
  await using server = await TestServer.start(operations);
  assert.equal((await server.ask('/containers/web/pause', { method: 'POST' })).status, 409);
  assert.equal(server.logged.length, 0);
  assert.equal(
    (await server.ask('/containers/web/start?x=secret', { method: 'POST' })).status,
    500,
  );
  assert.equal(server.logged.length, 1);
  assert.equal(JSON.stringify(server.logged).includes('secret'), false);
});

test('docs/api-coverage.md names exactly the routes there are', async () => {
  const identity = { version: '', gitCommit: '', buildTime: '', runtime: '' };
  const routes = allRoutes(fakeEngine(), identity).map(({ method, path }) => `${method} ${path}`);
  const text = await readFile(new URL('../../docs/api-coverage.md', import.meta.url), 'utf8');
  const documented = [...text.matchAll(/^\| ((?:GET|HEAD|POST|PUT|DELETE) \S+) \|/gm)].map(
    ([, endpoint]) => endpoint ?? '',
  );
  assert.deepEqual(documented.toSorted(), routes.toSorted());
});
