/**
 * carve's nftables table in the kernel: made, made anew, and looked after while
 * somebody depends on it. What is in it is told by `whole`.
 *
 * **Invariant:** the table is replaced in one transaction, so no packet sees
 * half of it.
 */

import { messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';
import type { Mutex } from '../base/mutex.ts';
import type { Message } from '../kernel/netlink/message.ts';
import * as nft from '../kernel/nft/message.ts';
import { RULE_COUNT } from './firewall.ts';

/** Milliseconds between two looks at the table. */
const WATCH_MS = 500;

/** What it works with. */
export interface GuardTableOptions {
  readonly at: nft.TableName;
  readonly log: Log;
  /** Held while the table is replaced. */
  readonly lock: Mutex;
  /** All that is to be in the table, the table itself included. */
  readonly whole: () => readonly Message[];
  /** Its half of another family, and how many rules that is to have; 0: it is not needed. */
  readonly half: () => { readonly at: nft.TableName; readonly ruleCount: number };
  /** What is looked after at the same times; it takes the lock itself. */
  readonly beside: () => Promise<void>;
  /** One transaction. */
  readonly change: (messages: readonly Message[], failure: string) => Promise<unknown>;
  /** The messages that answer one request. */
  readonly query: (message: Message, failure: string) => Promise<Uint8Array>;
}

/** See the module. */
export class GuardTable {
  readonly #options: GuardTableOptions;
  #isThere = false;
  #watch: ReturnType<typeof setInterval> | undefined;

  constructor(options: GuardTableOptions) {
    this.#options = options;
  }

  /** True once it was made. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /** Make it, or make it anew. Precondition: the lock is held. */
  async rebuild(): Promise<void> {
    const { change, whole } = this.#options;
    await change(whole(), 'Cannot make the firewall of the networks');
    this.#isThere = true;
  }

  /** Delete it; it need not be there. Precondition: the lock is held. */
  async remove(): Promise<void> {
    const { at, change } = this.#options;
    this.#isThere = false;
    const gone = [nft.addTable(at), nft.deleteTable(at)];
    await change(gone, 'Cannot remove the firewall of the networks');
  }

  /** Look after it from now on. Idempotent. */
  watch(): void {
    if (this.#watch !== undefined) return;
    this.#watch = setInterval(() => {
      this.#repair().catch((error: unknown) => {
        const text = messageOf(error);
        this.#options.log.warn('cannot look after the firewall', { error: text });
      });
    }, WATCH_MS);
    this.#watch.unref();
  }

  /** Idempotent. */
  unwatch(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  /** Somebody else may have deleted the table, or its rules. */
  async #repair(): Promise<void> {
    const { at, lock, log, beside } = this.#options;
    if (lock.isHeld || !this.#isThere) return;
    await beside();
    await lock.run(async () => {
      if (await this.#isWhole()) return;
      log.warn('the firewall of the networks was changed from outside; made again', {
        table: at.table,
      });
      await this.rebuild();
    });
  }

  async #isWhole(): Promise<boolean> {
    const { at, half } = this.#options;
    if ((await this.#countRules(at)) !== RULE_COUNT) return false;
    const { at: other, ruleCount } = half();
    return ruleCount === 0 || (await this.#countRules(other)) === ruleCount;
  }

  async #countRules(at: nft.TableName): Promise<number> {
    const answer = await this.#options.query(nft.listRules(at), 'Cannot look at the firewall');
    return nft.countMessages(answer, 'newRule');
  }
}
