/**
 * Bounded, jittered retries of one request. The decision is pure; the clock
 * and the dice are injected.
 *
 * Source: RFC 9110 §10.2.3 Retry-After; full jitter as in common practice.
 */

import { EngineError, isEngineError } from '../../base/error.ts';

/** Bounds of the retries of one request. */
export interface RetryPolicy {
  /** Count of tries, the first included. */
  readonly attempts: number;
  /** First upper bound of the wait in milliseconds; it doubles with each try. */
  readonly baseDelayMs: number;
  /** Largest wait in milliseconds, also for Retry-After. */
  readonly maxDelayMs: number;
}

/** Five tries, at most 30 s apart. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  attempts: 5,
  baseDelayMs: 200,
  maxDelayMs: 30_000,
};

const RETRIABLE_STATUS: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** Whether a response of this status may be different next time. */
export function isRetriableStatus(status: number): boolean {
  return RETRIABLE_STATUS.has(status);
}

/** Milliseconds a `Retry-After` header asks for; `undefined` when absent or not understood. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header.trim()) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

/** Wait after try number `attempt` (from 1) without a word of the registry, in milliseconds; `dice` in 0..1. */
export function delayMs(policy: RetryPolicy, attempt: number, dice: number): number {
  return Math.min(policy.baseDelayMs * 2 ** (attempt - 1), policy.maxDelayMs) * (0.5 + dice / 2);
}

/** Time and chance, injected. */
export interface RetryClock {
  nowMs(): number;
  /** 0 ≤ x < 1. */
  dice(): number;
  /** Errors: `cancelled` when the signal fires. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>;
}

/** How often and how fast; default: {@link DEFAULT_RETRY_POLICY} by {@link SYSTEM_RETRY_CLOCK}. */
export interface RetryOptions {
  readonly policy?: RetryPolicy;
  readonly clock?: RetryClock;
}

/** The real clock. */
export const SYSTEM_RETRY_CLOCK: RetryClock = {
  nowMs: () => Date.now(),
  dice: () => Math.random(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(
          new EngineError('cancelled', 'The operation was cancelled', {
            operation: 'registry.retry',
          }),
        );
      };
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    }),
};

/**
 * Run `attempt` until it returns, throws something final, or tries run out:
 * then the last error is thrown, final from there on, so that retries around
 * retries do not multiply. Only errors of kind `unavailable` are tried again;
 * `details.retryAfterMs` of such an error is honoured.
 */
export async function withRetries<T>(
  attempt: (count: number) => Promise<T>,
  options: RetryOptions & { readonly signal?: AbortSignal | undefined } = {},
): Promise<T> {
  const policy = options.policy ?? DEFAULT_RETRY_POLICY;
  const clock = options.clock ?? SYSTEM_RETRY_CLOCK;
  for (let count = 1; ; count += 1) {
    try {
      return await attempt(count);
    } catch (error) {
      if (!isEngineError(error) || error.kind !== 'unavailable') throw error;
      if (error.details['isFinal'] === true) throw error;
      if (count >= policy.attempts) throw finalOf(error);
      const asked = error.details['retryAfterMs'];
      const waitMs =
        typeof asked === 'number'
          ? Math.min(asked, policy.maxDelayMs)
          : delayMs(policy, count, clock.dice());
      await clock.sleep(waitMs, options.signal);
    }
  }
}

function finalOf(error: EngineError): EngineError {
  const { kind, message, hint, operation, details } = error;
  return new EngineError(kind, message, {
    details: { ...details, isFinal: true },
    cause: error.cause,
    ...(operation === undefined ? {} : { operation }),
    ...(hint === undefined ? {} : { hint }),
  });
}
