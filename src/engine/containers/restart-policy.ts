/**
 * When a container is started again without a user, pure.
 * Source: Engine API `RestartPolicy`; dockerd's back-off figures.
 */

import { EngineError } from '../../base/error.ts';
import type { RestartPolicy } from '../../spec/docker/container.ts';
import type { LifeState } from './record.ts';

/** Milliseconds before the first restart. */
export const BACKOFF_MIN_MS = 100;
/** Longest wait in milliseconds. */
export const BACKOFF_MAX_MS = 60_000;
/** A run of at least this many milliseconds makes the next wait short again. */
export const BACKOFF_RESET_MS = 10_000;

/** A wait that is under way, or the last one made. */
export interface RestartSchedule {
  /** Milliseconds of the last wait. */
  readonly delayMs: number;
  /** Breaks the wait off; harmless afterwards. */
  readonly cancel: () => void;
}

/** Does the exit of `state`'s run (its code set) call for a restart? */
export function wantsRestart(policy: RestartPolicy, state: LifeState, exitCode: number): boolean {
  if (state.isStoppedByUser) return false;
  switch (policy.Name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure': {
      const limit = policy.MaximumRetryCount ?? 0;
      return exitCode !== 0 && (limit === 0 || state.restartCount < limit);
    }
    default:
      return false;
  }
}

/** After the engine itself started: is a container that does not run to be started? */
export function wantsBootStart(policy: RestartPolicy, state: LifeState): boolean {
  if (state.phase === 'created') return false;
  if (policy.Name === 'always') return true;
  return wantsRestart(policy, state, state.exitCode);
}

/** Milliseconds to wait after a run of `ranMs`, when the wait before was `lastDelayMs` (0: none). */
export function nextDelayMs(lastDelayMs: number, ranMs: number): number {
  if (lastDelayMs === 0 || ranMs >= BACKOFF_RESET_MS) return BACKOFF_MIN_MS;
  return Math.min(lastDelayMs * 2, BACKOFF_MAX_MS);
}

/** Errors: `invalid` in Docker's words. */
export function checkRestartPolicy(policy: RestartPolicy, autoRemove: boolean): void {
  const { Name: name = 'no', MaximumRetryCount: retries = 0 } = policy;
  const known = ['', 'no', 'always', 'unless-stopped', 'on-failure'];
  if (!known.includes(name)) {
    throw new EngineError(
      'invalid',
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (retries !== 0 && name !== 'on-failure') {
    throw new EngineError(
      'invalid',
      "invalid restart policy: maximum retry count can only be used with 'on-failure'",
    );
  }
  if (retries < 0 || !Number.isInteger(retries)) {
    throw new EngineError(
      'invalid',
      'invalid restart policy: maximum retry count cannot be negative',
    );
  }
  if (autoRemove && name !== 'no' && name !== '') {
    throw new EngineError('invalid', "can't create 'AutoRemove' container with restart policy");
  }
}
