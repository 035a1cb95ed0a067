/**
 * Egress policies in the kernel: elements of guarded endpoints, of ways that
 * names opened, and the list of what was denied.
 *
 * **Invariants**
 * - A way is open before the container hears the address, and only from that
 *   container's own addresses.
 * - What an address of a container could reach is gone from the table before
 *   the address is given to another one.
 */

import { messageOf } from '../../base/error.ts';
import type { Log } from '../../base/log.ts';
import { decodeElements, type FoundElement } from '../../kernel/nft/elements.ts';
import * as nft from '../../kernel/nft/message.ts';
import type { Message } from '../../kernel/netlink/message.ts';
import { formatAddress, type Address, type Family } from '../../spec/cidr.ts';
import type { AnsweredAddress } from '../dns/response.ts';
import type { Endpoint } from '../endpoint.ts';
import { ADDRESS_BYTES, FAMILIES } from '../packet.ts';
import { EgressBook, guardedEndpoint, type GuardedEndpoint, type TimedOpening } from './book.ts';
import type { Denial, Egress, WithPolicies } from './contract.ts';
import type { WholeTable } from '../whole-table.ts';
import {
  ORIGIN_RULE_COUNT,
  originOf,
  originTable,
  planHold,
  planOrigin,
  planRelease,
} from './origin.ts';
import {
  DENIED_MS,
  openingKey,
  planGuard,
  planUnguard,
  removal,
  SETS,
  type Opening,
} from './rules.ts';

/** What it works with. */
export interface EgressGuardOptions {
  readonly at: nft.TableName;
  /** Flags of a table that is made. */
  readonly flags: () => number;
  readonly log: Log;
  /** One transaction. */
  readonly change: (messages: readonly Message[], failure: string) => Promise<void>;
  /** One transaction that takes away; a table that is gone is as good. */
  readonly undo: (messages: readonly Message[], failure: string) => Promise<void>;
  /** What answers a request. */
  readonly query: (message: Message, failure: string) => Promise<Uint8Array>;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** An endpoint, and the lists that hold on it. */
interface HeldEndpoint extends WithPolicies {
  readonly endpoint: Endpoint;
}

/** An element of what was denied. */
interface DeniedPackets {
  readonly set: string;
  readonly key: Uint8Array;
  /** Text of the address that they came from. */
  readonly source: string;
  readonly denial: Denial;
}

/** What the table has of endpoints beside what holds them. */
interface Found {
  readonly openings: readonly TimedOpening[];
  readonly denied: readonly DeniedPackets[];
}

/** See the module. */
export class EgressGuard implements Egress {
  readonly #options: EgressGuardOptions;
  readonly #book: EgressBook;
  readonly #origin: nft.TableName;
  /** What an earlier engine's table had, until the table is made again. */
  #carried: { readonly set: string; readonly element: nft.Element }[] = [];
  readonly hooks: Egress['hooks'];

  constructor(options: EgressGuardOptions) {
    this.#options = options;
    this.#book = new EgressBook(options.nowMs);
    this.#origin = originOf(options.at);
    this.hooks = {
      onAnswer: async (containerId, name, addresses) => this.#open(containerId, name, addresses),
      mayResolve: (containerId, name) => this.#book.mayResolve(containerId, name),
    };
  }

  /** Elements that hold a container to its policies before it starts. Pure. */
  planHold(containerId: string): readonly Message[] {
    return this.#planHeld(this.#book.endpointsOf(containerId));
  }

  /** What holds endpoints, in the order in which it must be there. */
  #planHeld(endpoints: readonly GuardedEndpoint[]): readonly Message[] {
    if (endpoints.length === 0) return [];
    return [
      ...planOrigin(this.#origin, this.#options.flags()),
      ...endpoints.flatMap(({ port }) => planHold(this.#origin, port)),
      ...endpoints.flatMap(({ addresses }) =>
        addresses.flatMap((each) => planGuard(this.#options.at, each)),
      ),
    ];
  }

  /** Transactions that let an endpoint go, one a table. */
  #planFree({ addresses, port }: GuardedEndpoint): readonly (readonly Message[])[] {
    return [
      addresses.flatMap((each) => planUnguard(this.#options.at, each)),
      planRelease(this.#origin, port),
    ];
  }

  /** A container that starts. Errors: `invalid`. */
  begin(containerId: string, endpoints: readonly HeldEndpoint[]): void {
    this.#book.forgetDenials(containerId);
    this.adopt(containerId, endpoints);
  }

  /** A container that runs. */
  adopt(containerId: string, endpoints: readonly HeldEndpoint[]): void {
    const guarded = guardedOf(endpoints);
    this.#book.set(containerId, guarded, guarded.length < endpoints.length);
  }

  /** One more endpoint of a running container; it is held before it has a link. */
  async join(containerId: string, { endpoint, policies = [] }: HeldEndpoint): Promise<void> {
    const guarded = guardedEndpoint(endpoint, policies);
    this.#book.join(containerId, guarded);
    if (guarded === undefined) return;
    const failure = 'Cannot hold the container to its egress policy';
    await this.#options.change(this.#planHeld([guarded]), failure);
  }

  /** One less; it has no link any more. */
  async leave(containerId: string, endpointId: string): Promise<void> {
    const isGone = (each: GuardedEndpoint): boolean => each.endpointId === endpointId;
    const endpoints = this.#book.endpointsOf(containerId).filter(isGone);
    if (endpoints.length === 0) return;
    const found = await this.#foundOf(containerId, endpoints);
    this.#book.leave(containerId, endpointId);
    this.#book.keepDenials(containerId, denialsOf(found));
    await this.#takeBack(found);
    await this.#free(endpoints);
  }

  /** Whether a container is held to a policy. */
  isGuarded(containerId: string): boolean {
    return this.#book.endpointsOf(containerId).length > 0;
  }

  /** Its process is gone, or did not come to be. */
  async release(containerId: string): Promise<void> {
    const endpoints = this.#book.endpointsOf(containerId);
    if (endpoints.length === 0) return;
    const found = await this.#foundOf(containerId, endpoints);
    // A table that is made anew from now on knows nothing of it.
    this.#book.delete(containerId);
    this.#book.keepDenials(containerId, denialsOf(found));
    await this.#takeBack(found);
    await this.#free(endpoints);
  }

  /** What the table holds that this engine does not know. Best effort: there may be none. */
  async load(): Promise<void> {
    this.#carried = [];
    for (const family of FAMILIES) {
      const count = this.#book.addresses().length;
      if (count === 0) return;
      for (const found of await this.#elements(SETS.denied(family)).catch(() => []))
        this.#carry(family, found);
      for (const set of [SETS.hosts(family), SETS.services(family)]) {
        for (const found of await this.#elements(set).catch(() => [])) this.#reopen(family, found);
      }
    }
  }

  /** The bridge's half of the table, and how many rules it is to have; none: nobody is held. */
  expected(): { readonly at: nft.TableName; readonly ruleCount: number } {
    return { at: this.#origin, ruleCount: this.#book.ports().length > 0 ? ORIGIN_RULE_COUNT : 0 };
  }

  /** The bridge's half of the table; `undefined`: nobody is held. */
  wholeHalf(): WholeTable | undefined {
    const ports = this.#book.ports();
    return ports.length === 0 ? undefined : originTable(this.#origin, ports);
  }

  /** All elements of the table. */
  planAll(): readonly Message[] {
    const { at, nowMs } = this.#options;
    const carried = this.#carried;
    this.#carried = [];
    return [
      ...this.#book.addresses().flatMap((each) => planGuard(at, each)),
      ...carried.flatMap(({ set, element }) => nft.addElements(at, set, [element])),
      ...this.#book.openNow().flatMap((each) => planOpening(at, each, nowMs())),
    ];
  }

  async denials(): Promise<readonly Denial[]> {
    const packets = (await this.#packets()).map(({ denial }) => denial);
    return [...packets, ...this.#book.denials()].toSorted((a, b) => b.lastAtMs - a.lastAtMs);
  }

  async #open(
    containerId: string,
    name: string,
    addresses: readonly AnsweredAddress[],
  ): Promise<void> {
    const openings = this.#book.openings(containerId, name, addresses);
    if (openings.length === 0) return;
    if (!this.#book.keep(containerId, openings)) {
      this.#options.log.warn('a container has too many names open', { id: containerId, name });
      throw new RangeError('too many names open');
    }
    const { at, nowMs, change } = this.#options;
    const messages = openings.flatMap((each) => planOpening(at, each, nowMs()));
    await change(messages, `Cannot let a container reach ${name}`);
  }

  /** What names opened for these endpoints, and what they were denied. */
  async #foundOf(containerId: string, endpoints: readonly GuardedEndpoint[]): Promise<Found> {
    const addresses = endpoints.flatMap((each) => each.addresses);
    const sources = new Set(addresses.map(({ address }) => formatAddress(address)));
    const packets = await this.#packets().catch((error: unknown) => {
      this.#options.log.warn('what a container was denied is lost', { error: messageOf(error) });
      return [];
    });
    const openings = this.#book
      .openNow(containerId)
      .filter(({ opening }) => sources.has(formatAddress(opening.source)));
    return { openings, denied: packets.filter(({ source }) => sources.has(source)) };
  }

  async #takeBack({ openings, denied }: Found): Promise<void> {
    const { at, undo } = this.#options;
    const keys = [...openings.map(({ opening }) => openingKey(opening)), ...denied];
    const messages = keys.flatMap(({ set, key }) => removal(at, set, [{ key }]));
    await undo(messages, 'Cannot take back what a container could reach');
  }

  async #free(endpoints: readonly GuardedEndpoint[]): Promise<void> {
    for (const messages of endpoints.flatMap((each) => this.#planFree(each)))
      await this.#options.undo(messages, 'Cannot let the addresses of a container go');
  }

  async #elements(set: string): Promise<readonly FoundElement[]> {
    const { at, query } = this.#options;
    return decodeElements(await query(nft.listElements(at, set), 'Cannot list what was denied'));
  }

  #carry(family: Family, { key, count, expiresInMs = 0 }: FoundElement): void {
    const source = formatAddress(addressAt(key, family, 0));
    if (this.#book.ownerOf(source) === undefined || expiresInMs < 1) return;
    const element = { key, timeoutMs: expiresInMs, ...(count === undefined ? {} : { count }) };
    this.#carried.push({ set: SETS.denied(family), element });
  }

  #reopen(family: Family, { key, expiresInMs = 0 }: FoundElement): void {
    const source = addressAt(key, family, 0);
    const containerId = this.#book.ownerOf(formatAddress(source));
    if (containerId === undefined) return;
    const service = serviceAt(key, family);
    const opening = { source, target: addressAt(key, family, 1), service };
    this.#book.keep(containerId, [{ opening, untilMs: this.#options.nowMs() + expiresInMs }]);
  }

  async #packets(): Promise<readonly DeniedPackets[]> {
    const nowMs = this.#options.nowMs();
    const found = [];
    for (const family of FAMILIES) {
      if (this.#book.addresses().length === 0) break;
      const set = SETS.denied(family);
      for (const { key, count, expiresInMs } of await this.#elements(set)) {
        const source = formatAddress(addressAt(key, family, 0));
        const containerId = this.#book.ownerOf(source);
        if (containerId === undefined) continue;
        const { protocol, port } = serviceAt(key, family) ?? { protocol: 0, port: 0 };
        const address = formatAddress(addressAt(key, family, 1));
        const what = { kind: 'packet', address, protocol, port } as const;
        const lastAtMs = nowMs - DENIED_MS + (expiresInMs ?? DENIED_MS);
        const denial = { containerId, what, count: Number(count?.packets ?? 0n), lastAtMs };
        found.push({ set, key, source, denial });
      }
    }
    return found;
  }
}

function guardedOf(endpoints: readonly HeldEndpoint[]): readonly GuardedEndpoint[] {
  return endpoints.flatMap(({ endpoint, policies = [] }) => {
    const each = guardedEndpoint(endpoint, policies);
    return each === undefined ? [] : [each];
  });
}

function denialsOf({ denied }: Found): readonly Denial[] {
  return denied.map(({ denial }) => denial);
}

/** An element that is there keeps its time; so it goes, and comes again. */
function planOpening(
  at: nft.TableName,
  { opening, untilMs }: TimedOpening,
  nowMs: number,
): readonly Message[] {
  const { set, key } = openingKey(opening);
  const timeoutMs = Math.max(1, Math.round(untilMs - nowMs));
  return [...removal(at, set, [{ key }]), ...nft.addElements(at, set, [{ key, timeoutMs }])];
}

/** Protocol and port of a key; `undefined`: it has none. */
function serviceAt(key: Uint8Array, family: Family): Opening['service'] {
  const end = 2 * ADDRESS_BYTES[family];
  if (key.length <= end) return undefined;
  return { protocol: key[end] ?? 0, port: ((key[end + 4] ?? 0) << 8) | (key[end + 5] ?? 0) };
}

function addressAt(key: Uint8Array, family: Family, index: 0 | 1): Address {
  const length = ADDRESS_BYTES[family];
  const bytes = key.subarray(index * length, (index + 1) * length);
  return { family, value: bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) };
}
