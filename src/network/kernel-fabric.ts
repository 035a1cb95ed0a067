/**
 * Networks by rtnetlink and nftables messages in plans: the host's half of
 * every network of one engine.
 *
 * **Invariants**
 * - Only links that this engine's networks name, and only this engine's own
 *   nftables table, are written; beside Docker a chain of iptables too (passage/).
 * - The table is what {@link KernelFabric.#wholeTable} says: it can be made anew
 *   at any moment, in one transaction, without a packet seeing half of it.
 */

import { EngineError, isEngineError, messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';
import { Mutex } from '../base/mutex.ts';
import type { Chisel } from '../kernel/chisel.ts';
import type { Message } from '../kernel/netlink/message.ts';
import { encodeMessage } from '../kernel/netlink/message.ts';
import * as nft from '../kernel/nft/message.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { PROC_SLOT } from '../kernel/plan/slots.ts';
import type { Network } from '../spec/cidr.ts';
import { ConnectHook } from './connect-hook.ts';
import { EgressGuard } from './egress/guard.ts';
import { type EndpointPort, isDirect } from './endpoint.ts';
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
import { HostLinks } from './host-links.ts';
import {
  BEFORE_CLONE,
  planDefaultRoutes,
  planInside,
  planJoin,
  planLeave,
  type PlannedEndpoint,
} from './plan/endpoint.ts';
import { PassageKeeper } from './passage/keeper.ts';
import { firewall, SLOT } from './plan/ops.ts';
import { reservePort } from './plan/reserve.ts';
import { planResolver } from './plan/resolver.ts';
import { planOpen, planOpenRemoval } from './gateway-mode.ts';
import { planPortRemoval, planPorts } from './publish.ts';
import { readRoutes } from './read-routes.ts';
import { Seats } from './seats.ts';
import { findWarnings } from './strangers.ts';
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
  /** Tables of iptables are not written, whatever Docker made them do. */
  readonly leavesIptables?: boolean;
  /** Where cgroup v2 is mounted; absent: nowhere. */
  readonly cgroup?: string | undefined;
}

/** See the module. */
export class KernelFabric implements NetworkFabric {
  readonly #chisel: Chisel;
  readonly #runDir: string;
  readonly #log: Log;
  readonly #at: nft.TableName;
  readonly #lock = new Mutex();
  readonly #links: HostLinks;
  /** While somebody is on a bridge the table and the links are looked after. */
  readonly #seats = new Seats();
  #hasWarned = false;
  readonly egress: EgressGuard;
  readonly #table: GuardTable;
  readonly #flows: StaleFlows;
  readonly #passage: PassageKeeper;
  readonly #hook: ConnectHook;

  constructor(options: KernelFabricOptions) {
    const { chisel, runDir, engineId, log, leavesIptables = false, cgroup } = options;
    this.#chisel = chisel;
    this.#runDir = runDir;
    this.#log = log;
    const apply = async (plan: readonly PlanOp[], failure: string): Promise<Uint8Array> =>
      this.#apply(plan, failure);
    const group = Number.parseInt(engineId.slice(0, 7), 16) + 1;
    this.#links = new HostLinks({ apply, log, group });
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
      beside: async () => {
        await this.#links.repair(async (network) => this.ensure(network));
        await this.#lock.run(async () => this.#passage.look());
      },
    });
    const passing = (): readonly string[] => (leavesIptables ? [] : this.#bridgeLinks());
    this.#passage = new PassageKeeper({ ...kernel, engineId, links: passing });
    this.#hook = new ConnectHook({
      log,
      cgroup,
      openKeeper: () => chisel.openKeeper(),
      published: () => this.#seats.ports(),
    });
    this.#flows = new StaleFlows({
      log,
      query: async (message, failure) => this.#ask(message, failure),
      apply,
      subnets: () =>
        this.#links.networks().flatMap(({ subnets }) => subnets.map(({ subnet }) => subnet)),
    });
  }

  async ensure(network: NetworkRecord): Promise<void> {
    if (!hasLink(network) || this.#links.isReady(network)) return;
    await this.#lock.run(async () => {
      if (this.#links.isReady(network)) return;
      const wasMade = this.#links.wasMade(network);
      await this.#links.make(network);
      if (wasMade) {
        await this.#links.rejoin(network, this.#seats.all());
        return;
      }
      try {
        await this.#guard(network);
      } catch (error) {
        this.#links.forget([network]);
        throw error;
      }
      await this.#passage.look();
      await this.#warn();
    });
  }

  async restore(networks: readonly NetworkRecord[]): ReturnType<NetworkFabric['restore']> {
    const failures: { readonly network: NetworkRecord; readonly error: unknown }[] = [];
    await this.#lock.run(async () => {
      for (const network of networks.filter(hasLink)) {
        try {
          await this.#links.make(network);
        } catch (error) {
          failures.push({ network, error });
        }
      }
      try {
        if (this.#seats.hasBridge()) await this.#rebuild();
      } catch (error) {
        // Whoever needs one of them next tries again.
        this.#links.forget(networks);
        failures.push(...networks.map((network) => ({ network, error })));
      }
      await this.#passage.look();
    });
    return failures;
  }

  async sweep(known: readonly NetworkRecord[]): Promise<void> {
    const links = await this.#lock.run(async () => this.#links.sweep(known.filter(hasLink)));
    if (links.length > 0)
      this.#log.info('removed links of an earlier engine', { count: links.length, links });
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
      this.#links.forget([network]);
      await this.#passage.look();
      await this.#links.delete(network);
    });
  }

  routes(): readonly Network[] {
    return readRoutes();
  }

  async warnings(): Promise<readonly string[]> {
    const links = this.#bridgeLinks();
    if (links.length === 0) return [];
    const failure = 'Cannot look at the firewalls of the host';
    const query = async (message: Message): Promise<Uint8Array> => this.#query(message, failure);
    return findWarnings(links, { opened: this.#passage.opened, query });
  }

  firewall(): readonly (readonly [name: string, value: string])[] {
    return [['table', `inet ${this.#at.table}`], ...this.#passage.describe()];
  }

  planStart(containerId: string, endpoints: readonly NetworkedEndpoint[]): EndpointOps {
    this.#keep(containerId, endpoints);
    this.egress.begin(containerId, endpoints);
    return this.#opsOf(
      containerId,
      endpoints.map((each) => this.#links.planned(each)),
    );
  }

  explainStart(containerId: string, endpoints: readonly NetworkedEndpoint[]): EndpointOps {
    return this.#opsOf(
      containerId,
      endpoints.map((each) => this.#links.explained(each)),
    );
  }

  adopt(containerId: string, endpoints: readonly NetworkedEndpoint[]): void {
    this.#keep(containerId, endpoints);
    this.egress.adopt(containerId, endpoints);
    void this.#hook.lead(endpoints.flatMap(({ endpoint }) => endpoint.ports));
  }

  async join(containerId: string, owner: NamespaceOwner, added: NetworkedEndpoint): Promise<void> {
    const failure = `Cannot connect the container to network ${added.network.name}`;
    await this.egress.join(containerId, added);
    try {
      await this.#apply(planJoin(owner, [this.#links.planned(added)]), failure);
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
    await this.#hook.leadNoMore(gone.ports);
    await this.#apply(planLeave(owner, gone), failure);
    await this.egress.leave(containerId, gone.id);
    this.#seats.remove(containerId, gone.id);
    await this.#apply(planDefaultRoutes(owner, rest), failure);
    if (!this.#seats.hasBridge()) this.#table.unwatch();
    await this.#apply(this.#unpublish(gone.ports), failure);
    await this.#flows.afterUnpublish(gone.ports);
  }

  async started(containerId: string): Promise<void> {
    const ports = this.#seats.portsOf(containerId);
    // Until it is there they are reached all the same.
    void this.#hook.lead(ports);
    await this.#flows.afterPublish(ports);
  }

  async release(containerId: string, isUntidy: boolean): Promise<void> {
    const gone = this.#seats.of(containerId);
    const ports = this.#seats.portsOf(containerId);
    this.#seats.set(containerId, []);
    if (!this.#seats.hasBridge()) this.#table.unwatch();
    await this.#hook.leadNoMore(ports);
    await this.egress.release(containerId, isUntidy);
    for (const { endpoint } of isUntidy ? gone : [])
      await this.#apply(this.#unpublish(endpoint.ports), 'Cannot take back published ports');
    await this.#flows.afterUnpublish(ports);
  }

  async close(networks: readonly NetworkRecord[]): Promise<void> {
    this.#table.unwatch();
    await this.#hook.close();
    if (this.#seats.hasBridge()) return;
    await this.#lock.run(async () => {
      this.#links.forget(this.#links.networks());
      await this.#passage.look();
      await this.#table.remove();
      await this.#removeHalf();
      for (const network of networks.filter(hasLink)) await this.#links.delete(network);
    });
  }

  #opsOf(containerId: string, planned: readonly PlannedEndpoint[]): EndpointOps {
    const ports = planned.flatMap(({ endpoint }) => endpoint.ports);
    return {
      before: [
        ...ports.filter((port) => !isDirect(port)).map(reservePort),
        ...firewall([...this.egress.planStart(planned), ...this.#planPublish(ports)]),
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

  #bridgeLinks(): readonly string[] {
    const networks = this.#links.networks().filter(isBridge);
    return networks.map((network) => linkSettingsOf(network).link);
  }

  /** Once for all networks. */
  async #warn(): Promise<void> {
    if (this.#hasWarned) return;
    const sentences = await this.warnings().catch(() => []);
    this.#hasWarned = sentences.length > 0;
    for (const sentence of sentences) this.#log.warn(sentence);
  }

  /** All of one endpoint: one that is gone already takes the others with it. */
  #unpublish(ports: readonly EndpointPort[]): readonly PlanOp[] {
    const at = this.#at;
    const gone = [
      ...planPortRemoval(at, ports),
      ...rules.planRelayRemoval(at, ports),
      ...planOpenRemoval(at, ports),
    ];
    return firewall(gone, ENOENT);
  }

  #planPublish(ports: readonly EndpointPort[]): readonly Message[] {
    return [
      ...planPorts(this.#at, ports),
      ...rules.planRelays(this.#at, ports),
      ...planOpen(this.#at, ports),
    ];
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
    const bridges = this.#links.networks().flatMap((network) => guardedBridge(network) ?? []);
    return [
      ...rules.planTable(this.#at),
      ...bridges.flatMap((bridge) => rules.planBridge(this.#at, bridge)),
      ...this.#seats.all().flatMap(({ endpoint }) => this.#planPublish(endpoint.ports)),
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
