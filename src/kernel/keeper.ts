/**
 * A process that keeps what plans open: sockets, tables, links. Whatever it has
 * is closed when it ends, and it ends with the daemon, however that ends.
 *
 * **Invariant:** plans run one after the other, in the order they were given in.
 */

import { ChiselHost, isFailure } from './chisel-host.ts';
import { encodePlan } from './plan/encode.ts';
import type { Plan } from './plan/op.ts';
import { errorOfReport } from './plan/report.ts';

/** See the module. Get it by `Chisel.openKeeper`; close it. */
export class Keeper {
  readonly #host: ChiselHost;

  /** `path`: the chisel's executable. Failing to start shows as a keeper that is gone at once. */
  constructor(path: string) {
    this.#host = new ChiselHost(path, 'keep');
  }

  /** False once it ended: all that it kept is closed. */
  get isAlive(): boolean {
    return this.#host.isAlive;
  }

  /**
   * Run a plan in it; a plan that uses slots of an earlier one begins with `kept`. The bytes are what its
   * operations read. `failure`: first part of the error's sentence. Errors: of {@link errorOfReport}; `unavailable`.
   */
  async apply(plan: Plan, failure: string): Promise<Uint8Array> {
    const answer = await this.#host.apply(encodePlan(plan));
    if (isFailure(answer)) throw errorOfReport(plan, answer.report, failure);
    return answer;
  }

  /** All that it kept is closed then. Idempotent. */
  async close(): Promise<void> {
    await this.#host.close();
  }
}
