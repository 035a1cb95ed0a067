/**
 * What is known of containers under egress policies: their addresses and lists,
 * the ways that names opened, the names that were refused. In memory.
 *
 * **Invariant:** every list is bounded: a container cannot make the engine grow.
 */

import {
  contains,
  formatAddress,
  parseAddress,
  parseNetwork,
  type Address,
  type Family,
  type Network,
} from '../../spec/cidr.ts';
import type { AnsweredAddress } from '../dns/response.ts';
import type { Endpoint } from '../endpoint.ts';
import type { Denial } from './contract.ts';
import { linkLocalOf, macBytes } from '../packet.ts';
import type { HeldPort } from './origin.ts';
import { allowedBoxes, grantOfName, type EgressPolicy } from './policy.ts';
import { openingKey, type GuardedAddress, type Opening } from './rules.ts';

/** An endpoint under policies. */
export interface GuardedEndpoint {
  readonly endpointId: string;
  /** Not empty. */
  readonly policies: readonly EgressPolicy[];
  readonly addresses: readonly GuardedAddress[];
  /** By which its frames come. */
  readonly port: HeldPort;
}

/** An opening and when it goes by itself, in milliseconds since the epoch. */
export interface TimedOpening {
  readonly opening: Opening;
  readonly untilMs: number;
}

/** Milliseconds that a way stays open beyond the life of the answer. */
const GRACE_MS = 30_000;
const LIFE_MIN_MS = 30_000;
const LIFE_MAX_MS = 86_400_000;
/** Ways that names opened for one container. */
const OPENINGS_MAX = 4096;
/** Refused names that are remembered for one container. */
const REFUSED_MAX = 256;
/** Denied destinations of one container that are remembered when its ways are gone. */
const DENIALS_MAX = 4096;
/** Containers that are gone whose denials are remembered. */
const ENDED_MAX = 256;

/**
 * Where no name leads: this host to itself, a link, everybody, and where clouds tell a machine its
 * own secrets. Source: RFC 6890; RFC 6052 (IPv4 behind 64:ff9b::/96); the providers' manuals.
 */
const NEVER_BY_NAME: readonly Network[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/127',
  '::ffff:0:0/96',
  'fe80::/10',
  'ff00::/8',
  '64:ff9b::7f00:0/104',
  '64:ff9b::a9fe:0/112',
  // Alibaba, Azure, Oracle; Amazon, Google.
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
].map(parseNetwork);

/** An endpoint as it is guarded; `undefined`: it is not. Errors: `invalid` for lists that have too much in common. */
export function guardedEndpoint(
  endpoint: Endpoint,
  policies: readonly EgressPolicy[],
): GuardedEndpoint | undefined {
  if (policies.length === 0) return undefined;
  const own = [endpoint.ipv4?.address, endpoint.ipv6?.address].filter(
    (address) => address !== undefined,
  );
  const addresses = own.map((address) => ({
    address,
    boxes: allowedBoxes(policies, address.family),
  }));
  const mac = macBytes(endpoint.mac);
  // What only its link knows: nothing beyond is reached from it.
  const onLink = [linkLocalOf(mac), ...(endpoint.linkLocal ?? []).map(parseAddress)];
  const all = [...addresses, ...onLink.map((address) => ({ address, boxes: [] }))];
  const senders = all.map(({ address }) => address);
  const port = { link: endpoint.hostLink, mac, addresses: senders };
  return { endpointId: endpoint.id, policies, addresses: all, port };
}

interface Refusal {
  count: number;
  lastAtMs: number;
}

interface Known {
  readonly endpoints: Map<string, GuardedEndpoint>;
  /** It also has endpoints that are not guarded: it may ask for every name. */
  hasFreeWay: boolean;
  readonly openings: Map<string, TimedOpening>;
}

/** See the module. */
export class EgressBook {
  readonly #nowMs: () => number;
  readonly #known = new Map<string, Known>();
  readonly #refused = new Map<string, Map<string, Refusal>>();
  /** By container: packets it was denied by ways that are gone. */
  readonly #ended = new Map<string, readonly Denial[]>();

  /** `nowMs`: milliseconds since the epoch. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** A container begins, or is found. */
  set(containerId: string, endpoints: readonly GuardedEndpoint[], hasFreeWay: boolean): void {
    if (endpoints.length === 0) {
      this.#known.delete(containerId);
      return;
    }
    this.#known.set(containerId, {
      endpoints: new Map(endpoints.map((each) => [each.endpointId, each])),
      hasFreeWay,
      openings: new Map(),
    });
  }

  /** It begins anew: what was denied before is history. */
  forgetDenials(containerId: string): void {
    this.#ended.delete(containerId);
    this.#refused.delete(containerId);
  }

  /** One more endpoint; `undefined`: one that is not guarded. */
  join(containerId: string, endpoint: GuardedEndpoint | undefined): void {
    const known = this.#known.get(containerId) ?? {
      endpoints: new Map(),
      hasFreeWay: true,
      openings: new Map(),
    };
    if (endpoint === undefined) {
      known.hasFreeWay = true;
      return;
    }
    known.endpoints.set(endpoint.endpointId, endpoint);
    this.#known.set(containerId, known);
  }

  /** One less; what of it was guarded and open. */
  leave(containerId: string, endpointId: string): GuardedEndpoint | undefined {
    const known = this.#known.get(containerId);
    const gone = known?.endpoints.get(endpointId);
    if (known === undefined || gone === undefined) return undefined;
    known.endpoints.delete(endpointId);
    const sources = new Set(gone.addresses.map(({ address }) => formatAddress(address)));
    for (const [id, { opening }] of known.openings)
      if (sources.has(formatAddress(opening.source))) known.openings.delete(id);
    return gone;
  }

  /** Its process is gone. */
  delete(containerId: string): void {
    this.#known.delete(containerId);
  }

  /** Endpoints of a container. */
  endpointsOf(containerId: string): readonly GuardedEndpoint[] {
    return [...(this.#known.get(containerId)?.endpoints.values() ?? [])];
  }

  /** Every held port. */
  ports(): readonly HeldPort[] {
    return [...this.#known.values()].flatMap(({ endpoints }) =>
      [...endpoints.values()].map(({ port }) => port),
    );
  }

  /** Every guarded address. */
  addresses(): readonly GuardedAddress[] {
    return [...this.#known.values()].flatMap(({ endpoints }) =>
      [...endpoints.values()].flatMap(({ addresses }) => addresses),
    );
  }

  /** Which container has a guarded address. */
  ownerOf(address: string): string | undefined {
    for (const [id, { endpoints }] of this.#known) {
      for (const { addresses } of endpoints.values())
        if (addresses.some((each) => formatAddress(each.address) === address)) return id;
    }
    return undefined;
  }

  /** May it ask for a name? A name that it may not is remembered. */
  mayResolve(containerId: string, name: string): boolean {
    const known = this.#known.get(containerId);
    if (known === undefined || known.hasFreeWay) return true;
    const isAllowed = [...known.endpoints.values()].some(
      ({ policies }) => grantOfName(policies, name) !== 'nothing',
    );
    if (!isAllowed) this.#refuse(containerId, name);
    return isAllowed;
  }

  #refuse(containerId: string, name: string): void {
    const refused = this.#refused.get(containerId) ?? new Map<string, Refusal>();
    this.#refused.set(containerId, refused);
    const before = refused.get(name)?.count ?? 0;
    refused.delete(name);
    refused.set(name, { count: before + 1, lastAtMs: this.#nowMs() });
    const [oldest] = refused.keys();
    if (refused.size > REFUSED_MAX && oldest !== undefined) refused.delete(oldest);
  }

  /** Ways that an answer opens and that are not open as long already. */
  openings(
    containerId: string,
    name: string,
    answered: readonly AnsweredAddress[],
  ): readonly TimedOpening[] {
    const known = this.#known.get(containerId);
    if (known === undefined) return [];
    const nowMs = this.#nowMs();
    const wanted = [...known.endpoints.values()].flatMap(({ policies, addresses }) => {
      const grant = grantOfName(policies, name);
      if (grant === 'nothing') return [];
      const services = grant === 'everything' ? [undefined] : grant;
      return answered.flatMap(({ address: target, ttlSeconds }) => {
        if (NEVER_BY_NAME.some((network) => contains(network, target))) return [];
        const lifeMs = Math.min(Math.max(ttlSeconds * 1000, LIFE_MIN_MS), LIFE_MAX_MS);
        const untilMs = nowMs + lifeMs + GRACE_MS;
        return sourcesOf(addresses, target.family).flatMap((source) =>
          services.map((service) => ({ opening: { source, target, service }, untilMs })),
        );
      });
    });
    return wanted.filter(({ opening, untilMs }) => {
      const open = known.openings.get(idOf(opening));
      return open === undefined || open.untilMs < untilMs - 1000;
    });
  }

  /** Ways are open from now on. False: there would be too many. */
  keep(containerId: string, openings: readonly TimedOpening[]): boolean {
    const known = this.#known.get(containerId);
    if (known === undefined) return openings.length === 0;
    const nowMs = this.#nowMs();
    if (known.openings.size + openings.length > OPENINGS_MAX) {
      for (const [id, { untilMs }] of known.openings)
        if (untilMs <= nowMs) known.openings.delete(id);
    }
    const fresh = openings.filter(({ opening }) => !known.openings.has(idOf(opening)));
    if (known.openings.size + fresh.length > OPENINGS_MAX) return false;
    for (const each of openings) known.openings.set(idOf(each.opening), each);
    return true;
  }

  /** Ways that are open now, of one container or of all. */
  openNow(containerId?: string): readonly TimedOpening[] {
    const nowMs = this.#nowMs();
    const some =
      containerId === undefined ? [...this.#known.values()] : [this.#known.get(containerId)];
    return some
      .flatMap((known) => [...(known?.openings.values() ?? [])])
      .filter(({ untilMs }) => untilMs > nowMs);
  }

  /** What a container was denied by a way that is gone. */
  keepDenials(containerId: string, denials: readonly Denial[]): void {
    const all = [...(this.#ended.get(containerId) ?? []), ...denials].slice(-DENIALS_MAX);
    this.#ended.delete(containerId);
    if (all.length > 0) this.#ended.set(containerId, all);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > ENDED_MAX && oldest !== undefined) this.#ended.delete(oldest);
    const [refusedOldest] = this.#refused.keys();
    if (this.#refused.size > 2 * ENDED_MAX && refusedOldest !== undefined)
      this.#refused.delete(refusedOldest);
  }

  /** Denials that no set of the kernel has. */
  denials(): readonly Denial[] {
    const names = [...this.#refused].flatMap(([containerId, refused]) =>
      [...refused].map(
        ([name, { count, lastAtMs }]): Denial => ({
          containerId,
          what: { kind: 'name', name },
          count,
          lastAtMs,
        }),
      ),
    );
    return [...names, ...[...this.#ended.values()].flat()];
  }
}

function sourcesOf(addresses: readonly GuardedAddress[], family: Family): readonly Address[] {
  return addresses
    .map(({ address }) => address)
    .filter((address) => address.family === family && !isOnLink(address));
}

/** In 169.254.0.0/16 or fe80::/10: nothing beyond its link is reached from it. */
function isOnLink({ family, value }: Address): boolean {
  return family === 'ipv6' ? value >> 118n === 0x3fan : value >> 16n === 0xa9fen;
}

function idOf(opening: Opening): string {
  const { set, key } = openingKey(opening);
  return `${set} ${Buffer.from(key).toString('hex')}`;
}
