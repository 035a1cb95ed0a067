import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../src/cli/main.ts';
import {
  frame,
  startFakeEngine,
  type FakeAnswer,
  type FakeEngine,
  type FakeRoutes,
} from './fake-engine.ts';
import { testIo, type TestIo } from './test-io.ts';

const id = 'ab'.repeat(32);

/** An engine whose container behaves as told once it is started. */
function engineOf(container: {
  readonly tty?: boolean;
  /** Speaks on the attached stream, after the start; then the container exits. */
  readonly behave?: (socket: Socket) => Promise<void> | void;
  readonly code?: number;
  readonly start?: FakeAnswer;
  readonly routes?: FakeRoutes;
}): Promise<FakeEngine> {
  const started = Promise.withResolvers<void>();
  const exited = Promise.withResolvers<void>();
  return startFakeEngine({
    'POST /containers/create': () => ({ status: 201, json: { Id: id, Warnings: [] } }),
    [`POST /containers/${id}/attach`]: () => ({
      raw: container.tty === true,
      hijack: (socket) => {
        socket.on('error', () => undefined);
        void started.promise.then(async () => {
          const behaviour = container.behave?.(socket);
          socket.resume();
          await behaviour;
          socket.end();
          exited.resolve();
        });
      },
    }),
    [`POST /containers/${id}/wait`]: () => ({
      stream: async (response) => {
        await exited.promise;
        response.write(`${JSON.stringify({ StatusCode: container.code ?? 0 })}\n`);
      },
    }),
    [`POST /containers/${id}/start`]: () => {
      if (container.start !== undefined) {
        exited.resolve();
        return container.start;
      }
      started.resolve();
      return { status: 204 };
    },
    [`POST /containers/${id}/kill`]: () => ({ status: 204 }),
    [`POST /containers/${id}/resize`]: () => ({ status: 200 }),
    ...container.routes,
  });
}

function run(engine: FakeEngine, io: TestIo, ...argv: readonly string[]): Promise<number> {
  return runCli(['-H', engine.host, ...argv], io);
}

test('run connects and waits before it starts, shows both streams, and exits with the code of the container', async () => {
  await using engine = await engineOf({
    behave: (socket) => {
      socket.write(
        Buffer.concat([
          frame('stdout', 'out\n'),
          frame('stderr', 'err\n'),
          frame('stdout', 'more\n'),
        ]),
      );
    },
    code: 7,
  });
  const io = testIo();
  assert.equal(await run(engine, io, 'run', 'debian', 'sh', '-c', 'exit 7'), 7);
  assert.deepEqual([io.out(), io.err()], ['out\nmore\n', 'err\n']);
  const calls = engine.calls().map((call) => call.replace(id, 'ID'));
  assert.deepEqual(
    [calls[0], calls.slice(1, 3).toSorted(), calls.slice(3)],
    [
      'POST /containers/create',
      ['POST /containers/ID/attach', 'POST /containers/ID/wait'],
      ['POST /containers/ID/start'],
    ],
  );
  assert.deepEqual(engine.requests.find(({ path }) => path.endsWith('/attach'))?.query, {
    stream: '1',
    stdout: '1',
    stderr: '1',
  });
  assert.deepEqual(engine.requests.find(({ path }) => path.endsWith('/wait'))?.query, {
    condition: 'next-exit',
  });
});

test('run --rm waits for the removal', async () => {
  await using engine = await engineOf({});
  assert.equal(await run(engine, testIo(), 'run', '--rm', 'debian'), 0);
  assert.deepEqual(engine.requests.find(({ path }) => path.endsWith('/wait'))?.query, {
    condition: 'removed',
  });
  const body = engine.requests[0]?.json as {
    readonly HostConfig: { readonly AutoRemove: boolean };
  };
  assert.equal(body.HostConfig.AutoRemove, true);
});

test('run -i passes standard input on and half-closes the connection at its end', async () => {
  await using engine = await engineOf({
    behave: async (socket) => {
      let text = '';
      socket.on('data', (bytes) => {
        text += String(bytes);
      });
      await new Promise((resolve) => socket.once('end', resolve));
      socket.write(frame('stdout', text.toUpperCase()));
    },
  });
  const io = testIo({ stdin: 'hello\n' });
  assert.equal(await run(engine, io, 'run', '-i', 'debian', 'cat'), 0);
  assert.equal(io.out(), 'HELLO\n');
});

test('run does not read standard input without -i', async () => {
  await using engine = await engineOf({});
  const io = testIo();
  assert.equal(await run(engine, io, 'run', 'debian'), 0);
});

test('run -it makes the terminal raw while the container has it, sets the size and follows its changes', async () => {
  await using engine = await engineOf({
    tty: true,
    behave: async (socket) => {
      socket.write('$ ');
      const line = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
      socket.write(`you typed ${line.toString()}`);
    },
  });
  const io = testIo({ terminal: { rows: 24, columns: 80 } });
  const done = run(engine, io, 'run', '-it', 'debian', 'bash');
  await io.untilOut(/\$ /);
  assert.deepEqual(io.rawChanges, [true]);
  io.signal('SIGWINCH');
  io.type('exit\r');
  assert.equal(await done, 0);
  assert.deepEqual(io.rawChanges, [true, false]);
  assert.match(io.out(), /you typed exit\r/);
  const resize = await engine.until(/resize/);
  assert.deepEqual(resize.query, { h: '24', w: '80' });
  const body = engine.requests[0]?.json as {
    readonly Tty: boolean;
    readonly HostConfig: { readonly ConsoleSize: readonly number[] };
  };
  assert.deepEqual([body.Tty, body.HostConfig.ConsoleSize], [true, [24, 80]]);
});

test('run -it leaves by the detach keys with a friendly message, and the container goes on', async () => {
  await using engine = await engineOf({ tty: true, behave: () => new Promise(() => undefined) });
  const io = testIo({ terminal: { rows: 24, columns: 80 } });
  const done = run(engine, io, 'run', '-it', '--name', 'web', 'debian', 'bash');
  await engine.until(/start/);
  io.type('ls\x10');
  io.type('\x11');
  assert.equal(await done, 0);
  assert.match(
    io.err(),
    /Detached from web, which keeps running\. "carve attach web" brings you back\./,
  );
  assert.deepEqual(io.rawChanges, [true, false]);
});

test('run --detach-keys sets the keys, and the configuration file does where no flag is', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'carve-config-'));
  await writeFile(join(directory, 'config.json'), '{"detachKeys":"ctrl-x,y"}');
  for (const argv of [['--detach-keys', 'ctrl-x,y'], []]) {
    await using engine = await engineOf({ tty: true, behave: () => new Promise(() => undefined) });
    const io = testIo({ terminal: { rows: 24, columns: 80 }, env: { DOCKER_CONFIG: directory } });
    const done = run(engine, io, 'run', '-it', ...argv, 'debian');
    await engine.until(/start/);
    io.type('\x18y');
    assert.equal(await done, 0);
    assert.match(io.err(), /Detached from/);
  }
  await rm(directory, { recursive: true });
});

test('run -t without -i passes signals on: its terminal is not raw, so an interrupt is one', async () => {
  let finish: () => void = () => undefined;
  await using engine = await engineOf({
    tty: true,
    behave: () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      }),
    code: 3,
  });
  const io = testIo();
  const done = run(engine, io, 'run', '-t', 'debian');
  await engine.until(/start/);
  io.signal('SIGINT');
  assert.deepEqual((await engine.until(/kill/)).query, { signal: 'SIGINT' });
  finish();
  assert.equal(await done, 3);
});

test('run passes signals on, those before the start too', async () => {
  let finish: () => void = () => undefined;
  await using engine = await engineOf({
    behave: () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      }),
    code: 130,
  });
  const io = testIo();
  const done = run(engine, io, 'run', 'debian');
  await engine.until(/attach/);
  io.signal('SIGINT');
  const kill = await engine.until(/kill/);
  assert.deepEqual(kill.query, { signal: 'SIGINT' });
  assert.ok(
    engine.calls().findIndex((call) => call.includes('/start')) <
      engine.calls().findIndex((call) => call.includes('/kill')),
  );
  finish();
  assert.equal(await done, 130);
});

for (const [message, code] of [
  ['failed to create task: exec: "nope": executable file not found in $PATH', 127],
  ['exec /x: no such file or directory', 127],
  ['exec /etc: permission denied', 126],
  ['exec /etc: is a directory', 126],
  ['anything else', 125],
] as const) {
  test(`run exits with ${String(code)} when the engine says: ${message}`, async () => {
    await using engine = await engineOf({ start: { status: 400, json: { message } } });
    const io = testIo();
    assert.equal(await run(engine, io, 'run', 'debian', 'nope'), code);
    assert.equal(io.err(), `Error response from daemon: ${message}\n`);
  });
}

test('run pulls a missing image, tells of it, and creates the container then', async () => {
  let creations = 0;
  await using engine = await engineOf({
    routes: {
      'POST /containers/create': () =>
        creations++ === 0
          ? { status: 404, json: { message: 'No such image: debian:latest' } }
          : { status: 201, json: { Id: id, Warnings: ['a \x1b[31mwarning'] } },
      'POST /images/create': () => ({
        text: '{"status":"Pulling from library/debian","id":"latest"}\r\n{"status":"Status: Downloaded newer image for debian:latest"}\r\n',
      }),
    },
  });
  const io = testIo();
  assert.equal(await run(engine, io, 'run', 'debian'), 0);
  assert.equal(
    io.err(),
    "Unable to find image 'debian:latest' locally\nlatest: Pulling from library/debian\nStatus: Downloaded newer image for debian:latest\nWARNING: a \\x1b[31mwarning\n",
  );
  const pull = engine.requests.find(({ path }) => path === '/images/create');
  assert.deepEqual(pull?.query, { fromImage: 'docker.io/library/debian', tag: 'latest' });
});

test('run of what is no image reference says so, not that it is missing', async () => {
  await using engine = await engineOf({
    routes: {
      'POST /containers/create': () => ({ status: 404, json: { message: 'No such image: BB' } }),
      'POST /images/create': () => ({
        status: 400,
        json: { message: 'invalid reference format: repository name (BB) must be lowercase' },
      }),
    },
  });
  const io = testIo();
  assert.equal(await run(engine, io, 'run', 'BB'), 125);
  assert.match(
    io.err(),
    /^[^\n]*invalid reference format: repository name \(BB\) must be lowercase\n$/,
  );
});

test('run --pull never says that the image is not there', async () => {
  await using engine = await engineOf({
    routes: {
      'POST /containers/create': () => ({
        status: 404,
        json: { message: 'No such image: debian:latest' },
      }),
    },
  });
  const io = testIo();
  assert.equal(await run(engine, io, 'run', '--pull', 'never', 'debian'), 125);
  assert.equal(io.err(), 'Error response from daemon: No such image: debian:latest\n');
  assert.deepEqual(engine.calls(), ['POST /containers/create']);
});

test('run tells why a pull failed, in the words of the engine', async () => {
  await using engine = await engineOf({
    routes: {
      'POST /containers/create': () => ({
        status: 404,
        json: { message: 'No such image: x:latest' },
      }),
      'POST /images/create': () => ({
        text: '{"errorDetail":{"message":"pull access denied"},"error":"pull access denied"}\r\n',
      }),
    },
  });
  const io = testIo();
  assert.equal(await run(engine, io, 'run', '-q', 'x'), 125);
  assert.equal(io.err(), 'pull access denied\n');
});

test('run -d starts, prints the id and asks for no stream', async () => {
  await using engine = await engineOf({});
  const io = testIo();
  assert.equal(await run(engine, io, 'run', '-d', '--rm', 'debian', 'sleep', '9'), 0);
  assert.equal(io.out(), `${id}\n`);
  assert.deepEqual(engine.calls(), ['POST /containers/create', `POST /containers/${id}/start`]);
  const body = engine.requests[0]?.json as Record<string, unknown>;
  assert.deepEqual(
    [body['AttachStdin'], body['AttachStdout'], body['AttachStderr']],
    [false, false, false],
  );
});

test('run --cidfile writes the id to a new file, and refuses one that is there', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'carve-cid-'));
  const io = testIo({ cwd: directory });
  await using engine = await engineOf({});
  assert.equal(await run(engine, io, 'run', '--cidfile', 'cid', 'debian'), 0);
  assert.equal(await readFile(join(directory, 'cid'), 'utf8'), id);
  assert.equal(await run(engine, io, 'run', '--cidfile', 'cid', 'debian'), 125);
  assert.match(io.err(), /container ID file found/);
  await rm(directory, { recursive: true });
});

test('create --cidfile leaves no file behind when the engine refuses', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'carve-cid-'));
  await using engine = await engineOf({
    routes: {
      'POST /containers/create': () => ({
        status: 409,
        json: { message: 'Conflict. The container name "/x" is already in use' },
      }),
    },
  });
  assert.equal(
    await run(engine, testIo({ cwd: directory }), 'create', '--cidfile', 'cid', 'debian'),
    1,
  );
  await assert.rejects(readFile(join(directory, 'cid')));
  await rm(directory, { recursive: true });
});

test('run says what is wrong before it asks the engine for anything', async () => {
  await using engine = await engineOf({});
  for (const [argv, code, message] of [
    [['run', '-it', 'debian'], 125, 'the input device is not a TTY\n'],
    [
      ['run', '--rm', '--restart', 'always', 'debian'],
      125,
      "conflicting options: cannot specify both --restart and --rm\nSee 'carve run --help'.\n",
    ],
    [
      ['run', '-d', '-a', 'stdout', 'debian'],
      125,
      "Conflicting options: -a and -d\nSee 'carve run --help'.\n",
    ],
    [['run', '--foo', 'debian'], 125, "unknown flag: --foo\nSee 'carve run --help'.\n"],
    [
      ['run', '--detahc', 'debian'],
      125,
      "unknown flag: --detahc\nDid you mean --detach?\nSee 'carve run --help'.\n",
    ],
    [['run'], 1, "'carve run' requires at least 1 argument\nSee 'carve run --help'.\n"],
    [
      ['run', '--env-file', '/nonexistent/file', 'debian'],
      125,
      "Cannot read /nonexistent/file: no such file\nSee 'carve run --help'.\n",
    ],
    ...['run', 'create'].map(
      (verb) =>
        [
          [verb, '--format', 'json', 'debian'],
          125,
          `--format is for the plan of --plan: there is nothing else to write\nSee 'carve ${verb} --help'.\n`,
        ] as const,
    ),
    [
      ['exec', '--format', 'json', 'web', 'true'],
      125,
      "--format is for the plan of --plan: there is nothing else to write\nSee 'carve exec --help'.\n",
    ],
    [
      ['start', '--format', 'text', 'web'],
      125,
      "--format is for the plan of --plan: there is nothing else to write\nSee 'carve start --help'.\n",
    ],
    [
      ['run', '--cidfile', '/nonexistent/file', 'debian'],
      125,
      "Cannot create the container ID file /nonexistent/file: there is no such directory\nSee 'carve run --help'.\n",
    ],
    [['run', '--detach-keys', 'ctrl-', 'debian'], 125, 'Invalid escape keys (ctrl-) provided\n'],
    [
      ['rnu', 'debian'],
      1,
      "unknown command: carve rnu\nDid you mean carve run?\nSee 'carve --help'.\n",
    ],
  ] as const) {
    const io = testIo();
    assert.equal(await run(engine, io, ...argv), code, argv.join(' '));
    assert.equal(io.err(), message);
  }
  assert.deepEqual(engine.calls(), []);
});

test('run tells an error in the middle of the output, after the output before it', async () => {
  await using engine = await engineOf({
    behave: (socket) => {
      socket.write(Buffer.concat([frame('stdout', 'half'), frame('error', 'the log is gone')]));
    },
  });
  const io = testIo();
  assert.equal(await run(engine, io, 'run', 'debian'), 125);
  assert.deepEqual([io.out(), io.err()], ['half', 'Error response from daemon: the log is gone\n']);
});

test('run tells that the engine is gone when it loses it', async () => {
  await using engine = await engineOf({
    behave: (socket) => {
      socket.write(frame('stdout', 'x'));
    },
    routes: {
      [`POST /containers/${id}/wait`]: () => ({
        stream: async (response) => {
          await engine.until(/start/);
          response.destroy();
        },
      }),
    },
  });
  const io = testIo();
  assert.equal(await run(engine, io, 'run', 'debian'), 125);
  assert.match(io.err(), /Lost the connection to the carve daemon|connection ended in the middle/);
});

test('run --plan prints the plan, as text or JSON, and creates nothing', async () => {
  const plan = {
    title: 'run debian',
    steps: [{ index: 0, op: 'mount', text: 'mount proc at /proc', fields: {} }],
  };
  await using engine = await engineOf({
    routes: { 'POST /carve/plan/run': () => ({ json: plan }) },
  });
  const io = testIo();
  assert.equal(await run(engine, io, 'run', '--plan', '--name', 'x', 'debian'), 0);
  assert.equal(io.out(), 'run debian\n0  mount proc at /proc\n');
  assert.deepEqual(engine.requests[0]?.query, { name: 'x' });
  const json = testIo();
  assert.equal(await run(engine, json, 'run', '--plan', '--format', 'json', 'debian'), 0);
  assert.deepEqual(JSON.parse(json.out()), plan);
  assert.deepEqual(engine.calls(), ['POST /carve/plan/run', 'POST /carve/plan/run']);
});

test('run adds the proxies of the configuration file where the command line says nothing of them', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'carve-config-'));
  await writeFile(
    join(directory, 'config.json'),
    '{"proxies":{"default":{"httpProxy":"http://p:1","noProxy":"x"}}}',
  );
  await using engine = await engineOf({});
  await run(
    engine,
    testIo({ env: { DOCKER_CONFIG: directory } }),
    'create',
    '-e',
    'HTTP_PROXY=mine',
    'debian',
  );
  const body = engine.requests[0]?.json as { readonly Env: readonly string[] };
  assert.deepEqual(body.Env, [
    'HTTP_PROXY=mine',
    'http_proxy=http://p:1',
    'NO_PROXY=x',
    'no_proxy=x',
  ]);
  await rm(directory, { recursive: true });
});

test('a command line finds its engine by flag, CARVE_HOST, DOCKER_HOST, in that order', async () => {
  await using first = await startFakeEngine({ 'GET /containers/json': () => ({ json: [] }) });
  await using second = await startFakeEngine({ 'GET /containers/json': () => ({ json: [] }) });
  const dead = 'unix:///nonexistent/x.sock';
  assert.equal(
    await runCli(
      ['-H', first.host, 'ps'],
      testIo({ env: { CARVE_HOST: dead, DOCKER_HOST: dead } }),
    ),
    0,
  );
  assert.equal(
    await runCli(['ps'], testIo({ env: { CARVE_HOST: second.host, DOCKER_HOST: dead } })),
    0,
  );
  assert.equal(await runCli(['ps'], testIo({ env: { DOCKER_HOST: second.host } })), 0);
  assert.deepEqual([first.calls().length, second.calls().length], [1, 2]);
  const io = testIo({ env: { DOCKER_HOST: dead } });
  assert.equal(await runCli(['ps'], io), 1);
  assert.equal(io.err(), `Cannot connect to the carve daemon at ${dead}. Is it running?\n`);
});

test('create --use-api-socket mounts the socket and leaves the logins in the container', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'carve-config-'));
  const auth = Buffer.from('ada:secret').toString('base64');
  await writeFile(
    join(directory, 'config.json'),
    JSON.stringify({ psFormat: 'x', auths: { 'r.example': { auth } } }),
  );
  await using engine = await engineOf({
    routes: { [`PUT /containers/${id}/archive`]: () => ({}) },
  });
  const io = testIo({ env: { DOCKER_CONFIG: directory } });
  assert.equal(await run(engine, io, 'create', '--use-api-socket', 'debian'), 0, io.err());
  const body = engine.requests[0]?.json as {
    readonly Env: readonly string[];
    readonly HostConfig: { readonly Mounts: readonly object[] };
  };
  assert.deepEqual(body.Env, ['DOCKER_CONFIG=/run/secrets/docker']);
  assert.deepEqual(body.HostConfig.Mounts, [
    { Type: 'bind', Source: engine.socketPath, Target: '/var/run/docker.sock' },
  ]);
  const put = await engine.until(/^PUT /);
  assert.equal(put.query['path'], '/');
  assert.match(
    put.body.toString(),
    new RegExp(`run/secrets/docker/config.json[^]*{"auths":{"r.example":{"auth":"${auth}"}}}`),
  );
  await rm(directory, { recursive: true });
});
