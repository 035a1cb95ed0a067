/**
 * Waiting for news of a log, without polling: a connection to the monitor,
 * which says when the log grew and ends when it is complete.
 */

import type { Duplex } from 'node:stream';
import { EngineError, isEngineError } from '../../base/error.ts';
import { watchMonitor } from '../../kernel/monitor.ts';

/** A watch on one log. Close it. */
export class LogWatch {
  readonly #connection: Duplex;
  readonly #signal: AbortSignal | undefined;
  #news: PromiseWithResolvers<boolean> | undefined;
  #isOver = false;

  private constructor(connection: Duplex, signal: AbortSignal | undefined) {
    this.#connection = connection;
    this.#signal = signal;
    connection.on('data', () => this.#news?.resolve(true));
    const end = (): void => {
      this.#isOver = true;
      this.#news?.resolve(false);
    };
    connection.once('end', end).once('close', end).once('error', end);
    connection.resume();
  }

  /** `undefined` when no monitor runs: the log is complete. */
  static async open(
    runDir: string,
    signal: AbortSignal | undefined,
  ): Promise<LogWatch | undefined> {
    try {
      const connection = await watchMonitor(runDir, signal === undefined ? {} : { signal });
      return new LogWatch(connection, signal);
    } catch (error) {
      if (isEngineError(error) && error.kind === 'not-found') return undefined;
      throw error;
    }
  }

  /**
   * Resolves when the log grew since the last call began to wait, or at once
   * when it grew in between: true; false when it is complete, or at `untilMs`
   * (milliseconds since the epoch). Errors: `cancelled`.
   */
  async wait(untilMs?: number): Promise<boolean> {
    if (this.#isOver) return false;
    const news = Promise.withResolvers<boolean>();
    this.#news = news;
    const onAbort = (): void =>
      news.reject(new EngineError('cancelled', 'The operation was cancelled'));
    const timer =
      untilMs === undefined
        ? undefined
        : setTimeout(
            () => news.resolve(false),
            Math.min(Math.max(0, untilMs - Date.now()), 2 ** 31 - 1),
          );
    this.#signal?.addEventListener('abort', onAbort, { once: true });
    if (this.#signal?.aborted === true) onAbort();
    this.#connection.write('.');
    try {
      return await news.promise;
    } finally {
      clearTimeout(timer);
      this.#signal?.removeEventListener('abort', onAbort);
    }
  }

  close(): void {
    this.#connection.destroy();
  }
}
