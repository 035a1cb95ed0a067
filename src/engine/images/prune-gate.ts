/** One prune of images at a time. Source: engine-api facts 10.5. */

import { EngineError } from '../../base/error.ts';

/** See the module. */
export class PruneGate {
  #last: Promise<unknown> | undefined;

  /** Errors: `conflict` while another one runs. */
  async orRefuse<T>(work: () => Promise<T>): Promise<T> {
    if (this.#last !== undefined)
      throw new EngineError('conflict', 'a prune operation is already running');
    return await this.#run(work);
  }

  /** Waits for the one that runs. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    while (this.#last !== undefined) await this.#last;
    return await this.#run(work);
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    const run = work();
    const last = run.then(
      () => undefined,
      () => undefined,
    );
    this.#last = last;
    try {
      return await run;
    } finally {
      if (this.#last === last) this.#last = undefined;
    }
  }
}
