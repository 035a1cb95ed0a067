/** Attached clients on the real kernel: stdin, consoles, slow readers, loss and its absence. */

import assert from 'node:assert/strict';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import { encodeFrame, FRAME_KIND } from '../../src/kernel/frame.ts';
import { attachMonitor } from '../../src/kernel/monitor.ts';
import {
  MonitorFixture,
  parseStreamFrames,
  payloadOf,
  readAll,
  readUntil,
} from './monitor-fixture.ts';

const MIB = 1024 * 1024;
const ALL = { stdin: true, stdout: true, stderr: true };

/** Never reads: its socket fills. */
async function attachStuck(
  fixture: MonitorFixture,
  runDir: string,
  lossless = false,
): Promise<Duplex> {
  const stream = await fixture.keep(attachMonitor(runDir, { stdout: true, lossless }));
  stream.pause();
  return stream;
}

test('half-close of the stdin client ends stdin, output goes on', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('cat; echo end', {
    openStdin: true,
    stdinOnce: true,
    expectedClients: 1,
  });
  const stream = await fixture.keep(attachMonitor(process.runDir, ALL));
  const input = Buffer.alloc(3 * MIB + 17, 'abcdefghijklmnopqrstuvwxyz\n');
  stream.end(input);
  const output = payloadOf(await readAll(stream), 1);
  assert.ok(output.equals(Buffer.concat([input, Buffer.from('end\n')])));
  assert.equal((await process.exited).code, 0);
});

test('without stdinOnce stdin stays open for the next client', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('read a; read b; echo "$a $b"', {
    openStdin: true,
    expectedClients: 1,
  });
  const first = await fixture.keep(attachMonitor(process.runDir, { stdin: true }));
  first.end('one\n');
  const second = await fixture.keep(attachMonitor(process.runDir, ALL));
  second.write('two\n');
  assert.equal(payloadOf(await readAll(second), 1).toString(), 'one two\n');
});

test('a client that is destroyed after it wrote has not lost what it wrote', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('wc -c', { openStdin: true, stdinOnce: true });
  const stream = await fixture.keep(attachMonitor(process.runDir, { stdin: true }));
  await new Promise((done) => stream.end(Buffer.alloc(100_000), () => done(undefined)));
  stream.destroy();
  await process.exited;
  const reader = join(process.stateDir, '00000001.log');
  assert.ok((await stat(reader)).size > 4096);
});

test('stdin that the process does not read stops the client and nobody else', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('read x; echo "got $x"; exec sleep 60', { openStdin: true });
  const flood = await fixture.keep(attachMonitor(process.runDir, { stdin: true }));
  const output = await fixture.keep(attachMonitor(process.runDir, { stdout: true, replay: true }));
  flood.write('line\n');
  flood.write(Buffer.alloc(8 * MIB, 'x'));
  await readUntil(output, 'got line');
  const control = await fixture.control(process);
  assert.ok(
    flood.writableLength > 4 * MIB,
    'the monitor did not swallow what the process did not read',
  );
  await control.signal(9);
  assert.equal((await process.exited).signal, 9);
});

test('stdin is /dev/null unless it is open', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('cat; echo end', { expectedClients: 1 });
  const stream = await fixture.keep(attachMonitor(process.runDir, ALL));
  stream.write('ignored\n');
  assert.equal(payloadOf(await readAll(stream), 1).toString(), 'end\n');
});

test('a console echoes, has the size asked for, and is resized', async () => {
  await using fixture = await MonitorFixture.create();
  const script = 'trap "stty size; exit 5" WINCH; stty size; while :; do read x; done';
  const process = await fixture.start(script, {
    tty: { rows: 33, columns: 111 },
    openStdin: true,
    expectedClients: 1,
  });
  const stream = await fixture.keep(attachMonitor(process.runDir, ALL));
  assert.match(await readUntil(stream, '\n'), /^33 111\r\n/);
  stream.write('hello\n');
  await readUntil(stream, 'hello\r\n');
  const control = await fixture.control(process);
  await control.resize({ rows: 50, columns: 132 });
  assert.match((await readAll(stream)).toString(), /50 132\r\n$/);
  assert.equal((await process.exited).code, 5);
});

test('a console lives on when every process inside closed it', async () => {
  await using fixture = await MonitorFixture.create();
  const script = 'tty=$(tty); exec </dev/null >/dev/null 2>&1; sleep 0.2; echo again >$tty';
  const process = await fixture.start(script, {
    tty: { rows: 24, columns: 80 },
    expectedClients: 1,
  });
  const stream = await fixture.keep(attachMonitor(process.runDir, ALL));
  assert.equal((await readAll(stream)).toString(), 'again\r\n');
});

test('resizing without a console is refused', async () => {
  await using fixture = await MonitorFixture.create();
  const control = await fixture.control(await fixture.start('exec sleep 60'));
  await assert.rejects(
    control.resize({ rows: 1, columns: 1 }),
    (error) => isEngineError(error) && error.kind === 'invalid',
  );
});

test('a stuck client does not hold the process, and is told that it fell behind', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start(
    'yes 0123456789012345678901234567890123456789012345678901234567890 | head -c 50000000; echo; read x',
    {
      openStdin: true,
      expectedClients: 2,
      logMaxBytes: BigInt(MIB),
      logMaxFiles: 3,
    },
  );
  const stuck = await attachStuck(fixture, process.runDir);
  const control = await fixture.keep(attachMonitor(process.runDir, { ...ALL, lossless: true }));
  let received = 0;
  await new Promise<void>((done) => {
    control.on('data', (chunk: Buffer) => {
      received += chunk.byteLength;
      if (received > 50_000_000) done();
    });
  });
  const files = (await readdir(process.stateDir)).filter((name) => name.endsWith('.log'));
  assert.equal(files.length, 3);
  for (const name of files) assert.ok((await stat(join(process.stateDir, name))).size <= MIB);
  const frames = parseStreamFrames(await readAll(stuck));
  assert.equal(frames.at(-1)?.stream, 3);
  assert.match(frames.at(-1)?.payload.toString() ?? '', /fell behind/);
  assert.ok(frames.slice(0, -1).every((frame) => frame.stream === 1));
  control.end('\n');
  assert.equal((await process.exited).code, 0);
});

test('a lossless client holds the process back and loses nothing', async () => {
  await using fixture = await MonitorFixture.create();
  const script =
    'i=0; while [ $i -lt 40 ]; do head -c 1000000 /dev/zero; i=$((i+1)); echo $i >&2; done';
  const process = await fixture.start(script, {
    expectedClients: 2,
    logMaxBytes: BigInt(2 * MIB),
    logMaxFiles: 2,
  });
  const slow = await attachStuck(fixture, process.runDir, true);
  const progress = await fixture.keep(attachMonitor(process.runDir, { stderr: true }));
  await readUntil(progress, '\n');
  const isRunning = await Promise.race([
    process.exited.then(() => false),
    new Promise((done) => setTimeout(() => done(true), 300)),
  ]);
  assert.equal(isRunning, true, 'the process waits for the client');
  progress.resume();
  assert.equal(payloadOf(await readAll(slow), 1).byteLength, 40_000_000);
  assert.equal((await process.exited).code, 0);
});

test('twenty clients get identical bytes', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start(
    'i=0; while [ $i -lt 20000 ]; do echo "line $i"; echo "error $i" >&2; i=$((i+1)); done',
    { expectedClients: 20 },
  );
  const streams = await Promise.all(
    Array.from({ length: 20 }, () =>
      fixture.keep(attachMonitor(process.runDir, { stdout: true, stderr: true })),
    ),
  );
  const [first, ...others] = await Promise.all(streams.map(readAll));
  assert.ok(first !== undefined);
  assert.ok(payloadOf(first, 1).toString().endsWith('line 19999\n'));
  assert.equal(payloadOf(first, 2).toString().split('\n').length, 20001);
  for (const other of others) {
    assert.ok(payloadOf(other, 1).equals(payloadOf(first, 1)));
    assert.ok(payloadOf(other, 2).equals(payloadOf(first, 2)));
  }
});

test('replay gives the log of earlier runs and then what comes', async () => {
  await using fixture = await MonitorFixture.create();
  const first = await fixture.start('echo one');
  await first.exited;
  const second = await fixture.start('echo two; read x; echo three', {
    place: { runDir: first.runDir, stateDir: first.stateDir },
    openStdin: true,
  });
  const stream = await fixture.keep(attachMonitor(second.runDir, { ...ALL, replay: true }));
  await readUntil(stream, 'two');
  stream.write('\n');
  assert.equal(payloadOf(await readAll(stream), 1).toString(), 'three\n');
  assert.deepEqual(
    (await readdir(first.stateDir)).filter((name) => name.endsWith('.log')),
    ['00000001.log'],
  );
});

test('a client that sends garbage is dropped, others go on', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('exec sleep 60');
  const garbage = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(64, 0xff),
    encodeFrame(99, 1),
    encodeFrame(FRAME_KIND.attach, 0, [Buffer.alloc(3)]),
    encodeFrame(FRAME_KIND.exec, 1, [Buffer.alloc(5000)]),
  ];
  for (const bytes of garbage) {
    const socket = connect(join(process.runDir, 'monitor.sock'));
    const closed = new Promise((done) => socket.once('close', done));
    socket.on('error', () => undefined).resume();
    socket.write(bytes);
    await closed;
  }
  const control = await fixture.control(process);
  assert.equal(control.state.pid, process.process.pid);
});

test('three hundred idle connections neither stop nor spin the monitor', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('exec sleep 60');
  const control = await fixture.control(process);
  const sockets: Socket[] = [];
  for (let i = 0; i < 300; i++) {
    const socket = connect(join(process.runDir, 'monitor.sock'));
    socket.on('error', () => undefined);
    await new Promise((done) => socket.once('connect', done));
    sockets.push(socket);
  }
  await assert.rejects(control.resize({ rows: 1, columns: 1 }));
  for (const socket of sockets) socket.destroy();
  const late = await fixture.control(process);
  assert.equal(late.state.pid, process.process.pid);
  await late.signal(9);
  assert.equal((await process.exited).signal, 9);
});

test('attaching to what is not there is not found', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('exec sleep 60');
  const isNotFound = (error: unknown): boolean =>
    isEngineError(error) && error.kind === 'not-found';
  await assert.rejects(attachMonitor(process.runDir, { execNumber: 7 }), isNotFound);
  await assert.rejects(attachMonitor(fixture.dir), isNotFound);
  await assert.rejects(attachMonitor(join(fixture.dir, 'x'.repeat(150))), isNotFound);
});

test('a run directory with a path longer than a socket address works', async () => {
  await using fixture = await MonitorFixture.create();
  const long = join(fixture.dir, 'r'.repeat(120));
  await mkdir(long);
  await mkdir(join(fixture.dir, 'state'));
  const process = await fixture.start('echo hello', {
    expectedClients: 1,
    place: { runDir: long, stateDir: join(fixture.dir, 'state') },
  });
  const stream = await fixture.keep(attachMonitor(long, { stdout: true }));
  assert.equal(payloadOf(await readAll(stream), 1).toString(), 'hello\n');
  await process.exited;
});
