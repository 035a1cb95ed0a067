/**
 * What the monitor's tests share: a chisel, directories of their own, processes
 * of busybox, and bytes read until they say enough.
 *
 * **Invariant:** when a fixture is disposed nothing that it made is left.
 */

import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { Chisel } from '../../src/kernel/chisel.ts';
import type { HostStarted } from '../../src/kernel/chisel-host.ts';
import { connectMonitor, type MonitorControl } from '../../src/kernel/monitor.ts';
import type { Plan, PlanOp } from '../../src/kernel/plan/op.ts';

/** The executable under test. */
export const CHISEL_PATH: string =
  process.env['CARVE_CHISEL'] ?? resolve(import.meta.dirname, '../../build/chisel');

/** How a test's process is kept. */
export interface ProcessOptions {
  readonly logKind?: 0 | 1 | 2;
  readonly logMaxBytes?: bigint;
  readonly logMaxFiles?: number;
  readonly tty?: { readonly rows: number; readonly columns: number };
  readonly openStdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly expectedClients?: number;
  readonly oomPath?: string;
  readonly afterPlan?: Plan;
  /** Operations before the process is cloned. */
  readonly before?: Plan;
  /** Operations of the process, before its program. */
  readonly inside?: Plan;
  readonly startMs?: number;
  /** Directories of an earlier process: its log goes on. */
  readonly place?: ProcessPlace;
}

/** The directories of one monitor. */
export interface ProcessPlace {
  readonly runDir: string;
  readonly stateDir: string;
}

/** A process under a monitor. */
export interface TestProcess extends ProcessPlace, HostStarted {}

const ENV = ['PATH=/bin:/usr/bin', 'TERM=dumb'];

/** Operations that run `argv` in the new process, with its streams. */
export function processOps(
  argv: readonly string[],
  tty?: { readonly rows: number; readonly columns: number },
): Plan {
  const exec: PlanOp = { op: 'exec', argv, env: ENV, search: ['/bin'], init: 0 };
  const clone: PlanOp = { op: 'clone', flags: 0n, uidMap: '', gidMap: '', denySetgroups: 0 };
  if (tty === undefined) return [clone, { op: 'stdio', uid: 0, gid: 0 }, exec];
  const devpts: PlanOp = { op: 'open', slot: 0, path: '/dev/pts', flags: 0o200000 };
  return [
    devpts,
    clone,
    { op: 'console', slot: 1, devpts: 0, rows: tty.rows, columns: tty.columns, uid: 0 },
    exec,
  ];
}

function monitorOp(place: ProcessPlace, options: ProcessOptions): PlanOp {
  return {
    op: 'monitor',
    runDir: place.runDir,
    stateDir: place.stateDir,
    logKind: options.logKind ?? 1,
    logMaxBytes: options.logMaxBytes ?? 20n * 1024n * 1024n,
    logMaxFiles: options.logMaxFiles ?? 5,
    tty: Number(options.tty !== undefined),
    openStdin: Number(options.openStdin ?? false),
    stdinOnce: Number(options.stdinOnce ?? false),
    expectedClients: options.expectedClients ?? 0,
    startMs: options.startMs ?? 30_000,
    oomPath: options.oomPath ?? '',
    title: 'carve-monitor test',
  };
}

/** A chisel with a temporary directory. */
export class MonitorFixture implements AsyncDisposable {
  readonly chisel: Chisel;
  readonly dir: string;
  readonly #processes: TestProcess[] = [];
  readonly #controls: MonitorControl[] = [];
  readonly #streams: Duplex[] = [];
  #count = 0;

  private constructor(chisel: Chisel, dir: string) {
    this.chisel = chisel;
    this.dir = dir;
  }

  static async create(): Promise<MonitorFixture> {
    return new MonitorFixture(
      new Chisel(CHISEL_PATH),
      await mkdtemp(join(tmpdir(), 'carve-monitor-')),
    );
  }

  /** Start a shell script, or a program, under a monitor. */
  async start(
    command: string | readonly string[],
    options: ProcessOptions = {},
  ): Promise<TestProcess> {
    const place = options.place ?? (await this.#newPlace());
    const argv = typeof command === 'string' ? ['/bin/busybox', 'sh', '-c', command] : command;
    const monitor = monitorOp(place, options);
    const ops = processOps(argv, options.tty);
    const inside = [...ops.slice(0, -1), ...(options.inside ?? []), ...ops.slice(-1)];
    const plan = [monitor, ...(options.before ?? []), ...inside];
    const started = await this.chisel.start(plan, options.afterPlan ?? []);
    const process = { ...place, ...started };
    this.#processes.push(process);
    return process;
  }

  /** A control connection that is closed with the fixture. */
  async control(process: ProcessPlace): Promise<MonitorControl> {
    const control = await connectMonitor(process.runDir);
    this.#controls.push(control);
    return control;
  }

  /** An attachment that is destroyed with the fixture. */
  async keep<T extends Duplex>(stream: Promise<T>): Promise<T> {
    const kept = await stream;
    // A test that destroys the monitor makes resets.
    kept.on('error', () => undefined);
    this.#streams.push(kept);
    return kept;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    for (const control of this.#controls) control.close();
    for (const {
      process: { pid },
      exited,
    } of this.#processes) {
      const isRunning = await Promise.race([
        exited.then(
          () => false,
          () => true,
        ),
        Promise.resolve(true),
      ]);
      if (isRunning) killQuietly(pid);
    }
    await Promise.all(this.#processes.map(({ exited }) => exited.catch(() => undefined)));
    await this.chisel.close();
    await rm(this.dir, { recursive: true, force: true });
  }

  async #newPlace(): Promise<ProcessPlace> {
    this.#count += 1;
    const runDir = join(this.dir, `run${this.#count}`);
    const stateDir = join(this.dir, `state${this.#count}`);
    await mkdir(runDir, { mode: 0o700 });
    await mkdir(stateDir, { mode: 0o700 });
    return { runDir, stateDir };
  }
}

/** SIGKILL, whether or not the process is there. */
export function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

/** True while the process is there and no zombie. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** One frame of Docker's stream framing. */
export interface StreamFrame {
  readonly stream: number;
  readonly payload: Buffer;
}

/** Splits framed output; throws when it ends inside a frame. */
export function parseStreamFrames(bytes: Buffer): readonly StreamFrame[] {
  const frames: StreamFrame[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    assert.ok(at + 8 <= bytes.byteLength, 'output ends inside a stream header');
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    assert.ok(end <= bytes.byteLength, 'output ends inside a stream frame');
    frames.push({ stream: bytes.readUInt8(at), payload: bytes.subarray(at + 8, end) });
    at = end;
  }
  return frames;
}

/** Payload of one stream, in order. */
export function payloadOf(bytes: Buffer, stream: number): Buffer {
  return Buffer.concat(
    parseStreamFrames(bytes)
      .filter((frame) => frame.stream === stream)
      .map((frame) => frame.payload),
  );
}

/** All bytes until the other side ends. */
export async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.resume();
  await finished(stream, { writable: false });
  return Buffer.concat(chunks);
}

/** Bytes until they contain `text`; the stream goes on. */
export function readUntil(stream: Duplex, text: string): Promise<string> {
  return new Promise((done, fail) => {
    let seen = '';
    const stop = (settle: () => void): void => {
      stream.off('data', onData).off('end', onEnd);
      stream.pause();
      settle();
    };
    const onData = (chunk: Buffer): void => {
      seen += chunk.toString('latin1');
      if (seen.includes(text)) stop(() => done(seen));
    };
    const onEnd = (): void =>
      stop(() =>
        fail(new Error(`output ended before ${JSON.stringify(text)}: ${JSON.stringify(seen)}`)),
      );
    stream.on('data', onData).on('end', onEnd);
    stream.resume();
  });
}
