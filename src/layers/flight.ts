/**
 * One run that several callers wait for. Whoever gives up leaves; when the last
 * one has left, the run is cancelled and forgotten, so that who comes next
 * starts a new one.
 */
import { EngineError } from '../base/error.ts';

/** What the run gets. */
export interface FlightControls {
  readonly signal: AbortSignal;
  /** Reaches everyone who waits. */
  readonly onProgress: (doneBytes: number) => void;
}

/** A shared run: `subject` is known early, `result` at its end. */
export class Flight<Subject, Result> {
  /** Known before the run has ended. */
  readonly subject: Promise<Subject>;
  readonly #result: Promise<Result>;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<(doneBytes: number) => void>();
  readonly #forget: () => void;
  #waiterCount = 0;

  constructor(
    start: (controls: FlightControls) => {
      readonly subject: Promise<Subject>;
      readonly result: Promise<Result>;
    },
    forget: () => void,
  ) {
    this.#forget = forget;
    const { subject, result } = start({
      signal: this.#abort.signal,
      onProgress: (doneBytes) => {
        for (const listener of this.#listeners) listener(doneBytes);
      },
    });
    this.subject = subject;
    this.#result = result;
    // Every waiter may have left before it fails.
    subject.catch(() => undefined);
    result.catch(() => undefined);
  }

  /** Wait for the result with the others. Errors: the run's, `cancelled` by `signal`. */
  async join(
    onProgress: ((doneBytes: number) => void) | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    this.#waiterCount++;
    if (onProgress !== undefined) this.#listeners.add(onProgress);
    const { promise: cancelled, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => {
      reject(new EngineError('cancelled', 'Cannot unpack layer: it was cancelled'));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    try {
      return await Promise.race([this.#result, cancelled]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (onProgress !== undefined) this.#listeners.delete(onProgress);
      this.#waiterCount--;
      if (this.#waiterCount === 0) {
        this.#forget();
        this.#abort.abort();
      }
    }
  }
}
