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
import * as nft from '../kernel/nft/message.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { addressBytes, type Network } from '../spec/cidr.ts';
import { EgressGuard } from './egress/guard.ts';
import type { Endpoint } from './endpoint.ts';
import type {
  EndpointChange,
  EndpointOps,
  NamespaceOwner,
  NetworkFabric,
  NetworkedEndpoint,
} from './fabric.ts';
import * as rules from './firewall.ts';
import { GuardTable } from './guard-table.ts';
import {
  decodeLink,
  planDeleteLink,
  planFindLink,
  planForwarding,
  planMakeLink,
  planSetLink,
} from './plan/bridge.ts';
import {
  BEFORE_CLONE,
  planDefaultRoutes,
  planInside,
  planJoin,
  planLeave,
  type PlannedEndpoint,
} from './plan/endpoint.ts';
import { firewall, SLOT } from './plan/ops.ts';
import { planResolver } from './plan/resolver.ts';
import { isForwarding, readRoutes } from './read-routes.ts';
import { linkSettingsOf } from './settings.ts';
import type { NetworkRecord } from './store.ts';
import { REACH, relayReach } from './way.ts';

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
}

/** See the module. */
export class KernelFabric implements NetworkFabric {
  readonly #chisel: Chisel;
  readonly #runDir: string;
  readonly #log: Log;
  readonly #at: nft.TableName;
  readonly #lock = new Mutex();
  readonly #ready = new Map<string, ReadyNetwork>();
  /** By container, the ports of each of its endpoints. */
  readonly #ports = new Map<string, readonly (readonly rules.PublishedPort[])[]>();
  /** Containers on a bridge; while there are any the table is watched. */
  readonly #guarded = new Set<string>();
  /** Marks this engine's links. */
  readonly #group: number;
  readonly egress: EgressGuard;
  readonly #table: GuardTable;
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
      query: async (message: Message, failure: string) => this.#query(message, failure),
    };
    this.egress = new EgressGuard({ ...kernel, nowMs: Date.now });
    this.#table = new GuardTable({ ...kernel, lock: this.#lock, whole: () => this.#wholeTable() });
  }

  async ensure(network: NetworkRecord): Promise<void> {
    if (this.#ready.has(network.id) || !hasLink(network)) return;
    await this.#lock.run(async () => {
      if (this.#ready.has(network.id)) return;
      const linkIndex = await this.#makeLink(network);
      this.#ready.set(network.id, { network, linkIndex });
      try {
        await this.#guard(network);
      } catch (error) {
        this.#ready.delete(network.id);
        throw error;
      }
    });
  }

  async restore(networks: readonly NetworkRecord[]): ReturnType<NetworkFabric['restore']> {
    const failures: { readonly network: NetworkRecord; readonly error: unknown }[] = [];
    await this.#lock.run(async () => {
      for (const network of networks.filter(hasLink)) {
        try {
          this.#ready.set(network.id, { network, linkIndex: await this.#makeLink(network) });
        } catch (error) {
          failures.push({ network, error });
        }
      }
      if (this.#guarded.size === 0) return;
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
      const linkIndex = this.#ready.get(each.network.id)?.linkIndex ?? 0;
      return { ...each, linkIndex, hostIndex: 0 };
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
    if (added.network.driver === 'bridge') this.#guarded.add(containerId);
    if (this.#guarded.size > 0) this.#table.watch();
  }

  async leave(
    containerId: string,
    owner: NamespaceOwner,
    { gone, rest }: EndpointChange,
  ): Promise<void> {
    const failure = `Cannot disconnect the container from network ${gone.networkName}`;
    await this.#apply(planLeave(owner, gone), failure);
    await this.egress.leave(containerId, gone.id);
    await this.#apply(planDefaultRoutes(owner, rest), failure);
    if (rest.every(({ hostLink }) => hostLink === '')) this.#unguard(containerId);
    if (gone.ports.length === 0) return;
    this.#ports.set(
      containerId,
      rest.map(({ ports }) => ports),
    );
    await this.#apply(this.#unpublish(gone.ports), failure);
  }

  async release(containerId: string, isUntidy: boolean): Promise<void> {
    const ports = this.#ports.get(containerId) ?? [];
    this.#ports.delete(containerId);
    this.#unguard(containerId);
    await this.egress.release(containerId, isUntidy);
    if (!isUntidy) return;
    for (const each of ports)
      await this.#apply(this.#unpublish(each), 'Cannot take back published ports');
  }

  async close(networks: readonly NetworkRecord[]): Promise<void> {
    this.#table.unwatch();
    if (this.#guarded.size > 0) return;
    await this.#lock.run(async () => {
      this.#ready.clear();
      await this.#table.remove();
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
        ...planInside(planned),
        ...planResolver({ slot: SLOT.firewall, directory: this.#runDir, containerId }),
      ],
      after: [
        ...planned.flatMap(({ endpoint }) => this.#unpublish(endpoint.ports)),
        ...this.egress.planEnd(planned).flatMap((messages) => firewall(messages, ENOENT)),
      ],
    };
  }

  #keep(containerId: string, endpoints: readonly NetworkedEndpoint[]): void {
    const ports = endpoints.map(({ endpoint }) => endpoint.ports);
    if (ports.some((each) => each.length > 0)) this.#ports.set(containerId, ports);
    if (endpoints.some(({ network }) => network.driver === 'bridge'))
      this.#guarded.add(containerId);
    if (this.#guarded.size > 0) this.#table.watch();
  }

  #unguard(containerId: string): void {
    this.#guarded.delete(containerId);
    if (this.#guarded.size === 0) this.#table.unwatch();
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
    return { ...each, linkIndex: ready.linkIndex, hostIndex: this.#nextIndex };
  }

  async #makeLink(network: NetworkRecord): Promise<number> {
    const { link } = linkSettingsOf(network);
    const failure = `Cannot make network ${network.name}`;
    const found = decodeLink(await this.#apply(planMakeLink(network, this.#group), failure));
    if (found === undefined) {
      throw new EngineError('not-found', `${failure}: the host has no link ${link}`, {
        hint: 'Give one that the host has, with -o parent=LINK',
      });
    }
    if (network.driver === 'bridge' && found.kind !== 'bridge') {
      const kind = found.kind === '' ? 'a device' : `a ${found.kind} link`;
      throw new EngineError('conflict', `${failure}: link ${link} of the host is ${kind}`);
    }
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
    return found.index;
  }

  /** Only a link that this engine made: a bridge that the user named may be the user's own. */
  async #deleteLink(network: NetworkRecord): Promise<void> {
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
  }

  #wholeTable(): readonly Message[] {
    const bridges = [...this.#ready.values()].flatMap(({ network }) => {
      const bridge = guardedBridge(network);
      return bridge === undefined ? [] : [bridge];
    });
    return [
      ...rules.planTable(this.#at),
      ...bridges.flatMap((bridge) => rules.planBridge(this.#at, bridge)),
      ...[...this.#ports.values()].flat().flatMap((ports) => rules.planPorts(this.#at, ports)),
      ...this.egress.planAll(),
    ];
  }

  async #query(message: Message, failure: string): Promise<Uint8Array> {
    const query: PlanOp = {
      op: 'netlink-query',
      slot: 0,
      message: encodeMessage(message, 1),
      maxBytes: ANSWER_MAX,
    };
    const open: PlanOp = { op: 'netlink-open', slot: 0, protocol: nft.NETLINK_NETFILTER };
    const reply = await this.#apply([open, query], failure);
    return reply.subarray(8);
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

function hasLink({ driver }: NetworkRecord): boolean {
  return driver !== 'host' && driver !== 'null';
}

/** What the firewall knows of a network; `undefined` when it is not on a bridge. */
function guardedBridge(network: NetworkRecord): rules.GuardedBridge | undefined {
  if (network.driver !== 'bridge') return undefined;
  const { link, isConnected, isMasqueraded } = linkSettingsOf(network);
  return {
    link,
    subnets: network.subnets.map(({ subnet }) => subnet),
    isInternal: network.isInternal,
    isConnected,
    isMasqueraded,
  };
}

function reservePort(port: Endpoint['ports'][number]): PlanOp {
  const reach = relayReach(port);
  return {
    op: 'reserve-port',
    protocol: rules.PROTOCOL[port.protocol],
    address: addressBytes(port.host),
    port: port.hostPort,
    reach: REACH[reach],
    target: reach === 'none' ? new Uint8Array() : addressBytes(port.target),
    targetPort: reach === 'none' ? 0 : port.targetPort,
  };
}
