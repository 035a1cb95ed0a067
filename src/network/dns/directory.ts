/**
 * Who is on which network under which names, and who may ask what: the contract
 * between the engine, which keeps it true, and the name server, which reads it.
 * In memory; after a restart of the daemon the engine fills it again before the
 * name server listens.
 *
 * How it is wired:
 *
 * 1. {@link NameDirectory.setClient} before a container with a resolver starts,
 *    and whenever its networks change; {@link NameDirectory.removeClient} when
 *    it is gone.
 * 2. {@link NameDirectory.join} when it has its addresses on a network,
 *    {@link NameDirectory.leave} when it leaves, {@link NameDirectory.forget} when it stops. A network whose names
 *    are not told (Docker's default bridge) is never joined.
 * 3. The container's plan has the operations of `planResolver`
 *    (`network/plan/resolver.ts`), its resolv.conf names 127.0.0.11.
 * 4. `NameServer` (`server.ts`) is told of answers and forbidden names by its
 *    hooks.
 *
 * **Invariant:** nothing is found on a network by who is not on it.
 */

import { type Address, formatAddress, type Network } from '../../spec/cidr.ts';
import { lowerName } from './name.ts';

/** A port that a container serves, for SRV. */
export interface ServedPort {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Names of what it serves, e.g. `http`: found as `_http._tcp.NAME` beside `_80._tcp.NAME`. */
  readonly services?: readonly string[];
}

/** A container on a network. */
export interface Membership {
  readonly networkId: string;
  /** The network's name: a container is found as `NAME.NETWORK` too. */
  readonly networkName: string;
  readonly containerId: string;
  /** Of both families. */
  readonly addresses: readonly Address[];
  /**
   * Names, aliases, service names; letters of any case. The first is what its
   * addresses are told to be. Its id, whole and its first 12 digits, needs not be here.
   */
  readonly names: readonly string[];
  readonly ports?: readonly ServedPort[];
}

/** A network of who asks. */
export interface ClientNetwork {
  readonly networkId: string;
  /** Nothing leaves it. */
  readonly isInternal: boolean;
  /** Servers in these can be asked although the network is internal: the asker reaches them itself. */
  readonly subnets?: readonly Network[];
}

/** Who may ask, and what. */
export interface ClientSettings {
  /** Its networks, first the one whose answer counts when a name is on several. */
  readonly networks: readonly ClientNetwork[];
  /** Addresses of its own servers (`--dns`); empty: the host's. */
  readonly servers: readonly string[];
  /** Names only it knows (`--link`): each means another container. */
  readonly links?: readonly { readonly alias: string; readonly containerId: string }[];
  /** Names without a dot that nobody here has are not asked elsewhere: the user chose `ndots`, so search domains come next. */
  readonly keepsBareNames?: boolean;
}

interface NamedNetwork {
  readonly name: string;
  readonly members: Map<string, Membership>;
  /** Lower-case name → who has it, in the order of joining. */
  readonly byName: Map<string, Map<string, Membership>>;
  /** Canonical text → who has it. */
  readonly byAddress: Map<string, Membership>;
}

const SHORT_ID_DIGITS = 12;

function namesOf(member: Membership): ReadonlySet<string> {
  const { containerId } = member;
  const all = [...member.names, containerId, containerId.slice(0, SHORT_ID_DIGITS)];
  return new Set(all.map(lowerName).filter((name) => name !== ''));
}

/** The directory. */
export class NameDirectory {
  readonly #networks = new Map<string, NamedNetwork>();
  readonly #clients = new Map<string, ClientSettings>();
  /** Container → ids of the networks it is on. */
  readonly #placesOf = new Map<string, ReadonlySet<string>>();

  /** Replaces what the container said of this network before. */
  join(member: Membership): void {
    this.leave(member.networkId, member.containerId);
    const network: NamedNetwork = this.#networks.get(member.networkId) ?? {
      name: lowerName(member.networkName),
      members: new Map(),
      byName: new Map(),
      byAddress: new Map(),
    };
    this.#networks.set(member.networkId, network);
    network.members.set(member.containerId, member);
    const places = this.#placesOf.get(member.containerId) ?? [];
    this.#placesOf.set(member.containerId, new Set([...places, member.networkId]));
    for (const name of namesOf(member)) {
      const holders = network.byName.get(name) ?? new Map<string, Membership>();
      network.byName.set(name, holders.set(member.containerId, member));
    }
    for (const address of member.addresses) network.byAddress.set(formatAddress(address), member);
  }

  /** Idempotent. */
  leave(networkId: string, containerId: string): void {
    const network = this.#networks.get(networkId);
    const member = network?.members.get(containerId);
    if (network === undefined || member === undefined) return;
    network.members.delete(containerId);
    const places = new Set(this.#placesOf.get(containerId));
    places.delete(networkId);
    if (places.size > 0) this.#placesOf.set(containerId, places);
    else this.#placesOf.delete(containerId);
    for (const name of namesOf(member)) {
      const holders = network.byName.get(name);
      holders?.delete(containerId);
      if (holders?.size === 0) network.byName.delete(name);
    }
    for (const address of member.addresses) {
      const text = formatAddress(address);
      if (network.byAddress.get(text) === member) network.byAddress.delete(text);
    }
    if (network.members.size === 0) this.#networks.delete(networkId);
  }

  /** Its process is gone: it is on no network, and asks nothing. Idempotent. */
  forget(containerId: string): void {
    this.removeClient(containerId);
    for (const networkId of this.#placesOf.get(containerId) ?? []) {
      this.leave(networkId, containerId);
    }
  }

  /** Replaces what was said of the container before. */
  setClient(containerId: string, settings: ClientSettings): void {
    this.#clients.set(containerId, settings);
  }

  /** Idempotent. Where it is a member is told by {@link leave}. */
  removeClient(containerId: string): void {
    this.#clients.delete(containerId);
  }

  /** Who asks; `undefined`: nobody known. */
  client(containerId: string): ClientSettings | undefined {
    return this.#clients.get(containerId);
  }

  /** The network's name in lower case; `undefined` while nobody is on it. */
  networkName(networkId: string): string | undefined {
    return this.#networks.get(networkId)?.name;
  }

  /** Who has a name, in lower case, on a network; in the order of joining. */
  holders(networkId: string, name: string): readonly Membership[] {
    return [...(this.#networks.get(networkId)?.byName.get(name)?.values() ?? [])];
  }

  /** Who has an address on a network. */
  owner(networkId: string, address: Address): Membership | undefined {
    return this.#networks.get(networkId)?.byAddress.get(formatAddress(address));
  }

  /** A container on a network. */
  member(networkId: string, containerId: string): Membership | undefined {
    return this.#networks.get(networkId)?.members.get(containerId);
  }
}
