/**
 * What one probe's result means for a container's health, pure.
 * Source: Engine API `HealthConfig`; engine-api facts 5.2.
 */

/** Where the health stands. */
export interface HealthCounters {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  /** Count of failures in a row. */
  readonly failingStreak: number;
}

/** What follows from one result. */
export interface Verdict {
  readonly counters: HealthCounters;
  /** `undefined`: the status stays. */
  readonly changedTo?: 'healthy' | 'unhealthy';
}

/** Failures during the start period do not count until the first success. */
export function judgeProbe(
  before: HealthCounters,
  run: { readonly exitCode: number; readonly retries: number; readonly isInStartPeriod: boolean },
): Verdict {
  if (run.exitCode === 0) {
    const counters: HealthCounters = { status: 'healthy', failingStreak: 0 };
    return before.status === 'healthy' ? { counters } : { counters, changedTo: 'healthy' };
  }
  if (before.status === 'starting' && run.isInStartPeriod) return { counters: before };
  const failingStreak = before.failingStreak + 1;
  if (failingStreak < run.retries) return { counters: { ...before, failingStreak } };
  const counters: HealthCounters = { status: 'unhealthy', failingStreak };
  return before.status === 'unhealthy' ? { counters } : { counters, changedTo: 'unhealthy' };
}
