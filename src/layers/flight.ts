/**
 * One run that several callers wait for. Whoever gives up leaves; when the last
 * one has left, the run is cancelled. Who comes then waits until it is over.
 */
import { unlessAborted } from './interruptible.ts';

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
  /** Resolves when the run is over, whatever its outcome. */
  readonly settled: Promise<void>;
  readonly #result: Promise<Result>;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<(doneBytes: number) => void>();
  #waiterCount = 0;

  constructor(
    start: (controls: FlightControls) => {
      readonly subject: Promise<Subject>;
      readonly result: Promise<Result>;
    },
  ) {
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
    this.settled = result.then(
      () => undefined,
      () => undefined,
    );
  }

  /** Everyone has left: it cannot be joined any more. */
  get isCancelled(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Wait for the result with the others. Errors: the run's, `cancelled` by `signal`. */
  async join(
    onProgress: ((doneBytes: number) => void) | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    this.#waiterCount++;
    if (onProgress !== undefined) this.#listeners.add(onProgress);
    try {
      return await (signal === undefined ? this.#result : unlessAborted(this.#result, signal));
    } finally {
      if (onProgress !== undefined) this.#listeners.delete(onProgress);
      this.#waiterCount--;
      if (this.#waiterCount === 0) this.#abort.abort();
    }
  }
}
