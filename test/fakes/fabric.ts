/** A fabric that makes nothing and remembers what it was asked for. */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Denial } from '../../src/network/egress/contract.ts';
import type { Endpoint } from '../../src/network/endpoint.ts';
import type {
  EndpointChange,
  EndpointOps,
  NetworkedEndpoint,
  NetworkFabric,
} from '../../src/network/fabric.ts';
import type { NetworkRecord } from '../../src/network/store.ts';
import { parseNetwork, type Network } from '../../src/spec/cidr.ts';

/** See the module. */
export class FakeFabric implements NetworkFabric {
  /** `ensure NAME` and `remove NAME`, in order. */
  readonly calls: string[] = [];
  /** Names of networks that are there now. */
  readonly made: Set<string> = new Set();
  /** The next `ensure` or `remove` fails with it. */
  failure: Error | undefined;
  /** What `ensure` and `remove` wait for. */
  gate: Promise<void> | undefined;
  /** By container. */
  readonly endpoints: Map<string, readonly Endpoint[]> = new Map();
  /** Containers whose start was done. */
  readonly begun: string[] = [];
  /** What `egress` says was denied. */
  denied: readonly Denial[] = [];
  readonly egress: NetworkFabric['egress'] = {
    hooks: { onAnswer: async () => undefined, mayResolve: () => true },
    isGuarded: () => false,
    denials: async () => this.denied,
  };
  hostRoutes: readonly Network[] = [parseNetwork('192.0.2.0/24')];

  async ensure(network: NetworkRecord): Promise<void> {
    if (this.made.has(network.name)) return;
    await this.#call('ensure', network);
    this.made.add(network.name);
  }

  async restore(networks: readonly NetworkRecord[]): ReturnType<NetworkFabric['restore']> {
    for (const network of networks) await this.ensure(network);
    return [];
  }

  async sweep(): Promise<void> {}

  onLost(): void {}

  async relink(): Promise<readonly string[]> {
    return [];
  }

  async remove(network: NetworkRecord): Promise<void> {
    await this.#call('remove', network);
    this.made.delete(network.name);
  }

  routes(): readonly Network[] {
    return this.hostRoutes;
  }

  async warnings(): Promise<readonly string[]> {
    return [];
  }

  firewall(): readonly (readonly [name: string, value: string])[] {
    return [];
  }

  async planStart(
    containerId: string,
    endpoints: readonly NetworkedEndpoint[],
  ): Promise<EndpointOps> {
    this.adopt(containerId, endpoints);
    return { before: [], inside: [], after: [] };
  }

  async mend(): Promise<boolean> {
    return false;
  }

  async started(containerId: string): Promise<void> {
    this.begun.push(containerId);
  }

  explainStart(): EndpointOps {
    return { before: [], inside: [], after: [] };
  }

  adopt(containerId: string, endpoints: readonly NetworkedEndpoint[]): void {
    this.endpoints.set(
      containerId,
      endpoints.map(({ endpoint }) => endpoint),
    );
  }

  async join(
    containerId: string,
    _owner: object,
    { endpoint, network }: NetworkedEndpoint,
  ): Promise<void> {
    await this.#call(`join ${containerId}`, network);
    this.endpoints.set(containerId, [...(this.endpoints.get(containerId) ?? []), endpoint]);
  }

  async leave(containerId: string, _owner: object, { gone, rest }: EndpointChange): Promise<void> {
    await this.#call(`leave ${containerId}`, { name: gone.networkName });
    this.endpoints.set(containerId, rest);
  }

  async cut(): Promise<void> {
    await this.gate;
  }

  holds(): boolean {
    return false;
  }

  async release(containerId: string): Promise<void> {
    await this.gate;
    this.endpoints.delete(containerId);
  }

  async close(): Promise<void> {
    await this.gate;
    this.made.clear();
  }

  async #call(what: string, network: Pick<NetworkRecord, 'name'>): Promise<void> {
    this.calls.push(`${what} ${network.name}`);
    await this.gate;
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

/** A fabric whose networks are files, so that they outlive the process that made them, as bridges do. */
export class FileFabric extends FakeFabric {
  readonly #directory: string;

  constructor(directory: string) {
    super();
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  /** Ids of the networks that are there. */
  get ids(): readonly string[] {
    return readdirSync(this.#directory).toSorted();
  }

  override async ensure(network: NetworkRecord): Promise<void> {
    await super.ensure(network);
    writeFileSync(`${this.#directory}/${network.id}`, network.name);
  }

  override async remove(network: NetworkRecord): Promise<void> {
    await super.remove(network);
    rmSync(`${this.#directory}/${network.id}`, { force: true });
  }
}
