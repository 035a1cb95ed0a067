import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FakeOperations, sampleInspect } from '../../test/fakes/engine.ts';
import { atRest, turns } from '../../test/fakes/quiet.ts';
import { type RawClient, requestText, TestServer } from '../../test/fakes/server.ts';
import { FakeProcess } from '../../test/fakes/streams.ts';
import { EngineError } from '../base/error.ts';
import type { AttachOptions } from '../engine/engine.ts';
import { encodeFrame } from './frame.ts';

const upgrade = { Connection: 'Upgrade', Upgrade: 'tcp' };
const attachAll = '/v1.51/containers/web/attach?stream=1&stdin=1&stdout=1&stderr=1';

/** A server whose attach gives `process`, and the options it was asked with. */
async function attachServer(
  process: FakeProcess,
  framing: 'raw' | 'multiplexed' = 'multiplexed',
): Promise<{ server: TestServer; asked: AttachOptions[] }> {
  const asked: AttachOptions[] = [];
  const server = await TestServer.start({
    containers: {
      attach: async (_ref, options) => {
        asked.push(options);
        return process.attachment(framing);
      },
    },
  });
  return { server, asked };
}

async function opened(client: RawClient): Promise<string> {
  const text = await client.until((all) => all.includes('\r\n\r\n'));
  return text.slice(0, text.indexOf('\r\n\r\n') + 4);
}

test('attach upgrades with 101 and the type of the framing', async () => {
  const rows: [string, 'raw' | 'multiplexed', string][] = [
    ['/v1.51', 'multiplexed', 'application/vnd.docker.multiplexed-stream'],
    ['/v1.42', 'multiplexed', 'application/vnd.docker.multiplexed-stream'],
    ['/v1.41', 'multiplexed', 'application/vnd.docker.raw-stream'],
    ['', 'raw', 'application/vnd.docker.raw-stream'],
  ];
  for (const [prefix, framing, type] of rows) {
    const process = new FakeProcess();
    const { server } = await attachServer(process, framing);
    await using _ = server;
    const client = await server.raw();
    client.write(
      requestText(`${prefix}/containers/web/attach?stream=1&stdout=1`, {
        method: 'POST',
        headers: upgrade,
      }),
    );
    const head = await opened(client);
    assert.ok(
      head.startsWith(
        `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n`,
      ),
      head,
    );
    process.exit();
    await client.ended();
    client.socket.destroy();
  }
});

test('attach without an upgrade answers a raw 200 that ends with the connection', async () => {
  const process = new FakeProcess();
  const { server, asked } = await attachServer(process);
  await using _ = server;
  const client = await server.raw();
  client.write(
    requestText('/containers/web/attach?stream=1&stdout=1&stderr=1', { method: 'POST' }),
  );
  const head = await opened(client);
  assert.ok(
    head.startsWith('HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n'),
    head,
  );
  assert.doesNotMatch(head, /content-length|transfer-encoding/i);
  process.say(encodeFrame('stdout', 'hello'));
  process.exit();
  await client.ended();
  assert.deepEqual(client.payload, encodeFrame('stdout', 'hello'));
  assert.deepEqual(
    asked.map(({ stdin, stdout, stderr, logs, stream }) => ({
      stdin,
      stdout,
      stderr,
      logs,
      stream,
    })),
    [{ stdin: false, stdout: true, stderr: true, logs: false, stream: true }],
  );
  client.socket.destroy();
});

test('attach carries bytes both ways, also those that come with the request', async () => {
  const process = new FakeProcess();
  const { server } = await attachServer(process, 'raw');
  await using _ = server;
  const client = await server.raw();
  client.write(`${requestText(attachAll, { method: 'POST', headers: upgrade })}early `);
  await opened(client);
  client.write('late');
  await process.until(() => process.input === 'early late');
  process.say('out');
  await client.until((all) => all.endsWith('out'));
  client.socket.destroy();
});

test('attach ignores the options that dockerode repeats as a body', async () => {
  const process = new FakeProcess();
  const { server } = await attachServer(process);
  await using _ = server;
  const client = await server.raw();
  client.write(
    `${requestText(attachAll, { method: 'POST', headers: upgrade, body: { stream: true, stdin: true } })}typed`,
  );
  await process.until(() => process.input === 'typed');
  process.exit();
  await client.ended();
  client.socket.destroy();
});

test('attach passes the end of the client on and goes on with output', async () => {
  const process = new FakeProcess();
  const { server } = await attachServer(process);
  await using _ = server;
  const client = await server.raw();
  client.write(requestText(attachAll, { method: 'POST', headers: upgrade }));
  await opened(client);
  client.socket.end('hi');
  await process.until(() => process.isInputEnded);
  assert.equal(process.input, 'hi');
  process.say(encodeFrame('stdout', 'hi'));
  process.exit();
  await client.ended();
  assert.deepEqual(client.payload, encodeFrame('stdout', 'hi'));
});

test('attach without stdin ignores what the client sends', async () => {
  const process = new FakeProcess();
  const { server } = await attachServer(process);
  await using _ = server;
  const client = await server.raw();
  client.write(
    `${requestText('/containers/web/attach?stream=1&stdout=1', { method: 'POST', headers: upgrade })}ignored`,
  );
  await opened(client);
  client.socket.end('more');
  await process.until(() => process.isInputEnded);
  process.say(encodeFrame('stdout', 'x'));
  process.exit();
  await client.ended();
  assert.equal(process.input, '');
  assert.deepEqual(client.payload, encodeFrame('stdout', 'x'));
});

test('attach holds a process back whose client does not read, and loses nothing', async () => {
  const process = new FakeProcess();
  const { server } = await attachServer(process, 'raw');
  await using _ = server;
  const client = await server.raw();
  client.write(requestText(attachAll, { method: 'POST', headers: upgrade }));
  await opened(client);
  client.socket.pause();
  const piece = Buffer.alloc(64 * 1024, 'x');
  let said = 0;
  for (let isWanted = true; isWanted && said < 500; ) {
    said += 1;
    if (process.say(piece)) continue;
    isWanted = false;
    void process.wanted().then(() => {
      isWanted = true;
    });
    await turns();
  }
  assert.ok(said < 50, `took ${said} pieces from a client that does not read`);
  client.socket.resume();
  process.exit();
  await client.ended();
  assert.equal(client.payload.length, said * piece.length);
  client.socket.destroy();
});

test('attach holds a client back whose process does not read', async () => {
  const process = new FakeProcess();
  process.isStuck = true;
  const { server } = await attachServer(process, 'raw');
  await using _ = server;
  const client = await server.raw();
  client.write(requestText(attachAll, { method: 'POST', headers: upgrade }));
  await opened(client);
  const size = 4 * 1024 * 1024;
  client.socket.end(Buffer.alloc(size, 'y'));
  await process.until(() => process.input.length > 0);
  const read = await atRest(() => process.input.length);
  assert.ok(read < size / 2, `read ${read}`);
  process.release();
  await process.until(() => process.isInputEnded);
  assert.equal(process.input.length, size);
  process.exit();
  await client.ended();
});

test('attach lets the streams go when the client vanishes', async () => {
  const process = new FakeProcess();
  const { server } = await attachServer(process);
  await using _ = server;
  const client = await server.raw();
  client.write(requestText(attachAll, { method: 'POST', headers: upgrade }));
  await opened(client);
  client.socket.destroy();
  // Its end is seen as end of file; output finds out that nobody is there.
  await process.until(() => process.isInputEnded);
  process.say(encodeFrame('stdout', 'anyone?'));
  await process.until(() => process.stream.destroyed);
});

test('attach ends the connection of a client that does not close when the process is gone', async () => {
  const process = new FakeProcess();
  const { server } = await attachServer(process);
  await using _ = server;
  const client = await server.raw();
  client.write(requestText(attachAll, { method: 'POST', headers: upgrade }));
  await opened(client);
  process.say(encodeFrame('stderr', 'last words'));
  process.exit();
  await client.ended();
  assert.deepEqual(client.payload, encodeFrame('stderr', 'last words'));
  assert.equal(process.stream.destroyed, true);
  client.write('too late');
  client.socket.end();
});

test('attach tells of a failure in the middle on stream 3, on a console in words', async () => {
  for (const [framing, expected] of [
    ['multiplexed', encodeFrame('error', 'Lost the monitor\n')],
    ['raw', Buffer.from('Lost the monitor\r\n')],
  ] as const) {
    const process = new FakeProcess();
    const { server } = await attachServer(process, framing);
    await using _ = server;
    const client = await server.raw();
    client.write(requestText(attachAll, { method: 'POST', headers: upgrade }));
    await opened(client);
    process.stream.destroy(new EngineError('internal', 'Lost the monitor'));
    await client.ended();
    assert.deepEqual(client.payload, expected);
    client.socket.destroy();
  }
});

test('attach detaches a console on the detach keys, and only a console', async () => {
  const leave = Buffer.from([0x10, 0x11]);
  const process = new FakeProcess();
  const { server } = await attachServer(process, 'raw');
  await using _ = server;
  const client = await server.raw();
  client.write(requestText(attachAll, { method: 'POST', headers: upgrade }));
  await opened(client);
  client.write('ls').write(leave.subarray(0, 1)).write(leave.subarray(1));
  await client.ended();
  assert.equal(process.stream.destroyed, true);
  assert.equal(process.input, 'ls');
  client.socket.destroy();

  const framed = new FakeProcess();
  const second = await attachServer(framed, 'multiplexed');
  await using __ = second.server;
  const other = await second.server.raw();
  other.write(requestText(attachAll, { method: 'POST', headers: upgrade }));
  await opened(other);
  other.write(leave);
  await framed.until(() => framed.input === leave.toString('latin1'));
  other.socket.destroy();
});

test('attach takes other detach keys and refuses bad ones', async () => {
  const process = new FakeProcess();
  const { server } = await attachServer(process, 'raw');
  await using _ = server;
  const bad = await server.ask(`${attachAll}&detachKeys=nope`, {
    method: 'POST',
    headers: upgrade,
  });
  assert.equal(bad.status, 400);
  assert.match(bad.body, /Invalid escape keys \(nope\)/);
  const client = await server.raw();
  client.write(
    requestText(`${attachAll}&detachKeys=ctrl-x,y`, { method: 'POST', headers: upgrade }),
  );
  await opened(client);
  client.write('a\x18');
  await process.until(() => process.input === 'a');
  client.write('y');
  await client.ended();
  assert.equal(process.input, 'a');
  client.socket.destroy();
});

test('attach answers errors before the hijack as ordinary ones', async () => {
  await using server = await TestServer.start({
    containers: {
      attach: async () => {
        throw new EngineError('not-found', 'No such container: web');
      },
    },
  });
  const answer = await server.ask(attachAll, { method: 'POST', headers: upgrade });
  assert.equal(answer.status, 404);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  assert.deepEqual(answer.json(), { message: 'No such container: web' });
});

test('attach treats an upgrade to anything but tcp as none', async () => {
  const process = new FakeProcess();
  const { server } = await attachServer(process);
  await using _ = server;
  const client = await server.raw();
  client.write(
    requestText(attachAll, { method: 'POST', headers: { Connection: 'Upgrade', Upgrade: 'h2c' } }),
  );
  assert.match(await opened(client), /^HTTP\/1\.1 200 OK/);
  client.socket.destroy();
});

/** Exec operations around one process. */
function execOperations(process: FakeProcess): { operations: FakeOperations; asked: object[] } {
  const asked: object[] = [];
  return {
    asked,
    operations: {
      execs: {
        inspect: async (id) => ({
          ID: id,
          Running: false,
          ExitCode: null,
          ProcessConfig: { tty: true, entrypoint: 'sh', arguments: [], privileged: false },
          OpenStdin: true,
          OpenStderr: true,
          OpenStdout: true,
          CanRemove: false,
          ContainerID: sampleInspect.Id,
          DetachKeys: 'ctrl-a,x',
          Pid: 0,
        }),
        start: async (id, options) => {
          asked.push({ id, ...options });
          return options.detach
            ? undefined
            : process.attachment(options.tty ? 'raw' : 'multiplexed');
        },
      },
    },
  };
}

test('exec start takes the body of an upgrade request, whole or in pieces, and what follows as input', async () => {
  const body = JSON.stringify({ Detach: false, Tty: false });
  const text = requestText('/v1.51/exec/e1/start', { method: 'POST', headers: upgrade, body });
  for (const cut of [text.length, text.length - body.length, text.length - 5, 20]) {
    const process = new FakeProcess();
    const { operations, asked } = execOperations(process);
    await using server = await TestServer.start(operations);
    const client = await server.raw();
    client.write(text.slice(0, cut));
    await turns(10);
    client.write(`${text.slice(cut)}stdin`);
    assert.match(await opened(client), /^HTTP\/1\.1 101 UPGRADED/);
    client.socket.end();
    await process.until(() => process.isInputEnded);
    assert.equal(process.input, 'stdin');
    process.say(encodeFrame('stdout', 'done'));
    process.exit();
    await client.ended();
    assert.deepEqual(client.payload, encodeFrame('stdout', 'done'));
    assert.deepEqual(asked, [{ id: 'e1', detach: false, tty: false }]);
  }
});

test('exec start without an upgrade takes raw input behind the JSON body', async () => {
  const process = new FakeProcess();
  const { operations } = execOperations(process);
  await using server = await TestServer.start(operations);
  const client = await server.raw();
  client.write(
    requestText('/exec/e1/start', { method: 'POST', body: { Detach: false, Tty: false } }),
  );
  assert.match(await opened(client), /^HTTP\/1\.1 200 OK/);
  client.write('GET / HTTP/1.1\r\n\r\n');
  await process.until(() => process.input === 'GET / HTTP/1.1\r\n\r\n');
  process.exit();
  await client.ended();
  client.socket.destroy();
});

test('exec start with a console takes its size and the detach keys of the exec', async () => {
  const process = new FakeProcess();
  const { operations, asked } = execOperations(process);
  await using server = await TestServer.start(operations);
  const client = await server.raw();
  client.write(
    requestText('/v1.51/exec/e1/start', {
      method: 'POST',
      headers: upgrade,
      body: { Tty: true, ConsoleSize: [24, 80] },
    }),
  );
  assert.match(await opened(client), /application\/vnd\.docker\.raw-stream/);
  client.write('w\x01x');
  await client.ended();
  assert.equal(process.input, 'w');
  assert.deepEqual(asked, [
    { id: 'e1', detach: false, tty: true, consoleSize: { rows: 24, columns: 80 } },
  ]);
  client.socket.destroy();
});

test('exec start detached answers an ordinary 200', async () => {
  const { operations } = execOperations(new FakeProcess());
  await using server = await TestServer.start(operations);
  const answer = await server.ask('/exec/e1/start', { method: 'POST', body: { Detach: true } });
  assert.equal(answer.status, 200);
  assert.equal(answer.body, '');
});

test('exec start tells on the output that the program cannot be run, other errors by status', async () => {
  const error = new EngineError('invalid', 'exec: "nope": executable file not found in $PATH', {
    details: { exitCode: 127 },
  });
  await using server = await TestServer.start({
    execs: {
      start: async (id) => {
        throw id === 'gone' ? new EngineError('not-found', 'No such exec instance: gone') : error;
      },
    },
  });
  const client = await server.raw();
  client.write(requestText('/exec/e1/start', { method: 'POST', headers: upgrade, body: {} }));
  await client.ended();
  assert.deepEqual(client.payload, encodeFrame('stdout', `${error.message}\r\n`));
  client.socket.destroy();
  const detached = await server.ask('/exec/e1/start', { method: 'POST', body: { Detach: true } });
  assert.equal(detached.status, 400);
  const gone = await server.ask('/exec/gone/start', { method: 'POST', body: {} });
  assert.equal(gone.status, 404);
});

test('close() of the server lets hijacked clients go', async () => {
  const process = new FakeProcess();
  const { server } = await attachServer(process);
  const client = await server.raw();
  client.write(requestText(attachAll, { method: 'POST', headers: upgrade }));
  await opened(client);
  await server[Symbol.asyncDispose]();
  await client.ended();
  await process.until(() => process.stream.destroyed);
});
