/** Collections at their times: one at a time, none while the engine closes. */

import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/error.ts';
import type { Log } from '../../base/log.ts';

/** What a schedule works with. */
export interface ScheduleOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds between the end of one and the begin of the next. */
  readonly everyMs: number;
  readonly collect: (signal: AbortSignal) => Promise<void>;
}

/** A running schedule. */
export interface Schedule {
  /** No collection begins any more; resolves when the one under way ended. */
  stop(): Promise<void>;
}

/** Begin; the first collection comes after `everyMs`. A collection that fails is logged, the next one comes. */
export function startSchedule({ clock, log, everyMs, collect }: ScheduleOptions): Schedule {
  const stop = new AbortController();
  let timer: Timer | undefined;
  let running: Promise<void> = Promise.resolve();
  const arm = (): void => {
    if (stop.signal.aborted) return;
    timer = clock.after(everyMs, () => {
      running = run().finally(arm);
    });
  };
  const run = async (): Promise<void> => {
    try {
      await collect(stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) log.warn('the collection failed', { error: messageOf(error) });
    }
  };
  arm();
  return {
    stop: async () => {
      stop.abort();
      timer?.cancel();
      await running;
    },
  };
}
