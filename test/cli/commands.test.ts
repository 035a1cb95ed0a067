import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../src/cli/main.ts';
import { frame, startFakeEngine, type FakeRoutes } from './fake-engine.ts';
import { testIo, type TestIoOptions } from './test-io.ts';

const id = 'ef'.repeat(32);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly calls: readonly string[];
  readonly queries: readonly Readonly<Record<string, string>>[];
  readonly bodies: readonly unknown[];
}

/** One command line against routes. */
async function run(
  routes: FakeRoutes,
  argv: readonly string[],
  options: TestIoOptions = {},
): Promise<Ran> {
  await using engine = await startFakeEngine(routes);
  const io = testIo(options);
  const code = await runCli(['-H', engine.host, ...argv], io);
  const requests = engine.requests.filter(({ path }) => path !== '/_ping');
  return {
    code,
    out: io.out(),
    err: io.err(),
    calls: engine.calls(),
    queries: requests.map(({ query }) => query),
    bodies: requests.map(({ json }) => json),
  };
}

const ok = { status: 204 };
const notFound = (name: string) => ({
  status: 404,
  json: { message: `No such container: ${name}` },
});

test('verbs on several containers try all, print what went well, tell what did not, in order', async () => {
  for (const [verb, path] of [
    ['stop', 'stop'],
    ['restart', 'restart'],
    ['kill', 'kill'],
    ['pause', 'pause'],
    ['unpause', 'unpause'],
    ['start', 'start'],
  ] as const) {
    const { code, out, err } = await run(
      {
        [`POST /containers/a/${path}`]: () => ok,
        [`POST /containers/b/${path}`]: () => notFound('b'),
        [`POST /containers/c/${path}`]: () => ok,
      },
      [verb, 'a', 'b', 'c'],
    );
    assert.deepEqual(
      [code, out, err],
      [1, 'a\nc\n', 'Error response from daemon: No such container: b\n'],
      verb,
    );
  }
});

test('stop, restart and kill pass their signal and timeout on, and only when given', async () => {
  const routes = { 'POST /containers/*': () => ok };
  assert.deepEqual((await run(routes, ['stop', 'a'])).queries, [{}]);
  assert.deepEqual((await run(routes, ['stop', '-t', '0', '-s', 'INT', 'a'])).queries, [
    { signal: 'INT', t: '0' },
  ]);
  assert.deepEqual((await run(routes, ['restart', '--time', '-1', 'a'])).queries, [{ t: '-1' }]);
  assert.deepEqual((await run(routes, ['kill', '-s', 'HUP', 'a'])).queries, [{ signal: 'HUP' }]);
});

test('rm -f of what is not there is no failure; rm without it is', async () => {
  const routes = { 'DELETE /containers/a': () => notFound('a') };
  assert.deepEqual(await run(routes, ['rm', '-f', 'a']).then(({ code, err }) => [code, err]), [
    0,
    'No such container: a\n',
  ]);
  assert.equal((await run(routes, ['rm', 'a'])).code, 1);
  const { queries } = await run({ 'DELETE /containers/a': () => ok }, ['rm', '-fv', 'a']);
  assert.deepEqual(queries, [{ v: '1', force: '1' }]);
});

test('wait prints the exit code of each container', async () => {
  const routes = {
    'POST /containers/a/wait': () => ({ json: { StatusCode: 3 } }),
    'POST /containers/b/wait': () => ({ json: { StatusCode: 0, Error: null } }),
  };
  assert.equal((await run(routes, ['wait', 'a', 'b'])).out, '3\n0\n');
});

test('exec shows both streams and exits with the code of the command', async () => {
  const { code, out, err, bodies } = await run(
    {
      'POST /containers/web/exec': () => ({ status: 201, json: { Id: id } }),
      [`POST /exec/${id}/start`]: () => ({
        hijack: (socket) =>
          socket.end(Buffer.concat([frame('stdout', 'o\n'), frame('stderr', 'e\n')])),
      }),
      [`GET /exec/${id}/json`]: () => ({ json: { ID: id, Running: false, ExitCode: 9 } }),
    },
    ['exec', '-u', 'me', '-w', '/x', '-e', 'A=1', 'web', 'ls', '-l'],
  );
  assert.deepEqual([code, out, err], [9, 'o\n', 'e\n']);
  assert.deepEqual(bodies[0], {
    Cmd: ['ls', '-l'],
    AttachStdout: true,
    AttachStderr: true,
    AttachStdin: false,
    Tty: false,
    Privileged: false,
    User: 'me',
    WorkingDir: '/x',
    Env: ['A=1'],
  });
});

test('exec -d starts and leaves; exec --plan does nothing at all', async () => {
  const routes = {
    'POST /containers/web/exec': () => ({ status: 201, json: { Id: id } }),
    [`POST /exec/${id}/start`]: () => ({}),
    'POST /carve/plan/exec/web': () => ({ json: { title: 'exec', steps: [] } }),
  };
  const { calls, bodies, code } = await run(routes, ['exec', '-d', 'web', 'true']);
  assert.deepEqual(
    [code, calls, bodies[1]],
    [0, ['POST /containers/web/exec', `POST /exec/${id}/start`], { Detach: true, Tty: false }],
  );
  assert.deepEqual((await run(routes, ['exec', '--plan', 'web', 'true'])).calls, [
    'POST /carve/plan/exec/web',
  ]);
});

test('attach refuses a container that is not running, and follows one that is', async () => {
  const inspected = (state: object, config: object = {}) => ({
    json: {
      Id: id,
      State: state,
      Config: { OpenStdin: false, Tty: false, ...config },
      HostConfig: {},
    },
  });
  const stopped = await run({ 'GET /containers/web/json': () => inspected({ Running: false }) }, [
    'attach',
    'web',
  ]);
  assert.deepEqual(
    [stopped.code, stopped.err],
    [1, 'Cannot attach to container web: it is not running; start it first\n'],
  );
  const { code, out } = await run(
    {
      'GET /containers/web/json': () => inspected({ Running: true }),
      [`POST /containers/${id}/wait`]: () => ({ json: { StatusCode: 4 } }),
      [`POST /containers/${id}/attach`]: () => ({
        hijack: (socket) => socket.end(frame('stdout', 'x\n')),
      }),
    },
    ['attach', 'web'],
  );
  assert.deepEqual([code, out], [4, 'x\n']);
});

test('start -a follows one container to its exit code, and refuses two', async () => {
  const started = Promise.withResolvers<void>();
  const { code, out } = await run(
    {
      'GET /containers/web/json': () => ({
        json: {
          Id: id,
          State: { Running: false },
          Config: { Tty: false },
          HostConfig: { AutoRemove: false },
        },
      }),
      [`POST /containers/${id}/attach`]: () => ({
        hijack: (socket) => void started.promise.then(() => socket.end(frame('stdout', 'hello\n'))),
      }),
      [`POST /containers/${id}/wait`]: () => ({
        stream: async (response) => {
          await started.promise;
          response.write('{"StatusCode":6}');
        },
      }),
      [`POST /containers/${id}/start`]: () => {
        started.resolve();
        return ok;
      },
    },
    ['start', '-a', 'web'],
  );
  assert.deepEqual([code, out], [6, 'hello\n']);
  assert.equal((await run({}, ['start', '-a', 'a', 'b'])).code, 1);
});

test('logs separates the streams, and leaves the output of a console alone', async () => {
  const framed = {
    headers: { 'Content-Type': 'application/vnd.docker.multiplexed-stream' },
    text: Buffer.concat([frame('stdout', 'o\x1b[1m\n'), frame('stderr', 'e\n')]),
  };
  const { out, err, queries } = await run({ 'GET /containers/c/logs': () => framed }, [
    'logs',
    '-f',
    '-n',
    '5',
    '-t',
    '--since',
    '1700000000.5',
    'c',
  ]);
  assert.deepEqual([out, err], ['o\x1b[1m\n', 'e\n']);
  assert.deepEqual(queries, [
    {
      stdout: '1',
      stderr: '1',
      follow: '1',
      timestamps: '1',
      since: '1700000000.500000000',
      tail: '5',
    },
  ]);
  const raw = { headers: { 'Content-Type': 'application/vnd.docker.raw-stream' }, text: 'raw\r\n' };
  assert.equal((await run({ 'GET /containers/c/logs': () => raw }, ['logs', 'c'])).out, 'raw\r\n');
});

test('logs --since takes dates and durations, and names the flag when it cannot', async () => {
  const routes = {
    'GET /containers/c/logs': () => ({
      headers: { 'Content-Type': 'application/vnd.docker.raw-stream' },
    }),
  };
  const now = Date.UTC(2026, 0, 2);
  assert.deepEqual(
    (await run(routes, ['logs', '--since', '10m', 'c'], { now })).queries[0]?.['since'],
    `${String(now / 1000 - 600)}.000000000`,
  );
  assert.deepEqual(
    (await run(routes, ['logs', '--until', '2026-01-01T00:00:00.25Z', 'c'])).queries[0]?.['until'],
    '1767225600.250000000',
  );
  const { code, err } = await run(routes, ['logs', '--since', 'tuesday', 'c']);
  assert.equal(code, 125);
  assert.match(err, /^invalid argument "tuesday" for "--since" flag: write a time as /);
});

test('pull draws one line a step where no terminal is, and ends with the full name', async () => {
  const steps = [
    { status: 'Pulling from library/debian', id: 'latest' },
    { status: 'Pulling fs layer', progressDetail: {}, id: 'aaa' },
    { status: 'Downloading', progressDetail: { current: 5, total: 10 }, id: 'aaa' },
    { status: 'Pull complete', progressDetail: {}, id: 'aaa' },
    { status: 'Digest: sha256:x' },
  ];
  const text = steps.map((step) => `${JSON.stringify(step)}\r\n`).join('');
  const { out, queries } = await run({ 'POST /images/create': () => ({ text }) }, [
    'pull',
    'debian',
  ]);
  assert.equal(
    out,
    'Using default tag: latest\nlatest: Pulling from library/debian\naaa: Pulling fs layer\naaa: Pull complete\nDigest: sha256:x\ndocker.io/library/debian:latest\n',
  );
  assert.deepEqual(queries, [{ fromImage: 'docker.io/library/debian', tag: 'latest' }]);
  const quiet = await run({ 'POST /images/create': () => ({ text }) }, [
    'pull',
    '-q',
    '--platform',
    'linux/arm64',
    'ghcr.io/a/b@sha256:' + 'a'.repeat(64),
  ]);
  assert.equal(quiet.out, `ghcr.io/a/b@sha256:${'a'.repeat(64)}\n`);
  assert.deepEqual(quiet.queries, [
    { fromImage: 'ghcr.io/a/b', tag: `sha256:${'a'.repeat(64)}`, platform: 'linux/arm64' },
  ]);
});

test('pull draws bars over each other on a terminal', async () => {
  const steps = [
    { status: 'Downloading', progressDetail: { current: 5_000_000, total: 10_000_000 }, id: 'aaa' },
    { status: 'Waiting', progressDetail: {}, id: 'bbb' },
    { status: 'Pull complete', progressDetail: {}, id: 'aaa' },
  ];
  const text = steps.map((step) => JSON.stringify(step)).join('\n');
  const { out } = await run({ 'POST /images/create': () => ({ text }) }, ['pull', 'x:1'], {
    terminal: { rows: 24, columns: 120 },
  });
  assert.equal(
    out,
    `aaa: Downloading [${'='.repeat(25)}>${' '.repeat(24)}]      5MB/10MB\nbbb: Waiting\n\x1b[2A\x1b[2K\raaa: Pull complete\r\x1b[2Bdocker.io/library/x:1\n`,
  );
});

test('a failure in the middle of a pull is the error of the command', async () => {
  const { code, err } = await run(
    {
      'POST /images/create': () => ({
        text: '{"status":"x"}\n{"errorDetail":{"message":"manifest \\u001b[31munknown"},"error":"e"}',
      }),
    },
    ['pull', 'x:1'],
  );
  assert.deepEqual([code, err], [1, 'manifest \\x1b[31munknown\n']);
});

test('pull and push send the credentials of the configuration file', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'carve-auth-'));
  const auth = Buffer.from('ada:pass:word').toString('base64');
  writeFileSync(
    join(directory, 'config.json'),
    JSON.stringify({
      auths: {
        'r.example': { auth },
        'https://index.docker.io/v1/': { auth, identitytoken: 'tok' },
      },
    }),
  );
  const headers: string[] = [];
  const routes: FakeRoutes = {
    'POST /images/*': (request) => {
      headers.push(Buffer.from(request.headers['x-registry-auth'] ?? '', 'base64url').toString());
      return { text: '{}' };
    },
  };
  const env = { DOCKER_CONFIG: directory };
  await run(routes, ['pull', '-q', 'r.example/a:1'], { env });
  await run(routes, ['push', '-q', 'debian:1'], { env });
  await run(routes, ['push', '-q', 'other.example/x:1'], { env });
  assert.deepEqual(
    headers.map((text) => JSON.parse(text) as unknown),
    [
      { username: 'ada', password: 'pass:word', serveraddress: 'r.example' },
      {
        username: 'ada',
        password: 'pass:word',
        identitytoken: 'tok',
        serveraddress: 'https://index.docker.io/v1/',
      },
      {},
    ],
  );
  rmSync(directory, { recursive: true });
});

test('login keeps what the registry accepted, readable by its owner alone; logout forgets it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'carve-login-'));
  writeFileSync(
    join(directory, 'config.json'),
    '{"psFormat":"x","auths":{"other":{"auth":"eDp5"}}}',
  );
  const env = { DOCKER_CONFIG: directory };
  const routes = { 'POST /auth': () => ({ json: { Status: 'Login Succeeded' } }) };
  const login = await run(routes, ['login', '-u', 'ada', '--password-stdin', 'r.example'], {
    env,
    stdin: 'secret\n',
  });
  assert.deepEqual(
    [login.code, login.out, login.bodies],
    [0, 'Login Succeeded\n', [{ username: 'ada', password: 'secret', serveraddress: 'r.example' }]],
  );
  const file = join(directory, 'config.json');
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
    psFormat: 'x',
    auths: {
      other: { auth: 'eDp5' },
      'r.example': { auth: Buffer.from('ada:secret').toString('base64') },
    },
  });
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(directory), ['config.json']);
  assert.equal(
    (await run({}, ['logout', 'r.example'], { env })).out,
    'Removing login credentials for r.example\n',
  );
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
    psFormat: 'x',
    auths: { other: { auth: 'eDp5' } },
  });
  assert.equal(
    (await run({}, ['logout', 'r.example'], { env })).out,
    'Not logged in to r.example\n',
  );
  const refused = await run(
    { 'POST /auth': () => ({ status: 401, json: { message: 'unauthorized' } }) },
    ['login', '-u', 'a', '--password-stdin', 'r.example'],
    { env, stdin: 'x' },
  );
  assert.deepEqual([refused.code, refused.err], [1, 'Error response from daemon: unauthorized\n']);
  rmSync(directory, { recursive: true });
});

test('save and export write a whole file or none, and never to a terminal', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'carve-save-'));
  const routes: FakeRoutes = {
    'GET /images/debian/get': () => ({ text: 'one image' }),
    'GET /images/get': () => ({ text: 'two images' }),
    'GET /containers/c/export': () => ({
      stream: (response) => {
        response.write('half');
        response.destroy();
        return Promise.resolve();
      },
    }),
  };
  assert.equal((await run(routes, ['save', '-o', 'a.tar', 'debian'], { cwd: directory })).code, 0);
  assert.equal(readFileSync(join(directory, 'a.tar'), 'utf8'), 'one image');
  assert.equal((await run(routes, ['save', 'a', 'b'])).out, 'two images');
  assert.equal((await run(routes, ['export', '-o', 'b.tar', 'c'], { cwd: directory })).code, 1);
  assert.deepEqual(readdirSync(directory), ['a.tar']);
  const terminal = await run(routes, ['save', 'debian'], { terminal: { rows: 1, columns: 1 } });
  assert.deepEqual([terminal.code, terminal.calls], [1, []]);
  rmSync(directory, { recursive: true });
});

test('load and import stream a file or standard input', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'carve-load-'));
  writeFileSync(join(directory, 'x.tar'), 'archive');
  const received: string[] = [];
  const routes: FakeRoutes = {
    'POST /images/load': (request) => {
      received.push(request.body.toString());
      return { text: '{"stream":"Loaded image: debian:latest\\n"}' };
    },
    'POST /images/create': (request) => {
      received.push(request.body.toString());
      return { text: '{"status":"sha256:123"}' };
    },
  };
  assert.equal(
    (await run(routes, ['load', '-i', 'x.tar'], { cwd: directory })).out,
    'Loaded image: debian:latest\n',
  );
  assert.equal(
    (await run(routes, ['load'], { stdin: 'from stdin' })).out,
    'Loaded image: debian:latest\n',
  );
  const imported = await run(routes, ['import', '-c', 'CMD ["x"]', '-m', 'why', 'x.tar', 'a/b:1'], {
    cwd: directory,
  });
  assert.deepEqual(
    [imported.out, imported.queries],
    [
      'sha256:123\n',
      [{ fromSrc: '-', repo: 'a/b', tag: '1', message: 'why', changes: 'CMD ["x"]' }],
    ],
  );
  assert.deepEqual((await run(routes, ['import', 'https://x.example/r.tar'])).queries, [
    { fromSrc: 'https://x.example/r.tar' },
  ]);
  assert.deepEqual(received, ['archive', 'from stdin', 'archive', '']);
  const missing = await run(routes, ['load', '-i', '/nonexistent.tar']);
  assert.deepEqual(
    [missing.code, missing.err],
    [1, 'Cannot read /nonexistent.tar: no such file\n'],
  );
  rmSync(directory, { recursive: true });
});

test('prune asks first; only a yes goes on', async () => {
  const routes = {
    'POST /containers/prune': () => ({ json: { ContainersDeleted: ['a'], SpaceReclaimed: 1000 } }),
  };
  for (const [answer, code] of [
    ['y\n', 0],
    ['yes\n', 0],
    ['n\n', 1],
    ['\n', 1],
    ['', 1],
  ] as const) {
    const { code: got, calls } = await run(routes, ['container', 'prune'], { stdin: answer });
    assert.deepEqual([got, calls.length], [code, code === 0 ? 1 : 0], JSON.stringify(answer));
  }
  const { out, queries } = await run(routes, [
    'container',
    'prune',
    '-f',
    '--filter',
    'until=1h',
    '--filter',
    'label!=x',
  ]);
  assert.equal(out, 'Deleted Containers:\na\n\nTotal reclaimed space: 1kB\n');
  assert.deepEqual(JSON.parse(queries[0]?.['filters'] ?? ''), { until: ['1h'], 'label!': ['x'] });
});

test('events prints one line each, in nanoseconds, nothing a terminal would obey', async () => {
  const text =
    '{"Type":"container","Action":"die","Actor":{"ID":"abc","Attributes":{"name":"a\\u001b","exitCode":"0"}},"scope":"local","time":1763913645,"timeNano":1763913645123456789}\n' +
    '{"Type":"container","Action":"stop","Actor":{"ID":"abc","Attributes":{}},"scope":"local","time":1763913646,"timeNano":1763913646500000000}\n';
  const { out } = await run({ 'GET /events': () => ({ text }) }, ['events']);
  assert.equal(
    out,
    '2025-11-23T16:00:45.123456789Z container die abc (exitCode=0, name=a\\x1b)\n' +
      '2025-11-23T16:00:46.500000000Z container stop abc\n',
  );
  const json = await run({ 'GET /events': () => ({ text }) }, [
    'events',
    '--format',
    '{{.Actor.ID}} {{.TimeNano}} {{json .timeNano}}',
    '-f',
    'event=die',
  ]);
  assert.equal(
    json.out,
    'abc 1763913645123456789 1763913645123456789\nabc 1763913646500000000 1763913646500000000\n',
  );
});

test('stats --no-stream works out the figures', async () => {
  const sample = {
    id,
    name: '/web',
    pids_stats: { current: 3 },
    cpu_stats: { cpu_usage: { total_usage: 2_000 }, system_cpu_usage: 20_000, online_cpus: 2 },
    precpu_stats: { cpu_usage: { total_usage: 1_000 }, system_cpu_usage: 10_000 },
    memory_stats: { usage: 3_145_728, limit: 10_485_760, stats: { inactive_file: 1_048_576 } },
    networks: { eth0: { rx_bytes: 1000, tx_bytes: 2000 }, eth1: { rx_bytes: 500, tx_bytes: 0 } },
    blkio_stats: {
      io_service_bytes_recursive: [
        { op: 'read', value: 4096 },
        { op: 'Write', value: 1_000_000 },
      ],
    },
  };
  const { out } = await run({ 'GET /containers/web/stats': () => ({ json: sample }) }, [
    'stats',
    '--no-stream',
    'web',
  ]);
  assert.equal(
    out,
    'CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O       BLOCK I/O     PIDS\n' +
      'efefefefefef   web       20.00%    2MiB / 10MiB        20.00%    1.5kB / 2kB   4.1kB / 1MB   3\n',
  );
});

test('update sends what was given, and 0 for no limit of processes', async () => {
  const routes = { 'POST /containers/a/update': () => ({ json: { Warnings: null } }) };
  const { bodies, out } = await run(routes, [
    'update',
    '-m',
    '1g',
    '--pids-limit',
    '0',
    '--restart',
    'on-failure:2',
    'a',
  ]);
  assert.deepEqual(
    [bodies, out],
    [
      [
        {
          Memory: 1073741824,
          PidsLimit: 0,
          RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 },
        },
      ],
      'a\n',
    ],
  );
  assert.equal((await run(routes, ['update', 'a'])).code, 1);
});

test('tag, commit and rename pass names on in their normal form', async () => {
  const routes = {
    'POST /images/debian/tag': () => ({ status: 201 }),
    'POST /commit': () => ({ status: 201, json: { Id: 'sha256:1' } }),
    'POST /containers/a/rename': () => ok,
  };
  assert.deepEqual((await run(routes, ['tag', 'debian', 'localhost:5000/a/b'])).queries, [
    { repo: 'localhost:5000/a/b', tag: 'latest' },
  ]);
  const commit = await run(routes, [
    'commit',
    '-m',
    'why',
    '-a',
    'me',
    '-c',
    'CMD x',
    '-c',
    'USER y',
    '--no-pause',
    'a',
    'img:1',
  ]);
  assert.deepEqual(
    [
      commit.out,
      commit.queries[0]?.['pause'],
      commit.queries[0]?.['repo'],
      commit.queries[0]?.['tag'],
    ],
    ['sha256:1\n', '0', 'img', '1'],
  );
  assert.deepEqual((await run(routes, ['rename', 'a', '/b'])).queries, [{ name: 'b' }]);
  const bad = await run(routes, ['tag', 'debian', 'Upper']);
  assert.deepEqual(
    [bad.code, bad.err],
    [1, 'invalid reference format: repository name (Upper) must be lowercase\n'],
  );
});

test('version and info show this side although the engine is gone', async () => {
  for (const verb of ['version', 'info']) {
    const io = testIo();
    assert.equal(await runCli(['-H', 'unix:///nonexistent/s', verb], io), 1);
    assert.match(io.out(), /Client/);
    assert.match(io.err(), /Cannot connect to the carve daemon/);
  }
});

test('a reader that leaves ends the command quietly, with the code of a broken pipe', async () => {
  await using engine = await startFakeEngine({ 'GET /containers/json': () => ({ json: [] }) });
  const { EngineError } = await import('../../src/base/error.ts');
  const io = testIo();
  const stdout = {
    ...io.stdout,
    isTerminal: false,
    size: undefined,
    write: () =>
      Promise.reject(new EngineError('cancelled', 'gone', { details: { source: 'output' } })),
  };
  assert.equal(await runCli(['-H', engine.host, 'ps'], { ...io, stdout }), 141);
  assert.equal(io.err(), '');
});

test('every command has help that fits the width and says how to use it', async () => {
  const { rootEntry } = await import('../../src/cli/commands/index.ts');
  const { pathsBelow } = await import('../../src/cli/commands/tree.ts');
  const visit = async (
    entry: (typeof rootEntry.entries)[number],
    path: readonly string[],
  ): Promise<void> => {
    const words = [...path, entry.name];
    const io = testIo();
    assert.equal(await runCli([...words, '--help'], io), 0, words.join(' '));
    assert.match(io.out(), new RegExp(`^Usage:  carve ${words.join(' ')}`));
    for (const line of io.out().split('\n'))
      assert.ok(
        line.length <= 80 ||
          line.startsWith('Usage:') ||
          /^ {2}carve|^ {2}\S+( \|)? carve/.test(line),
        line,
      );
    if (entry.kind === 'group') for (const child of entry.entries) await visit(child, words);
    else assert.ok(pathsBelow(rootEntry, entry).length > 0);
  };
  for (const entry of rootEntry.entries) await visit(entry, []);
});

test('a group without a command shows its help and fails; the root shows help', async () => {
  const group = testIo();
  assert.equal(await runCli(['container'], group), 1);
  assert.match(group.err(), /^Usage:  carve container COMMAND/);
  const root = testIo();
  assert.equal(await runCli([], root), 0);
  assert.match(root.out(), /^Usage:  carve \[OPTIONS\] COMMAND/);
  const version = testIo();
  assert.equal(await runCli(['--version'], version), 0);
  assert.match(version.out(), /^carve version \d+\.\d+\.\d+\n$/);
});
