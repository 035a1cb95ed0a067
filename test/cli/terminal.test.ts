import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { startFakeEngine, type FakeEngine } from './fake-engine.ts';
import { startOnTerminal, type TerminalProgram } from './terminal-program.ts';

const id = 'cd'.repeat(32);
const entry = fileURLToPath(new URL('carve-entry.ts', import.meta.url));

/** An engine with one container that has a console: it greets, then echoes in capitals until it sees `q`. */
function consoleEngine(): Promise<FakeEngine> {
  const started = Promise.withResolvers<void>();
  const exited = Promise.withResolvers<void>();
  const talk = (socket: Socket): void => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      socket.write(
        `<${String(bytes).toUpperCase().replaceAll('\r', 'CR').replaceAll('\x03', '^C')}>`,
      );
      if (!String(bytes).includes('q')) return;
      socket.end();
      exited.resolve();
    });
    void started.promise.then(() => {
      socket.write('READY\r\n');
      socket.resume();
    });
  };
  return startFakeEngine({
    'POST /containers/create': () => ({ status: 201, json: { Id: id, Warnings: [] } }),
    [`POST /containers/${id}/attach`]: () => ({ raw: true, hijack: talk }),
    [`POST /containers/${id}/wait`]: () => ({
      stream: async (response) => {
        await exited.promise;
        response.write('{"StatusCode":5}');
      },
    }),
    [`POST /containers/${id}/start`]: () => {
      started.resolve();
      return { status: 204 };
    },
    [`POST /containers/${id}/resize`]: () => ({}),
    'POST /auth': () => ({ json: { Status: 'Login Succeeded' } }),
  });
}

function carve(engine: FakeEngine, ...words: readonly string[]): TerminalProgram {
  return startOnTerminal([process.execPath, entry, '-H', engine.host, ...words], {
    DOCKER_CONFIG: engine.directory,
  });
}

test('run -it: every key goes through, sizes follow, the exit code comes back, the terminal is as before', async () => {
  await using engine = await consoleEngine();
  await using program = carve(engine, 'run', '-it', 'debian', 'bash');
  await program.until(/READY/);
  assert.equal(await program.mode(), 'raw');
  program.send('abc\r\x03');
  await program.until(/<ABCCR\^C>/);
  program.resize(40, 120);
  await engine.until(/resize\?h=40&w=120/);
  program.send('q');
  assert.deepEqual(await program.exited, { code: 5, mode: 'cooked' });
});

for (const [name, number] of [
  ['SIGTERM', 15],
  ['SIGHUP', 1],
] as const) {
  test(`run -it: ${name} ends the command with ${String(128 + number)} and leaves a usable terminal`, async () => {
    await using engine = await consoleEngine();
    await using program = carve(engine, 'run', '-it', 'debian');
    await program.until(/READY/);
    assert.equal(await program.mode(), 'raw');
    program.signal(number);
    assert.deepEqual(await program.exited, { code: 128 + number, mode: 'cooked' });
  });
}

test('run -it: the detach keys leave with a message and a usable terminal', async () => {
  await using engine = await consoleEngine();
  await using program = carve(engine, 'run', '-it', '--name', 'web', 'debian');
  await program.until(/READY/);
  program.send('\x10');
  program.send('\x11');
  assert.deepEqual(await program.exited, { code: 0, mode: 'cooked' });
  assert.match(program.output(), /Detached from web, which keeps running/);
});

test('login asks for the name and for the password without showing it', async () => {
  await using engine = await consoleEngine();
  await using program = carve(engine, 'login', 'registry.example.org');
  await program.until(/Username: /);
  program.send('ada\r');
  await program.until(/Password: /);
  program.send('secrex\x7ft\r');
  assert.deepEqual(await program.exited, { code: 0, mode: 'cooked' });
  assert.match(program.output(), /Login Succeeded/);
  assert.doesNotMatch(program.output(), /secre/);
  assert.deepEqual(engine.requests.find(({ path }) => path === '/auth')?.json, {
    username: 'ada',
    password: 'secret',
    serveraddress: 'registry.example.org',
  });
});
