/**
 * Networks by rtnetlink and nftables messages in plans: the host's half of
 * every network of one engine.
 *
 * **Invariants**
 * - Only links that this engine's networks name, and only this engine's own
 *   nftables table, are written.
 * - The table is what {@link KernelFabric.#wholeTable} says: it can be made anew
 *   at any moment, in one transaction, without a packet seeing half of it.
 */

import { randomInt } from 'node:crypto';
import { EngineError, isEngineError, messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';
import { Mutex } from '../base/mutex.ts';
import type { Chisel } from '../kernel/chisel.ts';
import type { Message } from '../kernel/netlink/message.ts';
import { encodeMessage } from '../kernel/netlink/message.ts';
import { decodeChains } from '../kernel/nft/chains.ts';
import * as nft from '../kernel/nft/message.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { PROC_SLOT } from '../kernel/plan/slots.ts';
import type { Network } from '../spec/cidr.ts';
import { EgressGuard } from './egress/guard.ts';
import type {
  EndpointChange,
  EndpointOps,
  NamespaceOwner,
  NetworkFabric,
  NetworkedEndpoint,
} from './fabric.ts';
import * as rules from './firewall.ts';
import { GuardTable } from './guard-table.ts';
import { guardedBridge } from './guarded-bridge.ts';
import { ensureHostLink } from './host-link.ts';
import {
  decodeLink,
  planAskLink,
  planDeleteLink,
  planFindLink,
  planForwarding,
  planSetLink,
} from './plan/bridge.ts';
import {
  BEFORE_CLONE,
  planDefaultRoutes,
  planInside,
  planJoin,
  planLeave,
  planRejoin,
  type PlannedEndpoint,
} from './plan/endpoint.ts';
import { firewall, SLOT } from './plan/ops.ts';
import { reservePort } from './plan/reserve.ts';
import { planResolver } from './plan/resolver.ts';
import { isForwarding, isLinkThere, readRoutes } from './read-routes.ts';
import { Seats } from './seats.ts';
import { strangersWarnings } from './strangers.ts';
import { linkSettingsOf } from './settings.ts';
import { StaleFlows } from './stale-flows.ts';
import type { NetworkRecord } from './store.ts';

const ENOENT = 2;
/** Bytes of all rules of the table, or of all elements of a set, as the kernel tells them. */
const ANSWER_MAX = 4_194_304;

/** What it works with. */
export interface KernelFabricOptions {
  readonly chisel: Chisel;
  /** The engine's run directory, where containers ask for names. */
  readonly runDir: string;
  /** 32 hex digits; part of the table's name. */
  readonly engineId: string;
  readonly log: Log;
}

/** A network whose link is there. */
interface ReadyNetwork {
  readonly network: NetworkRecord;
  readonly linkIndex: number;
  /** This engine made the link. */
  readonly isOwnLink: boolean;
}

/** See the module. */
export class KernelFabric implements NetworkFabric {
  readonly #chisel: Chisel;
  readonly #runDir: string;
  readonly #log: Log;
  readonly #at: nft.TableName;
  readonly #lock = new Mutex();
  readonly #ready = new Map<string, ReadyNetwork>();
  /** While somebody is on a bridge the table and the links are looked after. */
  readonly #seats = new Seats();
  /** Networks whose link is gone and could not be made again. */
  readonly #lost = new Set<string>();
  #hasWarned = false;
  /** Marks this engine's links. */
  readonly #group: number;
  readonly egress: EgressGuard;
  readonly #table: GuardTable;
  readonly #flows: StaleFlows;
  #nextIndex = randomInt(0x0100_0000, 0x3fff_ffff);

  constructor({ chisel, runDir, engineId, log }: KernelFabricOptions) {
    this.#chisel = chisel;
    this.#runDir = runDir;
    this.#log = log;
    this.#group = Number.parseInt(engineId.slice(0, 7), 16) + 1;
    this.#at = { family: 'inet', table: `carve-${engineId.slice(0, 12)}` };
    const kernel = {
      at: this.#at,
      log,
      change: async (messages: readonly Message[], failure: string) =>
        void (await this.#apply(firewall(messages), failure)),
      undo: async (messages: readonly Message[], failure: string) =>
        void (await this.#apply(firewall(messages, ENOENT), failure)),
      query: async (message: Message, failure: string) => this.#query(message, failure),
    };
    this.egress = new EgressGuard({ ...kernel, nowMs: Date.now });
    this.#table = new GuardTable({
      ...kernel,
      lock: this.#lock,
      whole: () => this.#wholeTable(),
      half: () => this.egress.expected(),
      beside: async () => this.#repairLinks(),
    });
    this.#flows = new StaleFlows({
      log,
      query: async (message, failure) => this.#ask(message, failure),
      apply: async (plan, failure) => this.#apply(plan, failure),
      subnets: () =>
        [...this.#ready.values()].flatMap(({ network }) =>
          network.subnets.map(({ subnet }) => subnet),
        ),
    });
  }

  async ensure(network: NetworkRecord): Promise<void> {
    if (!hasLink(network) || this.#isReady(network)) return;
    await this.#lock.run(async () => {
      if (this.#isReady(network)) return;
      const wasReady = this.#ready.has(network.id);
      this.#ready.set(network.id, await this.#makeLink(network));
      if (wasReady) {
        await this.#rejoin(network);
        return;
      }
      try {
        await this.#guard(network);
      } catch (error) {
        this.#ready.delete(network.id);
        throw error;
      }
      await this.#warn();
    });
  }

  async restore(networks: readonly NetworkRecord[]): ReturnType<NetworkFabric['restore']> {
    const failures: { readonly network: NetworkRecord; readonly error: unknown }[] = [];
    await this.#lock.run(async () => {
      for (const network of networks.filter(hasLink)) {
        try {
          this.#ready.set(network.id, await this.#makeLink(network));
        } catch (error) {
          failures.push({ network, error });
        }
      }
      if (!this.#seats.hasBridge()) return;
      try {
        await this.#rebuild();
      } catch (error) {
        // Whoever needs one of them next tries again.
        this.#ready.clear();
        failures.push(...networks.map((network) => ({ network, error })));
      }
    });
    return failures;
  }

  async remove(network: NetworkRecord): Promise<void> {
    if (!hasLink(network)) return;
    await this.#lock.run(async () => {
      const failure = `Cannot remove network ${network.name}`;
      const bridge = guardedBridge(network);
      if (bridge !== undefined && this.#table.isThere) {
        const gone = firewall(rules.planBridgeRemoval(this.#at, bridge), ENOENT);
        await this.#apply(gone, failure);
      }
      this.#ready.delete(network.id);
      await this.#deleteLink(network);
    });
  }

  routes(): readonly Network[] {
    return readRoutes();
  }

  async warnings(): Promise<readonly string[]> {
    const networks = [...this.#ready.values()].map(({ network }) => network);
    const links = networks.filter(isBridge).map((network) => linkSettingsOf(network).link);
    if (links.length === 0) return [];
    const answer = await this.#query(nft.listChains(), 'Cannot look at the firewalls of the host');
    return strangersWarnings(decodeChains(answer), links);
  }

  planStart(containerId: string, endpoints: readonly NetworkedEndpoint[]): EndpointOps {
    this.#keep(containerId, endpoints);
    this.egress.begin(containerId, endpoints);
    return this.#opsOf(
      containerId,
      endpoints.map((each) => this.#planned(each)),
    );
  }

  explainStart(containerId: string, endpoints: readonly NetworkedEndpoint[]): EndpointOps {
    const planned = endpoints.map((each) => {
      const { linkIndex = 0, isOwnLink = true } = this.#ready.get(each.network.id) ?? {};
      return { ...each, linkIndex, isOwnLink, hostIndex: 0 };
    });
    return this.#opsOf(containerId, planned);
  }

  adopt(containerId: string, endpoints: readonly NetworkedEndpoint[]): void {
    this.#keep(containerId, endpoints);
    this.egress.adopt(containerId, endpoints);
  }

  async join(containerId: string, owner: NamespaceOwner, added: NetworkedEndpoint): Promise<void> {
    const failure = `Cannot connect the container to network ${added.network.name}`;
    await this.egress.join(containerId, added);
    try {
      await this.#apply(planJoin(owner, [this.#planned(added)]), failure);
    } catch (error) {
      await this.egress.leave(containerId, added.endpoint.id);
      throw error;
    }
    this.#seats.add(containerId, added);
    this.#watch();
  }

  async leave(
    containerId: string,
    owner: NamespaceOwner,
    { gone, rest }: EndpointChange,
  ): Promise<void> {
    const failure = `Cannot disconnect the container from network ${gone.networkName}`;
    await this.#apply(planLeave(owner, gone), failure);
    await this.egress.leave(containerId, gone.id);
    this.#seats.remove(containerId, gone.id);
    await this.#apply(planDefaultRoutes(owner, rest), failure);
    if (!this.#seats.hasBridge()) this.#table.unwatch();
    await this.#apply(this.#unpublish(gone.ports), failure);
    await this.#flows.afterUnpublish(gone.ports);
  }

  async started(containerId: string): Promise<void> {
    await this.#flows.afterPublish(
      this.#seats.of(containerId).flatMap(({ endpoint }) => endpoint.ports),
    );
  }

  async release(containerId: string, isUntidy: boolean): Promise<void> {
    const gone = this.#seats.of(containerId);
    this.#seats.set(containerId, []);
    if (!this.#seats.hasBridge()) this.#table.unwatch();
    await this.egress.release(containerId, isUntidy);
    for (const { endpoint } of isUntidy ? gone : [])
      await this.#apply(this.#unpublish(endpoint.ports), 'Cannot take back published ports');
    await this.#flows.afterUnpublish(gone.flatMap(({ endpoint }) => endpoint.ports));
  }

  async close(networks: readonly NetworkRecord[]): Promise<void> {
    this.#table.unwatch();
    if (this.#seats.hasBridge()) return;
    await this.#lock.run(async () => {
      this.#ready.clear();
      await this.#table.remove();
      await this.#removeHalf();
      for (const network of networks.filter(hasLink)) await this.#deleteLink(network);
    });
  }

  #opsOf(containerId: string, planned: readonly PlannedEndpoint[]): EndpointOps {
    const ports = planned.flatMap(({ endpoint }) => endpoint.ports);
    return {
      before: [
        ...ports.map(reservePort),
        ...firewall([...this.egress.planStart(planned), ...rules.planPorts(this.#at, ports)]),
        ...BEFORE_CLONE,
      ],
      inside: [
        ...planInside(planned, PROC_SLOT),
        ...planResolver({ slot: SLOT.firewall, directory: this.#runDir, containerId }),
      ],
      after: [
        ...planned.flatMap(({ endpoint }) => this.#unpublish(endpoint.ports)),
        ...this.egress.planEnd(planned).flatMap((messages) => firewall(messages, ENOENT)),
      ],
    };
  }

  #keep(containerId: string, endpoints: readonly NetworkedEndpoint[]): void {
    this.#seats.set(containerId, endpoints);
    this.#watch();
  }

  #watch(): void {
    if (this.#seats.hasBridge()) this.#table.watch();
  }

  /** Its link was made and is there: somebody else may have deleted it. */
  #isReady(network: NetworkRecord): boolean {
    return this.#ready.has(network.id) && isLinkThere(linkSettingsOf(network).link);
  }

  /** Once for all networks. */
  async #warn(): Promise<void> {
    if (this.#hasWarned) return;
    const sentences = await this.warnings().catch(() => []);
    this.#hasWarned = sentences.length > 0;
    for (const sentence of sentences) this.#log.warn(sentence);
  }

  /** Make links again that somebody deleted; one that cannot be made is told of once, and tried again. */
  async #repairLinks(): Promise<void> {
    for (const { network } of this.#ready.values()) {
      if (network.driver !== 'bridge' || this.#isReady(network)) continue;
      const what = { network: network.name };
      try {
        await this.ensure(network);
        this.#lost.delete(network.id);
        this.#log.warn('the link of a network was deleted from outside; made again', what);
      } catch (error) {
        if (this.#lost.has(network.id)) continue;
        this.#lost.add(network.id);
        const why = { ...what, error: messageOf(error) };
        this.#log.warn('the link of a network was deleted from outside and cannot be made', why);
      }
    }
  }

  /** Containers of a network whose link was made again are on it. Precondition: the lock is held. */
  async #rejoin(network: NetworkRecord): Promise<void> {
    const failure = `Cannot put the containers of network ${network.name} on its link`;
    const seats = this.#seats.all().filter((each) => each.network.id === network.id);
    for (const each of seats.filter(() => network.driver === 'bridge')) {
      const found = decodeLink(await this.#apply(planAskLink(each.endpoint.hostLink), failure));
      if (found === undefined) continue;
      const planned = { ...this.#planned(each), hostIndex: found.index };
      await this.#apply(planRejoin(planned), failure);
    }
  }

  /** All of one endpoint: one that is gone already takes the others with it. */
  #unpublish(ports: readonly rules.PublishedPort[]): readonly PlanOp[] {
    return firewall(rules.planPortRemoval(this.#at, ports), ENOENT);
  }

  #planned(each: NetworkedEndpoint): PlannedEndpoint {
    const { network } = each;
    const ready = this.#ready.get(network.id);
    if (ready === undefined)
      throw new EngineError('internal', `Network ${network.name} was not made ready`);
    this.#nextIndex = this.#nextIndex === 0x3fff_ffff ? 0x0100_0000 : this.#nextIndex + 1;
    const { linkIndex, isOwnLink } = ready;
    return { ...each, linkIndex, isOwnLink, hostIndex: this.#nextIndex };
  }

  async #makeLink(network: NetworkRecord): Promise<ReadyNetwork> {
    const failure = `Cannot make network ${network.name}`;
    const apply = async (plan: readonly PlanOp[]): Promise<Uint8Array> =>
      this.#apply(plan, failure);
    const found = await ensureHostLink({ apply, group: this.#group }, network);
    const forwarding = network.driver === 'bridge' ? planForwarding(network.hasIpv6) : [];
    if (forwarding.length > 0 && !isForwarding()) {
      this.#log.warn('the host passes packets between its links from now on, for its containers');
    }
    try {
      await this.#apply([...planSetLink(network, found.index), ...forwarding], failure);
    } catch (error) {
      await this.#deleteLink(network).catch(() => undefined);
      throw error;
    }
    return { network, linkIndex: found.index, isOwnLink: found.group === this.#group };
  }

  /** Only a link that this engine made: a bridge that the user named may be the user's own. */
  async #deleteLink(network: NetworkRecord): Promise<void> {
    const { link } = linkSettingsOf(network);
    // Two networks may have one parent.
    const isShared = ({ network: other }: ReadyNetwork): boolean =>
      other.id !== network.id && linkSettingsOf(other).link === link;
    if ([...this.#ready.values()].some(isShared)) return;
    const failure = `Cannot remove the link of network ${network.name}`;
    const found = decodeLink(await this.#apply(planFindLink(network), failure));
    if (found?.group === this.#group) await this.#apply(planDeleteLink(found.index), failure);
  }

  /** The network's part of the firewall. Precondition: the lock is held, the network is among the ready. */
  async #guard(network: NetworkRecord): Promise<void> {
    const bridge = guardedBridge(network);
    if (bridge === undefined) return;
    if (!this.#table.isThere) {
      await this.#rebuild();
      return;
    }
    const messages = rules.planBridge(this.#at, bridge);
    await this.#apply(firewall(messages), `Cannot protect network ${network.name}`);
  }

  async #rebuild(): Promise<void> {
    if (!this.#table.isThere) await this.egress.load();
    await this.#table.rebuild();
    if (this.egress.expected().ruleCount === 0) await this.#removeHalf();
  }

  /** The bridge's half of the table, of which nobody is sure that it is there. */
  async #removeHalf(): Promise<void> {
    const gone = firewall([nft.deleteTable(this.egress.expected().at)], ENOENT);
    await this.#apply(gone, 'Cannot remove the firewall of bridges');
  }

  #wholeTable(): readonly Message[] {
    const bridges = [...this.#ready.values()].flatMap(({ network }) => {
      const bridge = guardedBridge(network);
      return bridge === undefined ? [] : [bridge];
    });
    return [
      ...rules.planTable(this.#at),
      ...bridges.flatMap((bridge) => rules.planBridge(this.#at, bridge)),
      ...this.#seats.all().flatMap(({ endpoint }) => rules.planPorts(this.#at, endpoint.ports)),
      ...this.egress.planAll(),
    ];
  }

  async #query(message: Message, failure: string): Promise<Uint8Array> {
    return (await this.#ask(message, failure)).subarray(8);
  }

  /** `u32 errno, u32 length`, and what answers. */
  async #ask(message: Message, failure: string): Promise<Uint8Array> {
    const query: PlanOp = {
      op: 'netlink-query',
      slot: 0,
      message: encodeMessage(message, 1),
      maxBytes: ANSWER_MAX,
    };
    const open: PlanOp = { op: 'netlink-open', slot: 0, protocol: nft.NETLINK_NETFILTER };
    return this.#apply([open, query], failure);
  }

  async #apply(plan: readonly PlanOp[], failure: string): Promise<Uint8Array> {
    if (plan.length === 0) return new Uint8Array();
    try {
      return await this.#chisel.apply(plan, { failure });
    } catch (error) {
      throw isEngineError(error) ? error : new EngineError('internal', messageOf(error));
    }
  }
}

function isBridge({ driver }: NetworkRecord): boolean {
  return driver === 'bridge';
}

function hasLink({ driver }: NetworkRecord): boolean {
  return driver !== 'host' && driver !== 'null';
}
