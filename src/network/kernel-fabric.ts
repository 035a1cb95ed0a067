/**
 * Networks by rtnetlink and nftables messages in plans: the host's half of
 * every network of one engine.
 *
 * **Invariants**
 * - Only links that this engine's networks name, and only this engine's own
 *   nftables tables, are written; beside Docker a chain of iptables too (passage/).
 * - Whoever is under a policy is held to it before it has a link.
 */

import { EngineError, isEngineError, messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';
import { Mutex } from '../base/mutex.ts';
import type { Chisel } from '../kernel/chisel.ts';
import type { Message } from '../kernel/netlink/message.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { isKernelFailure } from '../kernel/plan/report.ts';
import { PROC_SLOT } from '../kernel/plan/slots.ts';
import type { Network } from '../spec/cidr.ts';
import { ConnectHook } from './connect-hook.ts';
import type { EgressGuard } from './egress/guard.ts';
import { type Endpoint, type EndpointPort, isDirect } from './endpoint.ts';
import type {
  EndpointChange,
  EndpointOps,
  LostHandler,
  NamespaceOwner,
  NetworkFabric,
  NetworkedEndpoint,
} from './fabric.ts';
import { guardedBridge } from './guarded-bridge.ts';
import { HostLinks } from './host-links.ts';
import { KernelFirewall } from './kernel-firewall.ts';
import { LiveLinks } from './live-links.ts';
import { LostEnds } from './lost-ends.ts';
import { BEFORE_CLONE, planInside, type PlannedEndpoint } from './plan/endpoint.ts';
import { PassageKeeper } from './passage/keeper.ts';
import { isLed } from './plan/connect.ts';
import { firewall, SLOT } from './plan/ops.ts';
import { reservePort } from './plan/reserve.ts';
import { planResolver } from './plan/resolver.ts';
import { readLinks, readRoutes } from './read-routes.ts';
import { Seats } from './seats.ts';
import { findWarnings } from './strangers.ts';
import { linkSettingsOf } from './settings.ts';
import { hasFlows, StaleFlows } from './stale-flows.ts';
import type { NetworkRecord } from './store.ts';

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
  readonly #lock = new Mutex();
  readonly #links: HostLinks;
  readonly #live: LiveLinks;
  /** While somebody is on a bridge the firewall and the links are looked after. */
  readonly #seats = new Seats();
  #hasWarned = false;
  readonly #firewall: KernelFirewall;
  readonly egress: EgressGuard;
  readonly #flows: StaleFlows;
  readonly #passage: PassageKeeper;
  readonly #hook: ConnectHook;
  readonly #lost = new LostEnds();

  constructor(options: KernelFabricOptions) {
    const { chisel, runDir, engineId, log, leavesIptables = false, cgroup } = options;
    this.#chisel = chisel;
    this.#runDir = runDir;
    this.#log = log;
    const apply = async (plan: readonly PlanOp[], failure: string): Promise<Uint8Array> =>
      this.#apply(plan, failure);
    const group = Number.parseInt(engineId.slice(0, 7), 16) + 1;
    this.#links = new HostLinks({ apply, log, group });
    this.#live = new LiveLinks({ apply, log, planned: (each) => this.#links.planned(each) });
    this.#firewall = new KernelFirewall({
      engineId,
      log,
      apply,
      openKeeper: (name) => chisel.openKeeper(name),
      lock: this.#lock,
      bridges: () => this.#links.networks().flatMap((network) => guardedBridge(network) ?? []),
      ports: () => this.#seats.ports(),
      beside: async () => {
        await this.#links.repair(async (network) => this.ensure(network));
        await this.#lock.run(async () => this.#passage.look());
        this.#lost.look(this.#seats.entries(), readLinks());
      },
    });
    this.egress = this.#firewall.egress;
    this.#passage = new PassageKeeper({
      engineId,
      log,
      links: () => (leavesIptables ? [] : this.#bridgeLinks()),
      change: async (messages, failure) => apply(firewall(messages), failure),
      query: async (message, failure) => this.#firewall.query(message, failure),
    });
    this.#hook = new ConnectHook({
      log,
      cgroup,
      openKeeper: () => chisel.openKeeper(),
    });
    this.#flows = new StaleFlows({
      log,
      query: async (message, failure) => this.#firewall.ask(message, failure),
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
      await this.#firewall.sweep(this.#seats.hasBridge()).catch((error: unknown) => {
        const why = { error: messageOf(error) };
        this.#log.warn('cannot look at the firewall that an earlier engine left', why);
      });
      for (const network of networks.filter(hasLink)) {
        try {
          await this.#links.make(network);
        } catch (error) {
          failures.push({ network, error });
        }
      }
      try {
        if (this.#seats.hasBridge()) await this.#firewall.rebuild();
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
      if (bridge !== undefined) await this.#firewall.removeBridge(bridge, failure);
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
    const query = async (message: Message): Promise<Uint8Array> =>
      this.#firewall.query(message, failure);
    return findWarnings(links, { opened: this.#passage.opened, query });
  }

  firewall(): readonly (readonly [name: string, value: string])[] {
    return [...this.#firewall.describe(), ...this.#passage.describe()];
  }

  async planStart(
    containerId: string,
    endpoints: readonly NetworkedEndpoint[],
  ): Promise<EndpointOps> {
    this.#keep(containerId, endpoints);
    this.egress.begin(containerId, endpoints);
    await this.#firewall.hold(containerId, portsOf(endpoints));
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

  onLost(handler: LostHandler): void {
    this.#lost.tell(handler);
  }

  async relink(containerId: string, owner: NamespaceOwner): Promise<readonly string[]> {
    return this.#live.relink(owner, this.#seats.of(containerId), readLinks());
  }

  async join(containerId: string, owner: NamespaceOwner, added: NetworkedEndpoint): Promise<void> {
    const failure = `Cannot connect the container to network ${added.network.name}`;
    await this.#firewall.keep();
    await this.egress.join(containerId, added);
    try {
      await this.#live.put(owner, added, failure);
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
    await this.#live.take(owner, gone, failure);
    await this.egress.leave(containerId, gone.id);
    this.#seats.remove(containerId, gone.id);
    await this.#live.route(owner, rest, failure);
    if (!this.#seats.hasBridge()) this.#firewall.unwatch();
    await this.#firewall.letGo(gone.ports);
    await this.#apply(this.#firewall.unpublish(gone.ports), failure);
    await this.#flows.afterUnpublish(gone.ports);
  }

  async cut(endpoints: readonly Endpoint[], owner: NamespaceOwner | undefined): Promise<void> {
    await this.#live.cut(endpoints, owner);
  }

  async mend(error: unknown): Promise<boolean> {
    const cause = isEngineError(error) ? error.cause : undefined;
    if (!isKernelFailure(cause) || cause.op?.op !== 'netlink' || cause.errno !== 'ENOENT')
      return false;
    await this.#firewall.mend();
    return true;
  }

  async started(containerId: string): Promise<void> {
    const ports = this.#seats.portsOf(containerId);
    // Until it is there they are reached all the same.
    void this.#hook.lead(ports);
    await this.#flows.afterPublish(ports);
  }

  holds(containerId: string): boolean {
    const ports = this.#seats.portsOf(containerId);
    const isPublished = this.#firewall.wasRemade(ports) || hasFlows(ports) || ports.some(isLed);
    return isPublished || this.#firewall.holds(containerId, ports);
  }

  async release(containerId: string, isUntidy: boolean): Promise<void> {
    const gone = this.#seats.of(containerId);
    const ports = this.#seats.portsOf(containerId);
    this.#seats.set(containerId, []);
    if (!this.#seats.hasBridge()) this.#firewall.unwatch();
    const isThere = isUntidy || this.#firewall.wasRemade(ports);
    await eachOf([
      async () => this.#hook.leadNoMore(ports),
      async () => this.egress.release(containerId),
      async () => this.#firewall.letGo(ports),
      async () => (isThere ? this.#unpublish(gone) : undefined),
      async () => this.#flows.afterUnpublish(ports),
    ]);
  }

  /** The table may just be made again with them. */
  async #unpublish(gone: readonly NetworkedEndpoint[]): Promise<void> {
    await this.#lock.run(async () => {
      for (const { endpoint } of gone) {
        const plan = this.#firewall.unpublish(endpoint.ports);
        await this.#apply(plan, 'Cannot take back published ports');
      }
    });
  }

  async close(networks: readonly NetworkRecord[]): Promise<void> {
    this.#firewall.unwatch();
    await this.#hook.close();
    const isUsed = this.#seats.hasBridge();
    try {
      if (!isUsed) await this.#removeAll(networks);
    } finally {
      await this.#firewall.close(isUsed);
    }
  }

  async #removeAll(networks: readonly NetworkRecord[]): Promise<void> {
    await this.#lock.run(async () => {
      this.#links.forget(this.#links.networks());
      await this.#passage.look();
      await this.#firewall.remove();
      for (const network of networks.filter(hasLink)) await this.#links.delete(network);
    });
  }

  #opsOf(containerId: string, planned: readonly PlannedEndpoint[]): EndpointOps {
    const ports = portsOf(planned);
    return {
      before: [
        ...ports.filter((port) => !isDirect(port)).map(reservePort),
        ...this.#firewall.publish(ports),
        ...BEFORE_CLONE,
      ],
      inside: [
        ...planInside(planned, PROC_SLOT),
        ...planResolver({ slot: SLOT.firewall, directory: this.#runDir, containerId }),
      ],
      after: planned.flatMap(({ endpoint }) => this.#firewall.unpublish(endpoint.ports)),
    };
  }

  #keep(containerId: string, endpoints: readonly NetworkedEndpoint[]): void {
    this.#seats.set(containerId, endpoints);
    this.#watch();
  }

  #watch(): void {
    if (this.#seats.hasBridge()) this.#firewall.watch();
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

  /** The network's part of the firewall. Precondition: the lock is held, the network is among the ready. */
  async #guard(network: NetworkRecord): Promise<void> {
    const bridge = guardedBridge(network);
    if (bridge === undefined) return;
    await this.#firewall.addBridge(bridge, `Cannot protect network ${network.name}`);
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

/** One after the other, whichever fails: what one does not take away is no reason for the others. Errors: the first. */
async function eachOf(steps: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

function isBridge({ driver }: NetworkRecord): boolean {
  return driver === 'bridge';
}

function hasLink({ driver }: NetworkRecord): boolean {
  return driver !== 'host' && driver !== 'null';
}

function portsOf(endpoints: readonly NetworkedEndpoint[]): readonly EndpointPort[] {
  return endpoints.flatMap(({ endpoint }) => endpoint.ports);
}
