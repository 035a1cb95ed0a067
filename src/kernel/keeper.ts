/**
 * A process that keeps what plans open: sockets, tables, links. Whatever it has
 * is closed when it ends, and it ends with the daemon, however that ends, unless
 * it was given a name.
 *
 * **Invariant:** plans run one after the other, in the order they were given in.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { ChiselHost, isFailure } from './chisel-host.ts';
import { encodePlan } from './plan/encode.ts';
import type { Plan } from './plan/op.ts';
import { errorOfReport } from './plan/report.ts';

/** See the module. Get it by `Chisel.openKeeper`; close it. */
export class Keeper {
  readonly #host: ChiselHost;

  readonly #stays: boolean;

  /**
   * `path`: the chisel's executable. `name`: it stays, by this name, when the daemon was killed, until
   * {@link endKeepers} ends it. Failing to start shows as a keeper that is gone at once.
   */
  constructor(path: string, name?: string) {
    this.#stays = name !== undefined;
    this.#host = new ChiselHost(path, name === undefined ? ['keep'] : ['keep', name]);
  }

  /** Its pid; `undefined` when it could not be started. */
  get pid(): number | undefined {
    return this.#host.pid;
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
    if (this.#stays) this.#host.kill();
    await this.#host.close();
  }

  /** One that stays is left as if the daemon had been killed. */
  leave(): void {
    this.#host.leave();
  }
}

/**
 * End the keepers of this name that other daemons left. `own`: the pid of this one's.
 *
 * A command line is memory of its process, which may be such that reading it never ends; the name of a
 * process is not, nor its namespace: nobody in a container is asked.
 */
export function endKeepers(name: string, own: number | undefined): void {
  const namespace = readlinkSync('/proc/self/ns/pid');
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === own) continue;
    try {
      if (readFileSync(`/proc/${pid}/comm`, 'utf8') !== 'chisel\n') continue;
      if (readlinkSync(`/proc/${pid}/ns/pid`) !== namespace) continue;
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (words[1] === 'keep' && words[2] === name) process.kill(pid, 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
}
