/**
 * Keeps carve's networks passing the forward chains of iptables that Docker
 * made to drop: looks whether anything changed, and puts right what is not as
 * {@link planPassage} says.
 *
 * A look at a firewall that nobody wrote to costs one message.
 */

import { messageOf } from '../../base/error.ts';
import type { Log } from '../../base/log.ts';
import { decodeChains, decodeGeneration } from '../../kernel/nft/chains.ts';
import * as nft from '../../kernel/nft/message.ts';
import { decodeRules } from '../../kernel/nft/rules.ts';
import type { Message } from '../../kernel/netlink/message.ts';
import type { Family } from '../../spec/cidr.ts';
import { isLinkThere } from '../read-routes.ts';
import {
  chainOf,
  findFilters,
  isLookedAt,
  planNoPassage,
  planPassage,
  type FoundFilter,
} from './rules.ts';

/** What it works with. */
export interface PassageKeeperOptions {
  readonly engineId: string;
  readonly log: Log;
  /** Of the bridges that are to pass; none: the engine's chain is not to be there. */
  readonly links: () => readonly string[];
  /** One transaction. */
  readonly change: (messages: readonly Message[], failure: string) => Promise<unknown>;
  /** The messages that answer one request. */
  readonly query: (message: Message, failure: string) => Promise<Uint8Array>;
}

const FAILURE = 'Cannot look at the rules of iptables';
/** Looks that are passed over at most after one that failed: about a minute. */
const REST_MAX = 127;

/** See the module. */
export class PassageKeeper {
  readonly #options: PassageKeeperOptions;
  /** The engine's chain. */
  readonly #chain: string;
  #opened: readonly Family[] = [];
  /** What the last look was about; `undefined`: it failed. */
  #seen: string | undefined;
  /** How the last look failed, about which links, and how many of the next ones about them are passed over. */
  #failed: { readonly what: string; readonly links: string; readonly rests: number } | undefined;
  /** How many are still to be passed over. */
  #rest = 0;

  constructor(options: PassageKeeperOptions) {
    this.#options = options;
    this.#chain = chainOf(options.engineId);
  }

  /** Families of whose filter table the engine's chain is a part. */
  get opened(): readonly Family[] {
    return this.#opened;
  }

  /** The same as a name and a value. */
  describe(): readonly (readonly [name: string, value: string])[] {
    if (this.#opened.length === 0) return [];
    const families = this.#opened.map((family) => (family === 'ipv4' ? 'ip' : 'ip6'));
    return [['beside Docker', `chain ${this.#chain} of ${families.join(' and ')} filter`]];
  }

  /**
   * Put right what is not as it is to be. Never throws: what fails is logged
   * once, and tried again by the next calls, more and more seldom while it is
   * about the same links. Precondition: it does not run already.
   */
  async look(): Promise<void> {
    const { query } = this.#options;
    const links = this.#options.links();
    if (this.#failed?.links === links.join() && this.#rest > 0) {
      this.#rest -= 1;
      return;
    }
    try {
      const generation = decodeGeneration(await query(nft.askGeneration(), FAILURE));
      const seen = JSON.stringify([generation, links]);
      if (seen === this.#seen && generation !== undefined) return;
      this.#seen = undefined;
      await this.#repair(links);
      this.#seen = seen;
      this.#failed = undefined;
    } catch (error) {
      this.#fail(messageOf(error), links);
    }
  }

  #fail(what: string, links: readonly string[]): void {
    const last = this.#failed;
    const isNew = what !== last?.what && links.length > 0;
    if (isNew) this.#options.log.warn('cannot look after the rules beside Docker', { error: what });
    const isSame = last?.links === links.join();
    this.#rest = isSame ? Math.min(2 * last.rests + 1, REST_MAX) : 0;
    this.#failed = { what, links: links.join(), rests: this.#rest };
  }

  async #repair(links: readonly string[]): Promise<void> {
    const chains = decodeChains(await this.#options.query(nft.listChains(), FAILURE));
    const opened: Family[] = [];
    for (const filter of findFilters(chains, this.#chain)) {
      const isOpen = filter.isDockersDrop && links.length > 0;
      if (isOpen || filter.hasChain) await this.#put(filter, isOpen ? links : []);
      if (isOpen) opened.push(filter.at.family);
    }
    this.#opened = opened;
  }

  async #put({ at }: FoundFilter, links: readonly string[]): Promise<void> {
    const { query, change, log } = this.#options;
    const chain = this.#chain;
    const rules = decodeRules(await query(nft.listRules(at), FAILURE), isLookedAt);
    const messages =
      links.length > 0
        ? planPassage({ at, chain, links, isThere: isLinkThere }, rules)
        : planNoPassage({ at, chain }, rules);
    if (messages.length === 0) return;
    await change(messages, 'Cannot write the rules beside Docker');
    const what = { chain, family: at.family, links };
    if (links.length > 0) log.info("networks pass Docker's firewall by a chain of iptables", what);
    else log.info("the chain by which networks passed Docker's firewall is gone", what);
  }
}
