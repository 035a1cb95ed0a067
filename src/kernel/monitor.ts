/**
 * The client of one monitor: its control connection, and attachments to the
 * streams of its processes.
 *
 * **Invariant:** every request settles: by its answer, or with the connection.
 * Source: docs/chisel-protocol.md "The monitor's socket".
 */

import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { EngineError } from '../base/error.ts';
import { decodeExitRecord, type ExitRecord } from './exit-record.ts';
import { encodeFrame, encodeU32s, type Frame, FRAME_KIND, FrameDecoder } from './frame.ts';
import { type MonitorOptions, openConversation, type Opening } from './monitor-socket.ts';
import { encodePlan } from './plan/encode.ts';
import type { Plan } from './plan/op.ts';
import { decodeReport, errorOfReport, REPORT_BYTES, type Report } from './plan/report.ts';

/** A process that a monitor started. */
export interface StartedProcess {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly startTicks: bigint;
  readonly monitorPid: number;
  /** Nanoseconds since the epoch. */
  readonly startedAtNs: bigint;
}

/** An exec to start; `execNumber` is 1..2^31-1 and in use by no other exec of this monitor. */
export interface MonitorExec {
  readonly execNumber: number;
  /** Its `clone` has no new namespaces. */
  readonly plan: Plan;
  /** The plan has a `console` operation. */
  readonly tty: boolean;
  readonly openStdin: boolean;
  /** Count of clients that will attach at once, at most 64; output waits for them, 10 s at most. */
  readonly expectedClients: number;
}

/** A started exec; `exited` rejects with `unavailable` when the monitor is lost. */
export interface StartedExec {
  readonly process: StartedProcess;
  readonly exited: Promise<ExitRecord>;
}

/** Which streams an attachment carries. */
export interface AttachOptions extends MonitorOptions {
  /** `undefined`: the container's process. */
  readonly execNumber?: number;
  readonly stdin?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** The kept log first. The container's process only. */
  readonly replay?: boolean;
  /** The process waits rather than this client lose output. */
  readonly lossless?: boolean;
}

/** A port that a `reserve-port` operation keeps. */
export interface ReservedPort {
  /** Number of the protocol: 6, 17, 132. */
  readonly protocol: number;
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  /** 1..65535. */
  readonly port: number;
}

const STATE_BYTES = 24;

/** Payload of STARTED after its report. Precondition: the report says success. */
export function decodeStarted(payload: Uint8Array): StartedProcess {
  const view = new DataView(
    payload.buffer,
    payload.byteOffset + REPORT_BYTES,
    payload.byteLength - REPORT_BYTES,
  );
  return {
    pid: view.getUint32(0, true),
    startTicks: view.getBigUint64(4, true),
    monitorPid: view.getUint32(12, true),
    startedAtNs: view.getBigUint64(16, true),
  };
}

function decodeState(payload: Uint8Array): StartedProcess {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return {
    pid: view.getUint32(0, true),
    startTicks: view.getBigUint64(4, true),
    startedAtNs: view.getBigUint64(12, true),
    monitorPid: view.getUint32(20, true),
  };
}

interface Question {
  resolve(frame: Frame): void;
  reject(error: EngineError): void;
}

/** A control connection. Get one by {@link connectMonitor}; close it. */
export class MonitorControl {
  /** The container's process. */
  readonly state: StartedProcess;
  /** Resolves when the process is gone and cleaned up; rejects with `unavailable` when the connection ends first. */
  readonly exited: Promise<ExitRecord>;
  readonly #socket: Socket;
  readonly #runDir: string;
  readonly #decoder = new FrameDecoder();
  readonly #questions = new Map<number, Question>();
  readonly #ends = new Map<number, PromiseWithResolvers<ExitRecord>>();
  /** Ends of an earlier connection's execs, told before anyone asked; the monitor keeps at most 127. */
  readonly #unasked = new Map<number, ExitRecord>();
  #lastId = 0;
  #isOver = false;

  /** Takes over a socket that answered CONTROL with `state`. */
  constructor(runDir: string, socket: Socket, state: StartedProcess) {
    this.#runDir = runDir;
    this.#socket = socket;
    this.state = state;
    this.exited = this.#end(0).promise;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.once('end', () => this.#fail(undefined));
    socket.once('error', (cause: Error) => this.#fail(cause));
    socket.once('close', () => this.#fail(undefined));
  }

  /** False once the connection ended: nothing can be asked any more. */
  get isOpen(): boolean {
    return !this.#isOver;
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) this.#take(frame);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Errors: `wrong-state` when the process is gone, `invalid` for a number out of 1..64, `unavailable`. */
  async signal(signal: number, execNumber = 0): Promise<void> {
    const answer = await this.#ask(FRAME_KIND.signal, [encodeU32s(signal, execNumber)]);
    checkDone(answer, `Cannot send signal ${signal}`);
  }

  /** Give back a port that `reserve-port` keeps; connections that are relayed for any port end. Idempotent. Errors: `unavailable`. */
  async releasePort({ protocol, address, port }: ReservedPort): Promise<void> {
    const answer = await this.#ask(FRAME_KIND.release, [encodeU32s(protocol, port), address]);
    checkDone(answer, `Cannot give back port ${port}`);
  }

  /** Errors: `wrong-state` when the process is gone, `invalid` without a console, `unavailable`. */
  async resize(
    size: { readonly rows: number; readonly columns: number },
    execNumber = 0,
  ): Promise<void> {
    const answer = await this.#ask(FRAME_KIND.resize, [
      encodeU32s(execNumber, size.rows, size.columns),
    ]);
    checkDone(answer, `Cannot resize the console to ${size.columns}x${size.rows}`);
  }

  /**
   * Start an exec. Errors: of {@link errorOfReport} with the kernel's failure
   * as cause, `conflict` for a number in use, `wrong-state` when the process is gone, `unavailable`.
   */
  async exec(request: MonitorExec): Promise<StartedExec> {
    const plan = encodePlan(request.plan);
    const { execNumber, tty, openStdin, expectedClients } = request;
    const head = encodeU32s(
      execNumber,
      Number(tty),
      Number(openStdin),
      expectedClients,
      plan.byteLength,
    );
    this.#unasked.delete(execNumber);
    const end = this.#end(execNumber);
    try {
      const answer = await this.#ask(FRAME_KIND.exec, [head, plan]);
      const report = decodeReport(answer.payload);
      if (report.errno !== 0) throw execError(request.plan, report);
      return { process: decodeStarted(answer.payload), exited: end.promise };
    } catch (error) {
      this.#ends.delete(execNumber);
      throw error;
    }
  }

  /** End of an exec that an earlier connection started; as `exited` of {@link exec}. */
  execEnd(execNumber: number): Promise<ExitRecord> {
    const told = this.#unasked.get(execNumber);
    this.#unasked.delete(execNumber);
    return told === undefined ? this.#end(execNumber).promise : Promise.resolve(told);
  }

  /** Requests in flight and promises of ends reject with `unavailable`. Idempotent. */
  close(): void {
    this.#fail(undefined);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #end(execNumber: number): PromiseWithResolvers<ExitRecord> {
    let end = this.#ends.get(execNumber);
    if (end === undefined) {
      end = Promise.withResolvers<ExitRecord>();
      // Nobody need wait for it.
      end.promise.catch(() => undefined);
      this.#ends.set(execNumber, end);
    }
    if (this.#isOver) end.reject(this.#lost(undefined));
    return end;
  }

  #ask(kind: number, parts: readonly Uint8Array[]): Promise<Frame> {
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    if (this.#isOver) return Promise.reject(this.#lost(undefined));
    this.#lastId += 1;
    this.#questions.set(this.#lastId, { resolve, reject });
    this.#socket.write(encodeFrame(kind, this.#lastId, parts));
    return promise;
  }

  #take(frame: Frame): void {
    if (frame.kind === FRAME_KIND.exited) {
      const end = this.#ends.get(frame.id);
      const record = decodeExitRecord(frame.payload);
      if (end === undefined) this.#unasked.set(frame.id, record);
      else end.resolve(record);
      this.#ends.delete(frame.id);
      return;
    }
    this.#questions.get(frame.id)?.resolve(frame);
    this.#questions.delete(frame.id);
  }

  #lost(cause: unknown): EngineError {
    return new EngineError(
      'unavailable',
      `The connection to the monitor in ${this.#runDir} ended`,
      { cause },
    );
  }

  #fail(cause: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.on('error', () => undefined);
    this.#socket.destroy();
    for (const question of this.#questions.values()) question.reject(this.#lost(cause));
    for (const end of this.#ends.values()) end.reject(this.#lost(cause));
    this.#questions.clear();
    this.#ends.clear();
  }
}

const ESRCH = 3;
const EINVAL = 22;
const EEXIST = 17;
const ENOTTY = 25;

function checkDone(answer: Frame, message: string): void {
  const { errno } = decodeReport(answer.payload);
  if (errno === 0) return;
  if (errno === ESRCH) throw new EngineError('wrong-state', `${message}: the process is gone`);
  if (errno === ENOTTY) throw new EngineError('invalid', `${message}: the process has no console`);
  throw new EngineError(errno === EINVAL ? 'invalid' : 'internal', `${message}: errno ${errno}`, {
    details: { errno },
  });
}

function execError(plan: Plan, report: Report): EngineError {
  if (report.errno === ESRCH && report.call === 'decode') {
    return new EngineError('wrong-state', 'Cannot start the exec: the container is not running');
  }
  if (report.errno === EEXIST && report.call === 'decode') {
    return new EngineError('conflict', 'Cannot start the exec: its number is in use');
  }
  return errorOfReport(plan, report, 'Cannot start the exec');
}

/**
 * Connect to the monitor in `runDir`. Errors: `not-found` when none is there
 * (then the exit record in its state directory speaks), `unavailable`, `cancelled`, `timeout`.
 */
export async function connectMonitor(
  runDir: string,
  options: MonitorOptions = {},
): Promise<MonitorControl> {
  const opening = {
    question: { kind: FRAME_KIND.control, id: 0, payload: new Uint8Array(0) },
    answer: { kind: FRAME_KIND.state, payloadBytes: STATE_BYTES },
  };
  const { socket, payload } = await openConversation(runDir, opening, options);
  return new MonitorControl(runDir, socket, decodeState(payload));
}

/**
 * Attach to a process: raw bytes both ways. Without a console output is in
 * Docker's stream framing, with one it is plain. Ending the writable side is
 * end of file of stdin; the readable side ends when the process' output did.
 * The caller destroys it.
 * Errors: `not-found` when the monitor or the process is not there, `unavailable`, `cancelled`, `timeout`.
 */
export async function attachMonitor(runDir: string, options: AttachOptions = {}): Promise<Duplex> {
  const streams =
    (options.stdin === true ? 1 : 0) |
    (options.stdout === true ? 2 : 0) |
    (options.stderr === true ? 4 : 0) |
    (options.replay === true ? 8 : 0) |
    (options.lossless === true ? 16 : 0);
  const question = {
    kind: FRAME_KIND.attach,
    id: options.execNumber ?? 0,
    payload: encodeU32s(streams),
  };
  return await openRaw(runDir, question, options);
}

async function openRaw(
  runDir: string,
  question: Opening['question'],
  options: MonitorOptions,
): Promise<Duplex> {
  const opening = { question, answer: { kind: FRAME_KIND.done, payloadBytes: REPORT_BYTES } };
  const { socket, payload } = await openConversation(runDir, opening, options);
  const { errno } = decodeReport(payload);
  if (errno === 0) return socket;
  socket.destroy();
  throw new EngineError('not-found', `The monitor in ${runDir} has no process ${question.id}`, {
    details: { errno },
  });
}

/**
 * Be told when the log grows: the connection carries one byte per news, after
 * a byte was written to ask for them; it ends when the log is complete. The
 * caller destroys it. Errors: as {@link attachMonitor}.
 */
export async function watchMonitor(runDir: string, options: MonitorOptions = {}): Promise<Duplex> {
  return await openRaw(
    runDir,
    { kind: FRAME_KIND.watch, id: 0, payload: new Uint8Array(0) },
    options,
  );
}
