/**
 * The tables that decide what passes, in the kernel: made, taken over, changed.
 * They belong to a keeper's socket (nftables' table owner): whoever flushes the
 * ruleset, reloads another firewall or edits rules passes them by or is refused.
 * When the keeper dies they stay as they are, anybody's, until the next one takes
 * them over. A kernel before 6.9 knows no such tables; there they are anybody's.
 *
 * **Invariants**
 * - What the tables hold is replaced in one transaction, so no packet sees half of it.
 * - One change at a time, each seeing what the one before did.
 * - A keeper that stays is there as long as there is a table: who owns none is in nobody's way, and would stay for ever.
 * - Nobody but {@link GuardTable.rebuild} and a change of tables that were lost makes them anew.
 *
 * Source: net/netfilter/nf_tables_api.c; docs/decisions/0054-tables-that-belong-to-the-engine.md.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { EngineError, isEngineError } from '../base/error.ts';
import type { Log } from '../base/log.ts';
import { Mutex } from '../base/mutex.ts';
import type { Message } from '../kernel/netlink/message.ts';
import * as nft from '../kernel/nft/message.ts';
import type { Keeper } from '../kernel/keeper.ts';
import { keptFirewall, OPEN_KEPT } from './plan/ops.ts';
import { OWNED, planAnew, planInPlace, type WholeTable } from './whole-table.ts';

const ENOENT = 2;
/** How often, and how many milliseconds apart, a table is asked for that a former keeper holds until it is dead. */
const HELD = { tries: 250, everyMs: 2 } as const;

type Owner = Pick<Keeper, 'apply' | 'isAlive' | 'pid' | 'close' | 'leave'>;

/** What it works with. */
export interface GuardTableOptions {
  readonly log: Log;
  /** All that is to be in the kernel. */
  readonly whole: () => Promise<readonly WholeTable[]>;
  readonly openKeeper: () => Owner;
  /** End the keeper that another daemon of the same engine left. `own`: this one's pid. */
  readonly endFormer: (own: number | undefined) => void;
}

/** See the module. */
export class GuardTable {
  readonly #options: GuardTableOptions;
  readonly #alone = new Mutex();
  #isThere = false;
  #canOwn = true;
  /** The one that runs, or ran. */
  #keeper: Owner | undefined;
  /** The one that made the tables, or took them over. */
  #owner: Owner | undefined;
  #isClosed = false;

  constructor(options: GuardTableOptions) {
    this.#options = options;
  }

  /** True once they were made. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /** They were made, and belong to a keeper that lives where the kernel knows owners. */
  get isKept(): boolean {
    return this.#isThere && (!this.#canOwn || this.#owner?.isAlive === true);
  }

  /** Flags that a table is made with. */
  get flags(): number {
    return this.#canOwn ? OWNED : 0;
  }

  /** Make them, take them over, or make them anew. */
  async rebuild(): Promise<void> {
    await this.#alone.run(async () => this.#rebuild());
  }

  /** One transaction. Tables whose keeper died are taken over before. */
  async change(messages: readonly Message[], failure: string): Promise<void> {
    await this.#change(messages, { failure, ignore: 0 });
  }

  /** One transaction that takes away; a table that is gone is as good. */
  async undo(messages: readonly Message[], failure: string): Promise<void> {
    await this.#change(messages, { failure, ignore: ENOENT });
  }

  /** Delete one of them; it need not be there. */
  async remove(at: nft.TableName): Promise<void> {
    await this.undo([nft.deleteTable(at)], 'Cannot remove the firewall of the networks');
  }

  /** No change from now on. `stays`: they still belong to the keeper, until another engine ends it. Idempotent. */
  async close(stays: boolean): Promise<void> {
    await this.#alone.run(async () => {
      this.#isClosed = true;
      if (stays && this.#canOwn && this.#owner?.isAlive === true) this.#owner.leave();
      else await this.#keeper?.close();
    });
  }

  /** Delete all of them; they need not be there. */
  async removeAll(tables: readonly nft.TableName[]): Promise<void> {
    this.#isThere = false;
    for (const at of tables) await this.remove(at);
    await this.dismiss();
  }

  /** End the keeper, and those that former daemons left: there is no table to own. */
  async dismiss(): Promise<void> {
    await this.#alone.run(async () => {
      await this.#keeper?.close();
      this.#options.endFormer(undefined);
    });
  }

  async #change(
    messages: readonly Message[],
    { failure, ignore }: { readonly failure: string; readonly ignore: number },
  ): Promise<void> {
    if (messages.length === 0) return;
    await this.#alone.run(async () => {
      if (this.#isThere && !this.isKept) await this.#rebuild();
      try {
        await this.#send(messages, { failure, ignore });
      } catch (error) {
        const isLost = errnoOf(error) === 'ENOENT' || (this.#canOwn && !this.isKept);
        if (!this.#isThere || this.#isClosed || !isLost) throw error;
        // A moment ago somebody deleted a table that has no owner, or the owner died.
        await this.#rebuild();
        await this.#send(messages, { failure, ignore });
      }
    });
  }

  async #rebuild(): Promise<void> {
    const failure = 'Cannot make the firewall of the networks';
    const whole = await this.#options.whole();
    const send = async (make: (table: WholeTable) => readonly Message[]): Promise<void> =>
      this.#send(whole.flatMap(make), { failure, ignore: 0 });
    if (!this.#canOwn) await send((table) => planAnew(table, 0));
    else {
      try {
        await send(planInPlace);
      } catch (error) {
        if (errnoOf(error) === 'EPERM') throw error;
        // Not there with just these sets and chains: an earlier version's, or nobody's.
        await this.#makeOwned(send);
      }
    }
    this.#isThere = true;
    this.#owner = this.#keeper;
  }

  async #makeOwned(
    send: (make: (table: WholeTable) => readonly Message[]) => Promise<void>,
  ): Promise<void> {
    try {
      await send((table) => planAnew(table, OWNED));
    } catch (error) {
      if (!isUnknownFlag(error)) throw error;
      await send((table) => planAnew(table, 0));
      this.#canOwn = false;
      this.#options.log.warn(
        'this kernel knows no tables that stay with their owner (Linux 6.9): who flushes the ruleset takes the firewall of the networks away until it is made again',
      );
    }
  }

  async #send(
    messages: readonly Message[],
    { failure, ignore }: { readonly failure: string; readonly ignore: number },
  ): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await (await this.#openKeeper(failure)).apply(keptFirewall(messages, ignore), failure);
        return;
      } catch (error) {
        // An answer that did not come may come to the next change.
        if (callOf(error) === 'recvmsg()') await this.#keeper?.close();
        if (errnoOf(error) !== 'EPERM' || tries === HELD.tries) throw error;
        if (tries === 1) this.#options.endFormer(this.#keeper?.pid);
        await pause(HELD.everyMs);
      }
    }
  }

  async #openKeeper(failure: string): Promise<Owner> {
    if (this.#isClosed) throw new EngineError('unavailable', `${failure}: the engine is closed`);
    if (this.#keeper?.isAlive === true) return this.#keeper;
    const keeper = this.#options.openKeeper();
    try {
      await keeper.apply(OPEN_KEPT, failure);
    } catch (error) {
      await keeper.close();
      throw error;
    }
    this.#keeper = keeper;
    return keeper;
  }
}

function isUnknownFlag(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'EOPNOTSUPP' || errno === 'EINVAL';
}

function callOf(error: unknown): unknown {
  return isEngineError(error) ? error.details['call'] : undefined;
}

function errnoOf(error: unknown): unknown {
  return isEngineError(error) ? error.details['errno'] : undefined;
}
