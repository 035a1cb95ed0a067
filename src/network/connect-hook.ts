/**
 * The short way from the host to its published TCP ports: connect() itself is
 * led to the container, so that no packet is rewritten, and `::1` needs no relay
 * where the container has IPv6.
 *
 * Only an acceleration: the firewall's rules publish the port all the same, for
 * whom the programs do not see, and for all while there is no daemon.
 *
 * **Invariants**
 * - It is there while the daemon is: a keeper has the only links.
 * - Nothing is led to a port before {@link ConnectHook.lead} was told of it.
 * - When a port was taken back nothing is led there; what cannot be taken back
 *   ends the whole hook.
 *
 * Source: docs/decisions/0057-connecting-to-the-container.md.
 */

import { messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';
import type { Keeper } from '../kernel/keeper.ts';
import type { Plan } from '../kernel/plan/op.ts';
import { formatAddress } from '../spec/cidr.ts';
import type { EndpointPort } from './endpoint.ts';
import {
  ASK_COOKIE,
  decodeCookie,
  isLed,
  planHook,
  planLead,
  planLeadNoMore,
} from './plan/connect.ts';

const FAILURE = 'Cannot lead connections of the host to containers';

/** What it works with. */
export interface ConnectHookOptions {
  readonly log: Log;
  readonly openKeeper: () => Keeper;
  /** Where cgroup v2 is mounted; `undefined`: nowhere, and there is no hook. */
  readonly cgroup: string | undefined;
}

/** See the module. No method rejects. */
export class ConnectHook {
  readonly #options: ConnectHookOptions;
  /** What is to be led to, by what a program asks for: whichever keeper comes leads to just these. */
  readonly #led = new Map<string, EndpointPort>();
  /** Absent before the first port; resolves with `undefined` where it cannot be. */
  #opened: Promise<Keeper | undefined> | undefined;
  #isClosed = false;

  constructor(options: ConnectHookOptions) {
    this.#options = options;
  }

  /** Lead to these ports too; they are published already. */
  async lead(ports: readonly EndpointPort[]): Promise<void> {
    const led = ports.filter(isLed);
    if (led.length === 0) return;
    for (const port of led) this.#led.set(keyOf(port), port);
    const known = this.#opened;
    if (known !== undefined) {
      const keeper = await known;
      if (keeper?.isAlive !== false) return this.#change(keeper, planLead(led));
    }
    // Another that saw the same death opened it meanwhile.
    if (this.#opened === known) this.#opened = this.#open();
    await this.#opened;
  }

  /** When it resolves nothing is led to them. */
  async leadNoMore(ports: readonly EndpointPort[]): Promise<void> {
    const led = ports.filter(isLed);
    if (led.length === 0) return;
    for (const port of led) this.#led.delete(keyOf(port));
    await this.#change(await this.#opened, planLeadNoMore(led));
  }

  /** Nothing is led any more. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const keeper = await this.#opened;
    await keeper?.close();
  }

  /** Waits for nothing before it asks the keeper: who was called first, asks first. */
  async #change(keeper: Keeper | undefined, plans: readonly Plan[]): Promise<void> {
    if (keeper?.isAlive !== true) return;
    try {
      await applyAll(keeper, plans);
    } catch (error) {
      this.#options.log.warn(FAILURE, { error: messageOf(error) });
      await keeper.close();
    }
  }

  async #open(): Promise<Keeper | undefined> {
    const { log, cgroup, openKeeper } = this.#options;
    if (cgroup === undefined || this.#isClosed) return undefined;
    let keeper: Keeper | undefined;
    try {
      keeper = openKeeper();
      const cookie = decodeCookie(await keeper.apply(ASK_COOKIE, FAILURE));
      if (cookie === undefined) throw new Error('the kernel tells no cookie of a namespace');
      const all = planLead([...this.#led.values()]);
      await applyAll(keeper, [planHook(cgroup, cookie), ...all]);
      return keeper;
    } catch (error) {
      // As before: by the firewall's rules.
      log.debug(FAILURE, { error: messageOf(error) });
      await keeper?.close();
      return undefined;
    }
  }
}

/** All are on their way before the first is done, so that nobody's come between them. */
async function applyAll(keeper: Keeper, plans: readonly Plan[]): Promise<void> {
  await Promise.all(plans.map(async (plan) => keeper.apply(plan, FAILURE)));
}

/** What a program asks the table for. */
function keyOf({ host, hostPort }: EndpointPort): string {
  return `${formatAddress(host)} ${hostPort}`;
}
