/**
 * Time, injected: wall-clock instants for records and events, timers for
 * back-off and probes. Tests pass their own.
 *
 * **Invariant:** timers run on the monotonic clock; a step of the wall clock
 * never fires or delays one.
 */

import { EngineError } from './error.ts';

/** A pending call; cancelling twice is harmless. */
export interface Timer {
  cancel(): void;
}

/** The clock of one engine. */
export interface Clock {
  /** Nanoseconds since the epoch (wall clock); two calls in a row never give the same value. */
  nowNs(): bigint;
  /** Milliseconds of the monotonic clock; only differences mean something. */
  monotonicMs(): number;
  /** Call once after `delayMs` milliseconds. Does not keep the process alive. */
  after(delayMs: number, call: () => void): Timer;
}

/** Longest delay a runtime's timer holds; longer ones are made of several. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The machine's clock. */
export function systemClock(): Clock {
  let lastMs = 0;
  let sequence = 0n;
  return {
    nowNs() {
      const ms = Date.now();
      sequence = ms === lastMs ? sequence + 1n : 0n;
      lastMs = ms;
      return BigInt(ms) * 1_000_000n + sequence;
    },
    monotonicMs: () => performance.now(),
    after: startTimer,
  };
}

function startTimer(delayMs: number, call: () => void): Timer {
  let handle: NodeJS.Timeout;
  const arm = (leftMs: number): void => {
    handle = setTimeout(
      () => (leftMs > TIMER_MAX_MS ? arm(leftMs - TIMER_MAX_MS) : call()),
      Math.max(0, Math.min(leftMs, TIMER_MAX_MS)),
    );
    handle.unref();
  };
  arm(delayMs);
  return { cancel: () => clearTimeout(handle) };
}

/** Resolves after `delayMs` milliseconds. Errors: `cancelled` when `signal` aborts. */
export async function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve, reject) => {
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = (): void => {
      timer.cancel();
      reject(new EngineError('cancelled', 'The operation was cancelled'));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Errors: `cancelled` when `signal` has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new EngineError('cancelled', 'The operation was cancelled');
}

/** `undefined` when `promise` has not settled after `delayMs` milliseconds; it goes on. */
export async function within<T>(
  clock: Clock,
  delayMs: number,
  promise: Promise<T>,
): Promise<T | undefined> {
  let timer: Timer | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = clock.after(delayMs, () => resolve(undefined));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer?.cancel();
  }
}
