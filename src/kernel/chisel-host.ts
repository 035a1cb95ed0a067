/**
 * One `chisel host` process: frames over its stdin and stdout.
 *
 * **Invariant:** every request settles: by its answer, by LOST, or with the
 * process. Monitors hold the same stdout, so their EXITED frames come even
 * after the host itself is dead.
 * Source: docs/chisel-protocol.md "`chisel host`".
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { EngineError, messageOf } from '../base/error.ts';
import { decodeExitRecord, type ExitRecord } from './exit-record.ts';
import { encodeFrame, encodeU32s, type Frame, FRAME_KIND, FrameDecoder } from './frame.ts';
import { decodeStarted, type StartedProcess } from './monitor.ts';
import { decodeReport, REPORT_BYTES, type Report } from './plan/report.ts';

/** A start that succeeded; `exited` rejects with `unavailable` when its monitor is lost. */
export interface HostStarted {
  readonly process: StartedProcess;
  readonly exited: Promise<ExitRecord>;
}

/** The plan failed: the host did its part. */
export interface HostFailure {
  readonly report: Report;
}

interface Application {
  readonly parts: Uint8Array[];
  resolve(answer: Uint8Array | HostFailure): void;
  reject(error: EngineError): void;
}

interface Start {
  readonly exited: PromiseWithResolvers<ExitRecord>;
  isStarted: boolean;
  isGivenUp: boolean;
  /** It started although it was given up. */
  onLate(): void;
  resolve(answer: HostStarted | HostFailure): void;
  reject(error: EngineError): void;
}

/** Longest wait for the answer of a monitor whose host died, in milliseconds. */
const ORPHAN_MS = 2000;

/** True for the answer of a plan that failed. */
export function isFailure(answer: object): answer is HostFailure {
  return 'report' in answer;
}

/** A running host. It ends with {@link ChiselHost.close}, or by itself when it crashes. */
export class ChiselHost {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #decoder = new FrameDecoder();
  readonly #applications = new Map<number, Application>();
  readonly #starts = new Map<number, Start>();
  readonly #gone = Promise.withResolvers<void>();
  #lastId = 0;
  /** Why it ended; `undefined`: it has not. */
  #goneFor: EngineError | undefined;

  /** Start the words as a command. Failing to start shows as a host that is gone at once. `keep` starts no processes. */
  constructor(path: string, words: readonly ['host'] | readonly ['keep', ...string[]] = ['host']) {
    this.#child = spawn(path, words, { stdio: ['pipe', 'pipe', 'ignore'], env: {}, cwd: '/' });
    this.#child.stdin.on('error', () => undefined);
    this.#child.once('error', (cause) =>
      this.#hostIsGone(`it could not be started: ${messageOf(cause)}`),
    );
    this.#child.once('exit', (code, signal) =>
      this.#hostIsGone(signal === null ? `it ended with code ${code}` : `${signal} ended it`),
    );
    this.#child.stdout.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#child.stdout.once('close', () => this.#streamIsOver());
    this.#child.stdout.on('error', () => this.#streamIsOver());
  }

  /** False once it ended: nothing can be asked any more. */
  get isAlive(): boolean {
    return this.#goneFor === undefined;
  }

  /** Its pid; `undefined` when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Data of the plan's reads, or its failure. Errors: `unavailable`. */
  apply(plan: Uint8Array): Promise<Uint8Array | HostFailure> {
    return new Promise((resolve, reject) => {
      if (this.#goneFor !== undefined) {
        reject(this.#goneFor);
        return;
      }
      this.#applications.set(this.#send(FRAME_KIND.apply, [plan]), { parts: [], resolve, reject });
    });
  }

  /** Errors: `unavailable`; should the process start after that, `onLate` is called to end it. */
  start(
    plan: Uint8Array,
    afterPlan: Uint8Array,
    onLate: () => void,
  ): Promise<HostStarted | HostFailure> {
    const parts = [encodeU32s(plan.byteLength), plan, encodeU32s(afterPlan.byteLength), afterPlan];
    const exited = Promise.withResolvers<ExitRecord>();
    exited.promise.catch(() => undefined);
    return new Promise((resolve, reject) => {
      if (this.#goneFor !== undefined) {
        reject(this.#goneFor);
        return;
      }
      this.#starts.set(this.#send(FRAME_KIND.start, parts), {
        exited,
        isStarted: false,
        isGivenUp: false,
        onLate,
        resolve,
        reject,
      });
    });
  }

  /** End of file for the host, which ends; monitors and containers go on, unheard. */
  async close(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await this.#gone.promise;
    clearTimeout(timer);
    this.#child.stdout.destroy();
    this.#streamIsOver();
  }

  /** End it at once. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** End of file for it, which may stay; nobody waits for it, here or at the end of this process. */
  leave(): void {
    this.#child.stdin.end();
    this.#child.stdout.destroy();
    this.#child.unref();
  }

  #send(kind: number, parts: readonly Uint8Array[]): number {
    this.#lastId += 1;
    this.#child.stdin.write(encodeFrame(kind, this.#lastId, parts));
    return this.#lastId;
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) this.#take(frame);
    } catch {
      // Bytes that are no frames: nothing after them can be trusted.
      this.#child.kill('SIGKILL');
      this.#child.stdout.destroy();
    }
  }

  #take(frame: Frame): void {
    const start = this.#starts.get(frame.id);
    if (frame.kind === FRAME_KIND.data)
      this.#applications.get(frame.id)?.parts.push(Buffer.from(frame.payload));
    else if (frame.kind === FRAME_KIND.done) this.#takeDone(frame);
    else if (frame.kind === FRAME_KIND.started && start !== undefined)
      this.#takeStarted(frame, start);
    else if (frame.kind === FRAME_KIND.exited && start !== undefined) {
      start.exited.resolve(decodeExitRecord(frame.payload));
      this.#starts.delete(frame.id);
    } else if (frame.kind === FRAME_KIND.lost) this.#takeLost(frame.id);
  }

  #takeDone(frame: Frame): void {
    const report = decodeReport(frame.payload);
    const failed = report.errno === 0 ? undefined : { report };
    const application = this.#applications.get(frame.id);
    this.#applications.delete(frame.id);
    if (application === undefined) {
      // DONE to a START: the host refused it before there was a monitor.
      if (failed !== undefined) this.#starts.get(frame.id)?.resolve(failed);
      this.#starts.delete(frame.id);
      return;
    }
    const rest = frame.payload.subarray(REPORT_BYTES);
    application.resolve(failed ?? Buffer.concat([...application.parts, rest]));
  }

  #takeStarted(frame: Frame, start: Start): void {
    const report = decodeReport(frame.payload);
    if (report.errno === 0) {
      start.isStarted = true;
      if (start.isGivenUp) start.onLate();
      start.resolve({ process: decodeStarted(frame.payload), exited: start.exited.promise });
      return;
    }
    this.#starts.delete(frame.id);
    start.resolve({ report });
  }

  #takeLost(id: number): void {
    const error = new EngineError('unavailable', 'The process that worked on the request died');
    this.#applications.get(id)?.reject(error);
    this.#starts.get(id)?.reject(error);
    this.#starts.get(id)?.exited.reject(error);
    this.#applications.delete(id);
    this.#starts.delete(id);
  }

  #hostIsGone(why: string): void {
    if (this.#goneFor !== undefined) return;
    const error = new EngineError('unavailable', `The chisel's host is gone: ${why}`);
    this.#goneFor = error;
    for (const application of this.#applications.values()) application.reject(error);
    this.#applications.clear();
    // A monitor that was forked already answers by itself; one that was not never will.
    const timer = setTimeout(() => this.#rejectUnstarted(error), ORPHAN_MS);
    timer.unref();
    if (this.#child.pid === undefined) this.#rejectUnstarted(error);
    this.#gone.resolve();
  }

  #rejectUnstarted(error: EngineError): void {
    for (const start of this.#starts.values()) {
      if (start.isStarted) continue;
      start.isGivenUp = true;
      start.reject(error);
    }
  }

  #streamIsOver(): void {
    const error = new EngineError('unavailable', 'The stream of the monitors ended');
    this.#rejectUnstarted(error);
    for (const start of this.#starts.values()) start.exited.reject(error);
    this.#starts.clear();
  }
}
