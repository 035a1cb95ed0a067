/** The real docker CLI and raw clients against the real engine: the conformance list of the Engine API. */

import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { at } from '../fakes/json.ts';
import { parseAnswer, RawClient, requestText } from '../fakes/server.ts';
import { dockerPath, type Outcome, Target } from './target.ts';

const isRoot = process.getuid?.() === 0;
const none = ['--network', 'none'] as const;

/** Runs `docker` and checks what it did. */
async function docker(
  target: Target,
  args: readonly string[],
  expected: Partial<Outcome> & { readonly input?: string } = {},
): Promise<Outcome> {
  const { input, ...wanted } = expected;
  const outcome = await target.docker(args, input);
  const text = `docker ${args.join(' ')}: ${JSON.stringify(outcome).slice(0, 2000)}`;
  for (const key of ['code', 'stdout', 'stderr'] as const) {
    if (wanted[key] !== undefined) assert.equal(outcome[key], wanted[key], text);
  }
  return outcome;
}

async function dial(target: Target): Promise<RawClient> {
  const socket = connect({ path: target.socket, allowHalfOpen: true });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return new RawClient(socket);
}

/** One request, one answer. */
async function ask(
  target: Target,
  path: string,
  asking: Parameters<typeof requestText>[1] = {},
): Promise<ReturnType<typeof parseAnswer>> {
  const client = await dial(target);
  client.write(
    requestText(path, { ...asking, headers: { ...asking.headers, Connection: 'close' } }),
  );
  const text = await client.ended();
  client.socket.destroy();
  return parseAnswer(text);
}

async function create(target: Target, body: object): Promise<string> {
  const answer = await ask(target, '/containers/create', {
    method: 'POST',
    body: {
      Image: 'busybox',
      ...body,
      HostConfig: { NetworkMode: 'none', ...(at(body, 'HostConfig') as object | undefined) },
    },
  });
  assert.equal(answer.status, 201, answer.body);
  return String(at(answer.json(), 'Id'));
}

async function start(target: Target, id: string): Promise<void> {
  const answer = await ask(target, `/containers/${id}/start`, { method: 'POST' });
  assert.equal(answer.status, 204, answer.body);
}

/** `docker` on a terminal of 24 rows and 80 columns. */
class Terminal {
  readonly #child: ChildProcessWithoutNullStreams;
  text = '';
  #wake = (): void => undefined;
  readonly code: Promise<number>;

  constructor(target: Target, args: string) {
    const command = `stty rows 24 cols 80; exec ${dockerPath()} ${args}`;
    this.#child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { ...process.env, ...target.env },
    });
    this.#child.stdout.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
      this.#wake();
    });
    this.code = new Promise((resolve) => this.#child.once('close', (code) => resolve(code ?? -1)));
    void this.code.then(() => this.#wake());
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  async until(shown: RegExp): Promise<void> {
    while (!shown.test(this.text)) {
      assert.equal(this.#child.exitCode, null, `The terminal shows ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

describe('docker CLI and raw clients on the real engine', { skip: !isRoot }, () => {
  let target: Target;
  before(async () => {
    target = await Target.start('bun', 'serve-engine.ts');
  });
  after(async () => {
    await target[Symbol.asyncDispose]();
  });

  test('run passes both streams, stdin with its end, and exit codes', async () => {
    await docker(
      target,
      ['run', ...none, '--rm', 'busybox', 'sh', '-c', 'echo out; echo err >&2; exit 3'],
      { code: 3, stdout: 'out\n', stderr: 'err\n' },
    );
    await docker(target, ['run', ...none, '--rm', '-i', 'busybox', 'cat'], {
      code: 0,
      stdout: 'hi\n',
      input: 'hi\n',
    });
    const big = 'x'.repeat(2_000_000);
    const outcome = await target.docker(['run', ...none, '--rm', '-i', 'busybox', 'wc', '-c'], big);
    assert.equal(outcome.stdout.trim(), String(big.length));
    await docker(target, ['run', ...none, '--rm', 'busybox', 'nope'], { code: 127 });
    await docker(target, ['run', ...none, '--rm', 'busybox', '/etc'], { code: 126 });
    await docker(target, ['run', ...none, '--rm', '--memory', '1m', 'busybox', 'true'], {
      code: 125,
    });
    await docker(target, ['ps', '-aq'], { code: 0, stdout: '' });
  });

  test('run carries much output without loss', async () => {
    const outcome = await target.docker(['run', ...none, '--rm', 'busybox', 'seq', '1', '300000']);
    assert.equal(outcome.stdout.split('\n').length, 300_001);
    assert.ok(outcome.stdout.endsWith('\n300000\n'));
  });

  test('wait sends its head while the container is created, and attach gets the first byte', async () => {
    const id = await create(target, { Cmd: ['echo', 'first'] });
    const waiting = await dial(target);
    const before_ = performance.now();
    waiting.write(requestText(`/containers/${id}/wait?condition=next-exit`, { method: 'POST' }));
    await waiting.until((text) => text.includes('\r\n\r\n'));
    assert.ok(performance.now() - before_ < 50);
    const attached = await dial(target);
    attached.write(
      requestText(`/containers/${id}/attach?stream=1&stdout=1`, {
        method: 'POST',
        headers: { Connection: 'Upgrade', Upgrade: 'tcp' },
      }),
    );
    await attached.until((text) => text.includes('101 UPGRADED'));
    await start(target, id);
    await attached.ended();
    assert.equal(attached.payload.toString('latin1'), '\x01\0\0\0\0\0\0\x06first\n');
    await waiting.until((text) => text.includes('"StatusCode":0'));
    for (const client of [waiting, attached]) client.socket.destroy();
    await docker(target, ['rm', id], { code: 0 });
  });

  test('exec passes streams, users, folders, environment and a hundred exit codes', async () => {
    await docker(
      target,
      ['run', ...none, '-d', '--name', 'web', '-e', 'A=image', 'busybox', 'sleep', '1000'],
      { code: 0 },
    );
    await docker(
      target,
      ['exec', '-e', 'B=c', '-w', '/tmp', '-u', '5', 'web', 'sh', '-c', 'echo $A $B; pwd; id -u'],
      { code: 0, stdout: 'image c\n/tmp\n5\n' },
    );
    await docker(target, ['exec', '-i', 'web', 'cat'], { code: 0, stdout: 'x', input: 'x' });
    await docker(target, ['exec', 'web', 'nope'], { code: 127 });
    for (let code = 0; code < 100; code += 10) {
      const codes = await Promise.all(
        Array.from({ length: 10 }, (_, offset) =>
          target.docker(['exec', 'web', 'sh', '-c', `exit ${code + offset}`]),
        ),
      );
      assert.deepEqual(
        codes.map((outcome) => outcome.code),
        Array.from({ length: 10 }, (_, offset) => code + offset),
      );
    }
    await docker(target, ['rm', '-f', 'web'], { code: 0 });
  });

  test('logs follow to the end, count lines, and have sortable times', async () => {
    await docker(
      target,
      [
        'run',
        ...none,
        '-d',
        '--name',
        'talk',
        'busybox',
        'sh',
        '-c',
        'echo one; echo two; echo three >&2',
      ],
      { code: 0 },
    );
    await docker(target, ['logs', '-f', 'talk'], {
      code: 0,
      stdout: 'one\ntwo\n',
      stderr: 'three\n',
    });
    await docker(target, ['logs', '--tail', '2', 'talk'], {
      code: 0,
      stdout: 'two\n',
      stderr: 'three\n',
    });
    await docker(target, ['logs', '--tail', '0', 'talk'], { code: 0, stdout: '', stderr: '' });
    const { stdout } = await docker(target, ['logs', '-t', 'talk'], { code: 0 });
    const times = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '');
    for (const time of times) assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    assert.deepEqual(times, times.toSorted());
    await docker(target, ['rm', 'talk'], { code: 0 });
  });

  test('a client that does not read its attach does not hold the container back', async () => {
    const id = await create(target, {
      Cmd: ['sh', '-c', 'read line; dd if=/dev/zero bs=1M count=200; echo end >&2'],
      OpenStdin: true,
    });
    await start(target, id);
    const stuck = await dial(target);
    stuck.write(
      requestText(`/containers/${id}/attach?stream=1&stdin=1&stdout=1`, {
        method: 'POST',
        headers: { Connection: 'Upgrade', Upgrade: 'tcp' },
      }),
    );
    await stuck.until((text) => text.includes('101 UPGRADED'));
    stuck.socket.pause();
    stuck.write('go\n');
    const waited = await ask(target, `/containers/${id}/wait`, { method: 'POST' });
    assert.deepEqual(waited.json(), { StatusCode: 0 });
    stuck.socket.destroy();
    await docker(target, ['rm', id], { code: 0 });
  });

  test('the life of a container: pause, rename, stop, start, restart, kill, remove', async () => {
    await docker(
      target,
      [
        'run',
        ...none,
        '-d',
        '--name',
        'life',
        'busybox',
        'sh',
        '-c',
        'trap "" TERM; while :; do sleep 1; done',
      ],
      { code: 0 },
    );
    await docker(target, ['pause', 'life'], { code: 0 });
    assert.match((await docker(target, ['ps', '--format', '{{.Status}}'])).stdout, /\(Paused\)/);
    await docker(target, ['unpause', 'life'], { code: 0 });
    await docker(target, ['rename', 'life', 'living'], { code: 0 });
    await docker(target, ['stop', '-t', '1', 'living'], { code: 0 });
    await docker(target, ['wait', 'living'], { code: 0, stdout: '137\n' });
    await docker(target, ['stop', 'living'], { code: 0 });
    await docker(target, ['start', 'living'], { code: 0 });
    await docker(target, ['restart', '-t', '0', 'living'], { code: 0 });
    await docker(target, ['rm', 'living'], { code: 1 });
    await docker(target, ['kill', 'living'], { code: 0 });
    await docker(target, ['rm', 'living'], { code: 0 });
    await docker(target, ['rm', 'living'], { code: 1 });
  });

  test('a name is given once, and free when wait for the removal returns', async () => {
    const tries = await Promise.all(
      Array.from({ length: 8 }, () =>
        ask(target, '/containers/create?name=once', {
          method: 'POST',
          body: { Image: 'busybox', HostConfig: { NetworkMode: 'none' } },
        }),
      ),
    );
    assert.deepEqual(
      tries.map(({ status }) => status).toSorted((a, b) => a - b),
      [201, ...Array.from({ length: 7 }, () => 409)],
    );
    await docker(target, ['rm', 'once'], { code: 0 });
    for (let round = 0; round < 10; round += 1) {
      await docker(target, ['run', ...none, '--rm', '--name', 'again', 'busybox', 'true'], {
        code: 0,
      });
    }
  });

  test('restarts by policy are counted, and events tell the story', async () => {
    const seconds = Math.floor(Date.now() / 1000);
    const since = String(seconds);
    await docker(
      target,
      ['run', ...none, '-d', '--restart', 'on-failure:2', '--name', 'fails', 'busybox', 'false'],
      { code: 0 },
    );
    const events = await docker(
      target,
      [
        'events',
        '--since',
        since,
        '--until',
        String(seconds + 3),
        '--filter',
        'container=fails',
        '--format',
        '{{.Action}}',
      ],
      { code: 0 },
    );
    assert.equal(
      events.stdout,
      ['create', 'start', 'die', 'start', 'die', 'start', 'die', ''].join('\n'),
    );
    await docker(
      target,
      ['inspect', '-f', '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}', 'fails'],
      { code: 0, stdout: '2 exited 1\n' },
    );
    await docker(target, ['rm', 'fails'], { code: 0 });
  });

  test('health goes from starting to healthy to unhealthy', async () => {
    await docker(
      target,
      [
        'run',
        ...none,
        '-d',
        '--name',
        'sick',
        '--health-cmd',
        'test ! -e /sick',
        '--health-interval',
        '200ms',
        '--health-retries',
        '2',
        'busybox',
        'sleep',
        '1000',
      ],
      { code: 0 },
    );
    const watched = await dial(target);
    const filters = encodeURIComponent('{"container":["sick"],"event":["health_status"]}');
    watched.write(requestText(`/events?since=1&filters=${filters}`));
    const until = async (state: string): Promise<void> => {
      await watched.until((text) => text.includes(`health_status: ${state}`));
      const health = ['inspect', '-f', '{{.State.Health.Status}}', 'sick'];
      await docker(target, health, { stdout: `${state}\n` });
    };
    await until('healthy');
    await docker(target, ['exec', 'sick', 'touch', '/sick'], { code: 0 });
    await until('unhealthy');
    watched.socket.destroy();
    await docker(target, ['rm', '-f', 'sick'], { code: 0 });
  });

  test('stats, top, update and inspect show what runs', async () => {
    await docker(
      target,
      ['run', ...none, '-d', '--name', 'busy', '--memory', '64m', 'busybox', 'sleep', '1000'],
      { code: 0 },
    );
    assert.match(
      (
        await docker(target, [
          'stats',
          '--no-stream',
          '--format',
          '{{.Name}} {{.MemUsage}}',
          'busy',
        ])
      ).stdout,
      /^busy .* \/ 64MiB\n$/,
    );
    const stats = (await ask(target, '/containers/busy/stats?stream=0')).json();
    assert.notEqual(at(stats, 'precpu_stats', 'system_cpu_usage'), undefined);
    assert.match((await docker(target, ['top', 'busy'])).stdout, /sleep 1000/);
    await docker(target, ['update', '--memory', '128m', '--memory-swap', '256m', 'busy'], {
      code: 0,
    });
    await docker(target, ['inspect', '-f', '{{.HostConfig.Memory}}', 'busy'], {
      stdout: `${128 * 1024 * 1024}\n`,
    });
    await docker(target, ['rm', '-f', 'busy'], { code: 0 });
  });

  test('a terminal has its size and passes keys, and the detach keys leave it running', async () => {
    const terminal = new Terminal(target, `run ${none.join(' ')} -it --name term busybox sh`);
    await terminal.until(/# /);
    terminal.type('tty; while ! stty size | grep 80; do :; done\r');
    await terminal.until(/\/dev\/pts\/0\r\n[^]*24 80\r\n/);
    terminal.type('echo a-$((1+1))\r');
    await terminal.until(/\r\na-2\r\n/);
    terminal.type('\x10');
    terminal.type('\x11');
    assert.equal(await terminal.code, 0);
    await docker(target, ['inspect', '-f', '{{.State.Running}}', 'term'], { stdout: 'true\n' });
    const again = new Terminal(target, 'attach term');
    again.type('exit 9\r');
    assert.equal(await again.code, 9, again.text);
    await docker(target, ['rm', 'term'], { code: 0 });
  });

  test('exec has a terminal of its own', async () => {
    await docker(target, ['run', ...none, '-d', '--name', 'host', 'busybox', 'sleep', '1000']);
    const terminal = new Terminal(target, 'exec -it --detach-keys ctrl-a,x host sh');
    await terminal.until(/# /);
    terminal.type('tty; stty size; exit 5\r');
    await terminal.until(/\/dev\/pts\/\d\r\n24 80\r\n/);
    assert.equal(await terminal.code, 5);
    const left = new Terminal(target, 'exec -it --detach-keys ctrl-a,x host sh');
    await left.until(/# /);
    left.type('\x01x');
    await left.code;
    assert.match((await docker(target, ['top', 'host'])).stdout, / sh\n/);
    await docker(target, ['rm', '-f', 'host'], { code: 0 });
  });

  test('plans explain a run, a start and an exec without doing them', async () => {
    const id = await create(target, { Cmd: ['sleep', '1000'] });
    const body = { Image: 'busybox', Cmd: ['true'], HostConfig: { NetworkMode: 'none' } };
    const planned = (await ask(target, '/carve/plan/run', { method: 'POST', body })).json();
    assert.equal(at(planned, 'steps', 0, 'op'), 'monitor');
    const starting = await ask(target, `/carve/plan/start/${id}`, { method: 'POST' });
    assert.equal(starting.status, 200, starting.body);
    await start(target, id);
    const executing = await ask(target, `/carve/plan/exec/${id}`, {
      method: 'POST',
      body: { Cmd: ['ls'] },
    });
    assert.equal(executing.status, 200, executing.body);
    await docker(target, ['ps', '-aq'], { stdout: `${id.slice(0, 12)}\n` });
    await docker(target, ['rm', '-f', id], { code: 0 });
  });

  test('prune removes what has ended', async () => {
    await docker(target, ['run', ...none, 'busybox', 'true'], { code: 0 });
    assert.match(
      (await docker(target, ['container', 'prune', '-f'], { code: 0 })).stdout,
      /^Deleted Containers:\n[0-9a-f]{64}\n/,
    );
    await docker(target, ['ps', '-aq'], { stdout: '' });
  });
});

test('the same engine runs on Node.js', { skip: !isRoot }, async () => {
  await using target = await Target.start('node', 'serve-engine.ts');
  await docker(target, ['run', ...none, '--rm', '-i', 'busybox', 'cat'], {
    code: 0,
    stdout: 'hi',
    input: 'hi',
  });
  await docker(target, ['run', ...none, '--rm', 'busybox', 'sh', '-c', 'exit 3'], { code: 3 });
  await docker(target, ['run', ...none, '-d', '--name', 'web', 'busybox', 'sleep', '1000'], {
    code: 0,
  });
  await docker(target, ['exec', 'web', 'sh', '-c', 'echo in; exit 7'], { code: 7, stdout: 'in\n' });
  await docker(target, ['rm', '-f', 'web'], { code: 0 });
});
