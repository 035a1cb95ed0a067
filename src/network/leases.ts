/**
 * Who has which address of which network, in memory: an address is taken as
 * long as a process uses it, and processes are found again after a restart with
 * their endpoints, so nothing is stored and nothing can be lost.
 *
 * **Invariant:** no address is given twice; a network's gateway and reserved
 * addresses are given to nobody.
 */

import { formatAddress, formatNetwork, type Address, type Family } from '../spec/cidr.ts';
import { EngineError, isEngineError } from '../base/error.ts';
import { chooseAddress, claimAddress } from './ipam/pool.ts';
import type { EndpointAddress } from './endpoint.ts';
import type { NetworkRecord, NetworkSubnet } from './store.ts';

/** Addresses one endpoint asked for; absent: any. */
export interface AddressWish {
  readonly ipv4?: Address;
  readonly ipv6?: Address;
}

/** What an endpoint got. */
export interface AddressLease {
  readonly ipv4: EndpointAddress | undefined;
  readonly ipv6: EndpointAddress | undefined;
}

/** Taken addresses of one network. */
interface Book {
  readonly taken: Set<bigint>;
  /** The last one given, by the text of its subnet. */
  readonly after: Map<string, bigint>;
}

/** The addresses of every network of one engine. */
export class AddressBook {
  readonly #books = new Map<string, Record<Family, Book>>();

  /** Give an endpoint its addresses. Errors: `exhausted`; `invalid` or `conflict` for one that was asked for. */
  take(network: NetworkRecord, wish: AddressWish): AddressLease {
    const ipv4 = network.hasIpv4 ? this.#takeOne(network, 'ipv4', wish.ipv4) : undefined;
    try {
      const ipv6 = network.hasIpv6 ? this.#takeOne(network, 'ipv6', wish.ipv6) : undefined;
      return { ipv4, ipv6 };
    } catch (error) {
      this.giveBack(network.id, { ipv4, ipv6: undefined });
      throw error;
    }
  }

  /** Mark what a container that was found again has. */
  adopt(networkId: string, lease: AddressLease): void {
    for (const { address } of addressesOf(lease))
      this.#book(networkId, address.family).taken.add(address.value);
  }

  /** Idempotent. */
  giveBack(networkId: string, lease: AddressLease): void {
    for (const { address } of addressesOf(lease))
      this.#book(networkId, address.family).taken.delete(address.value);
  }

  /** The network is gone. */
  forget(networkId: string): void {
    this.#books.delete(networkId);
  }

  #takeOne(
    network: NetworkRecord,
    family: Family,
    wish: Address | undefined,
  ): EndpointAddress | undefined {
    const subnets = network.subnets.filter(({ subnet }) => subnet.address.family === family);
    const book = this.#book(network.id, family);
    const given = wish === undefined ? chooseIn(subnets, book) : claimIn(subnets, book, wish);
    if (given === undefined) return undefined;
    const { subnet, address } = given;
    book.taken.add(address.value);
    if (wish === undefined) book.after.set(formatNetwork(subnet.subnet), address.value);
    return {
      address,
      prefixLength: subnet.subnet.prefixLength,
      gateway: network.isInternal ? undefined : subnet.gateway,
    };
  }

  #book(networkId: string, family: Family): Book {
    let books = this.#books.get(networkId);
    if (books === undefined) {
      books = { ipv4: emptyBook(), ipv6: emptyBook() };
      this.#books.set(networkId, books);
    }
    return books[family];
  }
}

interface Given {
  readonly subnet: NetworkSubnet;
  readonly address: Address;
}

function emptyBook(): Book {
  return { taken: new Set(), after: new Map() };
}

function addressesOf(lease: AddressLease): readonly EndpointAddress[] {
  return [lease.ipv4, lease.ipv6].filter((address) => address !== undefined);
}

/** The first subnet that has one free. */
function chooseIn(subnets: readonly NetworkSubnet[], book: Book): Given | undefined {
  let failure: Error | undefined;
  for (const subnet of subnets) {
    try {
      const after = book.after.get(formatNetwork(subnet.subnet));
      const address = chooseAddress({
        ...rangeOf(subnet, book),
        ...(after === undefined ? {} : { after }),
      });
      return { subnet, address };
    } catch (error) {
      if (!isEngineError(error) || error.kind !== 'exhausted') throw error;
      failure = error;
    }
  }
  if (failure !== undefined) throw failure;
  return undefined;
}

function claimIn(subnets: readonly NetworkSubnet[], book: Book, wish: Address): Given {
  let failure: Error = new EngineError(
    'invalid',
    `Cannot use address ${formatAddress(wish)}: the network has no subnet of its family`,
  );
  for (const subnet of subnets) {
    try {
      const { range: _, ...whole } = rangeOf(subnet, book);
      return { subnet, address: claimAddress(whole, wish) };
    } catch (error) {
      if (!isEngineError(error) || error.kind !== 'invalid') throw error;
      failure = error;
    }
  }
  throw failure;
}

function rangeOf(
  { subnet, range, gateway, reserved }: NetworkSubnet,
  book: Book,
): Parameters<typeof chooseAddress>[0] {
  const fixed = [gateway, ...Object.values(reserved)].map(({ value }) => value);
  return {
    subnet,
    ...(range === undefined ? {} : { range }),
    taken: new Overlay(book.taken, new Set(fixed)),
  };
}

/** Two sets as one, without a copy: a subnet may have tens of thousands taken. */
class Overlay extends Set<bigint> {
  readonly #parts: readonly ReadonlySet<bigint>[];

  constructor(...parts: readonly ReadonlySet<bigint>[]) {
    super();
    this.#parts = parts;
  }

  override has(value: bigint): boolean {
    return this.#parts.some((part) => part.has(value));
  }
}
