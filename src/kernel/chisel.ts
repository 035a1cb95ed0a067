/**
 * The chisel as the engine uses it: apply a plan, start a process under a
 * monitor. Spawns `chisel host` when it is first needed, and again when it died.
 *
 * **Invariant:** a failed or cancelled start leaves no process behind.
 */

import { EngineError } from '../base/error.ts';
import { ChiselHost, type HostStarted, isFailure } from './chisel-host.ts';
import { Keeper } from './keeper.ts';
import { connectMonitor } from './monitor.ts';
import { encodePlan } from './plan/encode.ts';
import type { Plan } from './plan/op.ts';
import { errorOfReport } from './plan/report.ts';

/** Options of one call. */
export interface ChiselCall {
  readonly signal?: AbortSignal;
  /** What the user asked, first part of the error's sentence; default `Cannot apply the plan` or `Cannot start the process`. */
  readonly failure?: string;
}

const SIGKILL = 9;

/** Drives one host at a time. Get it by {@link openChisel}; close it. */
export class Chisel {
  readonly #path: string;
  #host: ChiselHost;
  #isClosed = false;

  /** `path`: the chisel's executable. */
  constructor(path: string) {
    this.#path = path;
    this.#host = new ChiselHost(path);
  }

  /** Pid of the present host; `undefined` when it could not be started. */
  get hostPid(): number | undefined {
    return this.#host.pid;
  }

  /**
   * Run a host plan; the bytes are what its `read` operations gave.
   * Errors: of {@link errorOfReport}, with the kernel's failure as cause;
   * `unavailable` when the host died; `cancelled` (the plan then runs on, unheard).
   */
  async apply(plan: Plan, call: ChiselCall = {}): Promise<Uint8Array> {
    const bytes = encodePlan(plan);
    const answer = await unlessAborted(this.#liveHost().apply(bytes), call.signal, () => undefined);
    if (isFailure(answer))
      throw errorOfReport(plan, answer.report, call.failure ?? 'Cannot apply the plan');
    return answer;
  }

  /**
   * Start the process of `plan` (its first operation is `monitor`); `afterPlan`
   * runs when it is gone, whatever happens to the daemon. Errors: as
   * {@link apply}; on any error the process is gone and `afterPlan` ran or will.
   */
  async start(plan: Plan, afterPlan: Plan, call: ChiselCall = {}): Promise<HostStarted> {
    const encoded = encodePlan(plan);
    const encodedAfter = afterPlan.length === 0 ? new Uint8Array(0) : encodePlan(afterPlan);
    const pending = this.#liveHost().start(encoded, encodedAfter, () => kill(plan));
    const answer = await unlessAborted(pending, call.signal, (late) => {
      if (!isFailure(late)) kill(plan);
    });
    if (isFailure(answer))
      throw errorOfReport(plan, answer.report, call.failure ?? 'Cannot start the process');
    return answer;
  }

  /** A process of its own that keeps what plans open; whoever got it closes it. `name`: see {@link Keeper}. */
  openKeeper(name?: string): Keeper {
    return new Keeper(this.#path, name);
  }

  /** The host ends; what it started goes on. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#host.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #liveHost(): ChiselHost {
    if (this.#isClosed) throw new EngineError('unavailable', 'The chisel is closed');
    if (!this.#host.isAlive) this.#host = new ChiselHost(this.#path);
    return this.#host;
  }
}

/** A started process that nobody wants any more. */
function kill(plan: Plan): void {
  const [monitor] = plan;
  if (monitor?.op !== 'monitor') return;
  connectMonitor(monitor.runDir)
    .then(async (control) => {
      await control.signal(SIGKILL).finally(() => control.close());
    })
    // Gone already, which is what was wanted.
    .catch(() => undefined);
}

async function unlessAborted<T>(
  pending: Promise<T>,
  signal: AbortSignal | undefined,
  onLate: (late: T) => void,
): Promise<T> {
  if (signal === undefined) return await pending;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => {
    pending.then(onLate, () => undefined);
    aborted.reject(new EngineError('cancelled', 'The operation was cancelled'));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([pending, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Start the chisel's host. Errors: `unavailable` when `path` cannot be run, or
 * is no chisel of this version.
 */
export async function openChisel(options: {
  readonly path: string;
  readonly signal?: AbortSignal;
}): Promise<Chisel> {
  const chisel = new Chisel(options.path);
  try {
    await chisel.apply([], options.signal === undefined ? {} : { signal: options.signal });
    return chisel;
  } catch (error) {
    await chisel.close();
    throw error;
  }
}
