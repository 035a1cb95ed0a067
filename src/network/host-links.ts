/**
 * The links of the host that networks of one engine are on, and which of them
 * are there now.
 *
 * **Invariant:** only a link that this engine made is deleted: a bridge that
 * the user named may be the user's own.
 */

import { randomInt } from 'node:crypto';
import { EngineError, messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import type { NetworkedEndpoint } from './fabric.ts';
import { ensureHostLink } from './host-link.ts';
import {
  decodeLink,
  decodeLinks,
  planAskLink,
  planDeleteLink,
  planFindLink,
  planForwarding,
  planListLinks,
  planSetLink,
} from './plan/bridge.ts';
import { planRejoin, type PlannedEndpoint } from './plan/endpoint.ts';
import { isForwarding, isLinkThere } from './read-routes.ts';
import { linkSettingsOf } from './settings.ts';
import type { NetworkRecord } from './store.ts';

/** What it works with. */
export interface HostLinksOptions {
  /** Runs a host plan; what it answers. Errors: `EngineError`. */
  readonly apply: (plan: readonly PlanOp[], failure: string) => Promise<Uint8Array>;
  readonly log: Log;
  /** Number of the links that this engine makes. */
  readonly group: number;
}

/** A network whose link is there. */
interface ReadyNetwork {
  readonly network: NetworkRecord;
  readonly linkIndex: number;
  /** This engine made the link. */
  readonly isOwnLink: boolean;
}

/** See the module. */
export class HostLinks {
  readonly #options: HostLinksOptions;
  readonly #ready = new Map<string, ReadyNetwork>();
  /** Networks whose link is gone and could not be made again. */
  readonly #lost = new Set<string>();
  #nextIndex = randomInt(0x0100_0000, 0x3fff_ffff);

  constructor(options: HostLinksOptions) {
    this.#options = options;
  }

  /** Networks whose link was made, also when somebody deleted it since. */
  networks(): readonly NetworkRecord[] {
    return [...this.#ready.values()].map(({ network }) => network);
  }

  /** Its link was made, also when somebody deleted it since. */
  wasMade(network: NetworkRecord): boolean {
    return this.#ready.has(network.id);
  }

  /** Its link was made and is there: somebody else may have deleted it. */
  isReady(network: NetworkRecord): boolean {
    return this.#ready.has(network.id) && isLinkThere(linkSettingsOf(network).link);
  }

  /** Make the link, where it is not there, and set it up. Idempotent. Errors: `conflict`, `invalid`, `not-found`, `unsupported`. */
  async make(network: NetworkRecord): Promise<void> {
    const { apply, group, log } = this.#options;
    const failure = `Cannot make network ${network.name}`;
    const found = await ensureHostLink({ apply, group }, network);
    const forwarding = network.driver === 'bridge' ? planForwarding(network.hasIpv6) : [];
    if (forwarding.length > 0 && !isForwarding()) {
      log.warn('the host passes packets between its links from now on, for its containers');
    }
    try {
      await apply([...planSetLink(network, found.index), ...forwarding], failure);
    } catch (error) {
      await this.delete(network).catch(() => undefined);
      throw error;
    }
    const isOwnLink = found.group === group;
    this.#ready.set(network.id, { network, linkIndex: found.index, isOwnLink });
    this.#lost.delete(network.id);
  }

  /** What is not ready is made when it is needed next. */
  forget(networks: readonly NetworkRecord[]): void {
    for (const { id } of networks) {
      this.#ready.delete(id);
      this.#lost.delete(id);
    }
  }

  /** Idempotent. */
  async delete(network: NetworkRecord): Promise<void> {
    const { apply, group } = this.#options;
    const { link } = linkSettingsOf(network);
    // Two networks may have one parent.
    const isShared = ({ network: other }: ReadyNetwork): boolean =>
      other.id !== network.id && linkSettingsOf(other).link === link;
    if ([...this.#ready.values()].some(isShared)) return;
    const failure = `Cannot remove the link of network ${network.name}`;
    const found = decodeLink(await apply(planFindLink(network), failure));
    if (found?.group === group) await apply(planDeleteLink(found.index), failure);
  }

  /** Delete links that this engine made for networks that are not among `known`; their names. */
  async sweep(known: readonly NetworkRecord[]): Promise<readonly string[]> {
    const { apply, group } = this.#options;
    const failure = 'Cannot remove links of an earlier engine';
    const names = new Set(known.map((network) => linkSettingsOf(network).link));
    const found = decodeLinks(await apply(planListLinks(), failure), group);
    const stray = found.filter(({ name }) => !names.has(name));
    for (const { index } of stray) await apply(planDeleteLink(index), failure);
    return stray.map(({ name }) => name);
  }

  /** Make links again that somebody deleted; one that cannot be made is told of once, and tried again. */
  async repair(ensure: (network: NetworkRecord) => Promise<void>): Promise<void> {
    const { log } = this.#options;
    for (const network of this.networks()) {
      if (network.driver !== 'bridge' || this.isReady(network)) continue;
      const what = { network: network.name };
      try {
        await ensure(network);
        log.warn('the link of a network was deleted from outside; made again', what);
      } catch (error) {
        if (this.#lost.has(network.id)) continue;
        this.#lost.add(network.id);
        const why = { ...what, error: messageOf(error) };
        log.warn('the link of a network was deleted from outside and cannot be made', why);
      }
    }
  }

  /** Put those on the link of a network that was made again. Never throws: who cannot be put there keeps no other off. */
  async rejoin(network: NetworkRecord, seats: readonly NetworkedEndpoint[]): Promise<void> {
    if (network.driver !== 'bridge') return;
    const { apply, log } = this.#options;
    const failure = `Cannot put the containers of network ${network.name} on its link`;
    for (const each of seats.filter((seat) => seat.network.id === network.id)) {
      const { hostLink } = each.endpoint;
      try {
        const found = decodeLink(await apply(planAskLink(hostLink), failure));
        if (found === undefined) continue;
        await apply(planRejoin({ ...this.planned(each), hostIndex: found.index }), failure);
      } catch (error) {
        // One that ends in this moment, say.
        log.warn(failure, { link: hostLink, error: messageOf(error) });
      }
    }
  }

  /** An endpoint on its link. Precondition: the link was made. */
  planned(each: NetworkedEndpoint): PlannedEndpoint {
    const { network } = each;
    const ready = this.#ready.get(network.id);
    if (ready === undefined)
      throw new EngineError('internal', `Network ${network.name} was not made ready`);
    this.#nextIndex = this.#nextIndex === 0x3fff_ffff ? 0x0100_0000 : this.#nextIndex + 1;
    const { linkIndex, isOwnLink } = ready;
    return { ...each, linkIndex, isOwnLink, hostIndex: this.#nextIndex };
  }

  /** The same, to be shown; a link that was not made has no number. */
  explained(each: NetworkedEndpoint): PlannedEndpoint {
    const { linkIndex = 0, isOwnLink = true } = this.#ready.get(each.network.id) ?? {};
    return { ...each, linkIndex, isOwnLink, hostIndex: 0 };
  }
}
