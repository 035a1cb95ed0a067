import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DaemonDefaults } from '../../src/cli/daemon-defaults.ts';
import type { Io } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/main.ts';
import { testIo, type TestIo } from './test-io.ts';

const program = fileURLToPath(new URL('fake-daemon.ts', import.meta.url));

interface Place {
  readonly directory: string;
  readonly defaults: DaemonDefaults;
  /** Runs a command line; several may run at once. */
  readonly run: (io: TestIo, ...argv: readonly string[]) => Promise<number>;
}

/** A directory with a default socket that nobody listens on; every daemon started is ended. */
async function withPlace(mode: string, body: (place: Place) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'carve-daemon-'));
  const defaults = {
    host: `unix://${join(directory, 'engine.sock')}`,
    args: [directory, mode],
    logPath: join(directory, 'log/daemon.log'),
  };
  const run = (io: TestIo, ...argv: readonly string[]): Promise<number> => {
    const self: Io = {
      ...io,
      self: [process.execPath, program],
      env: { PATH: process.env['PATH'] },
    };
    return runCli(argv, self, { daemon: defaults });
  };
  try {
    await body({ directory, defaults, run });
  } finally {
    for (const pid of pidsIn(directory)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
    rmSync(directory, { recursive: true });
  }
}

function pidsIn(directory: string): readonly number[] {
  try {
    return readFileSync(join(directory, 'pids'), 'utf8').trim().split('\n').map(Number);
  } catch {
    return [];
  }
}

test('a command starts the daemon when none answers on the default socket, and finds it the next time', async () => {
  await withPlace('', async ({ directory, run }) => {
    const io = testIo();
    assert.equal(await run(io, 'ps'), 0, io.err());
    assert.equal(
      io.out(),
      'CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n',
    );
    assert.equal(await run(testIo(), 'ps'), 0);
    const [pid] = pidsIn(directory);
    assert.equal(pidsIn(directory).length, 1);
    // In a session of its own: it outlives the terminal of the command.
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8').split(' ');
    assert.equal(Number(stat[5]), pid);
  });
});

test('three commands at once reach one daemon', async () => {
  await withPlace('', async ({ run }) => {
    const ios = [testIo(), testIo(), testIo()];
    const codes = await Promise.all(ios.map((io) => run(io, 'ps', '-q')));
    assert.deepEqual(codes, [0, 0, 0], ios.map((io) => io.err()).join(''));
  });
});

test('a daemon that does not start is told with its last words and its log', async () => {
  await withPlace('broken', async ({ defaults, run }) => {
    const io = testIo();
    assert.equal(await run(io, 'ps'), 1);
    assert.equal(
      io.err(),
      `Cannot start the carve daemon at ${defaults.host}: it ended with code 3: Cannot open the state: disk full\nIts log is ${defaults.logPath}.\n`,
    );
  });
});

test('somebody who is not root is told who can start the daemon', async () => {
  await withPlace('', async ({ directory, defaults, run }) => {
    const io = testIo({ isRoot: false });
    assert.equal(await run(io, 'ps'), 1);
    assert.match(
      io.err(),
      new RegExp(
        `Cannot connect to the carve daemon at ${defaults.host}. Is it running\\?\nOnly root can start it`,
      ),
    );
    assert.deepEqual(pidsIn(directory), []);
  });
});

test('a dead socket that was asked for starts nothing', async () => {
  await withPlace('', async ({ directory, run }) => {
    const other = `unix://${join(directory, 'other.sock')}`;
    const io = testIo();
    assert.equal(await run(io, '-H', other, 'ps'), 1);
    assert.equal(io.err(), `Cannot connect to the carve daemon at ${other}. Is it running?\n`);
    assert.deepEqual(pidsIn(directory), []);
  });
});

test('a socket of another program is refused in one sentence', async () => {
  await withPlace('', async ({ directory, run }) => {
    const path = join(directory, 'foreign.sock');
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.resume();
      socket.end('220 mail.example.org ESMTP\r\n\r\n');
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const io = testIo();
    assert.equal(await run(io, '-H', `unix://${path}`, 'ps'), 1);
    assert.equal(io.err(), `Cannot use unix://${path}: what answers there is no engine\n`);
    await new Promise((resolve) => server.close(resolve));
  });
});

test('a log that cannot be opened is told, and nothing is started', async () => {
  await withPlace('', async ({ directory, run }) => {
    symlinkSync('/dev/null/x', join(directory, 'log'));
    const io = testIo();
    assert.equal(await run(io, 'ps'), 1);
    assert.match(io.err(), /^Cannot start the daemon: cannot open its log /);
    assert.deepEqual(pidsIn(directory), []);
  });
});
