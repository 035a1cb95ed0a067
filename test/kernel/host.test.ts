/** `chisel host` as a program: its stream, its processes, its sealed copy, what it says when something is wrong. */

import assert from 'node:assert/strict';
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { open, readdir, readFile, readlink } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import { encodeFrame, FrameDecoder, type Frame } from '../../src/kernel/frame.ts';
import { encodePlan } from '../../src/kernel/plan/encode.ts';
import type { Plan } from '../../src/kernel/plan/op.ts';
import { decodeReport } from '../../src/kernel/plan/report.ts';
import { CHISEL_PATH, isAlive } from './monitor-fixture.ts';

const APPLY = 1;
const START = 2;
const DONE = 0x81;
const STARTED = 0x82;
const LOST = 0x85;

/** A host driven frame by frame. */
class RawHost implements AsyncDisposable {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #decoder = new FrameDecoder();
  readonly #frames: Frame[] = [];
  readonly #exit = Promise.withResolvers<number | null>();
  #arrived = Promise.withResolvers<void>();
  #stderr = '';

  constructor() {
    this.child = spawn(CHISEL_PATH, ['host'], {
      env: { SECRET: 'canary' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdout.on('data', (bytes: Buffer) => {
      this.#frames.push(...this.#decoder.push(bytes));
      this.#arrived.resolve();
    });
    this.child.stderr.on('data', (bytes: Buffer) => {
      this.#stderr += bytes.toString();
    });
    this.child.stdin.on('error', () => undefined);
    this.child.on('close', (code) => this.#exit.resolve(code));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  send(kind: number, id: number, payload: Uint8Array): void {
    this.child.stdin.write(encodeFrame(kind, id, [payload]));
  }

  apply(id: number, plan: Plan): void {
    this.send(APPLY, id, encodePlan(plan));
  }

  async next(): Promise<Frame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      await this.#arrived.promise;
      this.#arrived = Promise.withResolvers<void>();
    }
  }

  /** `kind id errno call` of the next frame, a report. */
  async report(): Promise<string> {
    const { kind, id, payload } = await this.next();
    const { errno, call } = decodeReport(payload);
    return `${kind} ${id} ${errno} ${call}`;
  }

  /** Exit code and what stood on stderr. */
  async exited(): Promise<readonly [number | null, string]> {
    return [await this.#exit.promise, this.#stderr];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.stdin.end();
    await this.#exit.promise;
  }
}

const { EPROTO, EINVAL, EBUSY } = constants.errno;

test('R1 R26: the host runs from a sealed copy, without environment, without what it was given but its streams', async () => {
  await using host = new RawHost();
  host.apply(1, []);
  assert.equal(await host.report(), `${DONE} 1 0 none`);
  const proc = `/proc/${host.pid}`;
  assert.equal(await readlink(`${proc}/exe`), '/memfd:chisel (deleted)');
  await assert.rejects(open(`${proc}/exe`, 'r+'));
  assert.equal(await readFile(`${proc}/environ`, 'utf8'), '');
  assert.equal(await readFile(`${proc}/comm`, 'utf8'), 'chisel\n');
  const descriptors = await Promise.all(
    (await readdir(`${proc}/fd`)).map((fd) => readlink(`${proc}/fd/${fd}`)),
  );
  assert.deepEqual(descriptors.slice(3), ['anon_inode:[signalfd]']);
  const namespaces = await Promise.all([readlink(`${proc}/ns/mnt`), readlink('/proc/self/ns/mnt')]);
  assert.notEqual(namespaces[0], namespaces[1]);
  assert.doesNotMatch(
    await readFile(`${proc}/mountinfo`, 'utf8'),
    / shared:/,
    'mounts of the host would reach the real one',
  );
});

test('R1: every seal is set on the copy that the host runs from', async () => {
  await using host = new RawHost();
  host.apply(1, []);
  await host.next();
  // fcntl(F_GET_SEALS) is not to be had from JavaScript.
  const source =
    '#include <fcntl.h>\n#include <stdio.h>\nint main(int c, char **v) { printf("%d", c > 1 ? fcntl(open(v[1], 0), 1034) : 0); }';
  const program = `${process.env['TMPDIR'] ?? '/tmp'}/carve-seals-${process.pid}`;
  execFileSync('gcc', ['-x', 'c', '-o', program, '-'], { input: source });
  try {
    const seals = Number(execFileSync(program, [`/proc/${host.pid}/exe`]).toString());
    assert.equal(seals & 0x0f, 0x0f);
  } finally {
    execFileSync('rm', [program]);
  }
});

test('a slow plan does not hold up the next, and the host ends cleanly at the end of file', async () => {
  const host = new RawHost();
  host.apply(1, [{ op: 'rmdir', path: '/proc', busyMs: 300 }]);
  host.apply(2, []);
  assert.equal(await host.report(), `${DONE} 2 0 none`);
  assert.equal(await host.report(), `${DONE} 1 ${EBUSY} rmdir`);
  host.child.stdin.end();
  assert.deepEqual(await host.exited(), [0, '']);
});

test('what is no request is answered with EPROTO, a plan in the wrong place with EINVAL', async () => {
  await using host = new RawHost();
  host.send(77, 5, Buffer.from('anything'));
  assert.equal(await host.report(), `${DONE} 5 ${EPROTO} decode`);
  host.send(APPLY, 6, Buffer.from('no plan'));
  assert.equal(await host.report(), `${DONE} 6 ${EINVAL} decode`);
  host.apply(7, [
    { op: 'clone', flags: 0n, uidMap: '', gidMap: '', denySetgroups: 0 },
    { op: 'exec', argv: ['/bin/true'], env: [], search: [], init: 0 },
  ]);
  assert.equal(await host.report(), `${DONE} 7 ${EINVAL} clone3`);
  for (const payload of ['', '12345678', '\xff\xff\xff\xff\0\0\0\0']) {
    host.send(START, 8, Buffer.from(payload, 'latin1'));
    const { kind, payload: answer } = await host.next();
    assert.equal(kind, STARTED);
    assert.notEqual(decodeReport(answer).errno, 0);
  }
});

test('a process that dies at its work is told as lost, and no zombie stays', async () => {
  await using host = new RawHost();
  host.apply(9, [{ op: 'rmdir', path: '/proc', busyMs: 10_000 }]);
  host.apply(10, []);
  assert.equal(await host.report(), `${DONE} 10 0 none`);
  const worker = Number(
    (await readFile(`/proc/${host.pid}/task/${host.pid}/children`, 'utf8')).split(' ')[0],
  );
  process.kill(worker, 'SIGKILL');
  const { kind, id, payload } = await host.next();
  assert.deepEqual([kind, id, Buffer.from(payload).readUInt32LE(0)], [LOST, 9, 9]);
  assert.equal(isAlive(worker), false);
});

test('a broken stream ends the host with one sentence', async () => {
  const tooLong = Buffer.alloc(16);
  tooLong.writeUInt32LE(4 * 1024 * 1024 + 65_537, 0);
  const rows = [
    [tooLong, /^chisel host: the daemon's stream is broken: Message too (?:large|long)\n$/],
    [Buffer.alloc(16), /^chisel host: the daemon's stream is broken: Protocol error\n$/],
  ] as const;
  for (const [bytes, sentence] of rows) {
    const host = new RawHost();
    host.child.stdin.write(bytes);
    const [code, stderr] = await host.exited();
    assert.equal(code, 1);
    assert.match(stderr, sentence);
  }
  const cut = new RawHost();
  cut.child.stdin.end(tooLong.subarray(0, 7));
  assert.deepEqual(await cut.exited(), [0, ''], 'a daemon that died in the middle of a frame');
});

test('a frame of the greatest length is taken', async () => {
  await using host = new RawHost();
  const data = new Uint8Array(65536);
  const plan: Plan = Array.from({ length: 63 }, () => ({
    op: 'write',
    path: '/dev/null',
    data,
    skipMissing: 0,
  }));
  host.apply(11, plan);
  assert.equal(await host.report(), `${DONE} 11 0 none`);
});

test('wrong arguments give the usage and exit code 2', () => {
  for (const args of [[], ['nothing'], ['host', 'extra']]) {
    assert.throws(
      () => execFileSync(CHISEL_PATH, args, { stdio: 'pipe' }),
      (error: Error & { readonly status?: number; readonly stderr?: Buffer }) =>
        error.status === 2 && String(error.stderr).startsWith('chisel: usage: '),
    );
  }
  assert.match(execFileSync(CHISEL_PATH, ['version']).toString(), /^chisel \d+\n$/);
});
