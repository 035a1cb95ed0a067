/** Undo steps of an operation that may fail, run in reverse; one that fails does not keep the others from running. */

import { messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';

/** Steps to undo. */
export class Rollback {
  readonly #log: Log;
  readonly #steps: { readonly what: string; readonly undo: () => Promise<void> | void }[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** `what` completes the sentence "cannot …". */
  add(what: string, undo: () => Promise<void> | void): void {
    this.#steps.push({ what, undo });
  }

  /** Undo everything, newest first. Never throws: what fails is logged, and swept at the next open. */
  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.undo();
      } catch (error) {
        this.#log.warn(`cannot ${step.what}`, { error: messageOf(error) });
      }
    }
  }
}
