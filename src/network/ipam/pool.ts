/**
 * Which subnet a new network gets, and which address a new endpoint. Pure: the
 * caller brings what is taken and stores what was chosen in its transaction.
 *
 * **Invariant:** a chosen subnet overlaps no other network and no route of the
 * host; a chosen address is inside the range, not the network's own, not the
 * broadcast address, not taken.
 */

import { EngineError } from '../../base/error.ts';
import {
  bitsOf,
  contains,
  firstOf,
  formatAddress,
  formatNetwork,
  lastOf,
  overlaps,
  parseNetwork,
  type Address,
  type Network,
} from '../../spec/cidr.ts';

/** Where subnets are cut from. */
export interface SubnetPool {
  readonly base: Network;
  /** Bits of each subnet's prefix. */
  readonly subnetBits: number;
}

/** A /24 for each network, away from what home and office networks use most. */
export const DEFAULT_POOLS: readonly SubnetPool[] = [
  { base: parseNetwork('172.17.0.0/16'), subnetBits: 24 },
  { base: parseNetwork('172.18.0.0/15'), subnetBits: 24 },
  { base: parseNetwork('172.20.0.0/14'), subnetBits: 24 },
  { base: parseNetwork('172.24.0.0/13'), subnetBits: 24 },
  { base: parseNetwork('192.168.0.0/16'), subnetBits: 24 },
];

/** The first free subnet of the pools. Errors: `exhausted`. */
export function chooseSubnet(pools: readonly SubnetPool[], taken: readonly Network[]): Network {
  for (const pool of pools) {
    const { family } = pool.base.address;
    const step = 1n << BigInt(bitsOf(family) - pool.subnetBits);
    const inPool = taken.filter((network) => overlaps(network, pool.base));
    for (let value = firstOf(pool.base); value <= lastOf(pool.base); ) {
      const candidate: Network = { address: { family, value }, prefixLength: pool.subnetBits };
      const clash = inPool.find((network) => overlaps(network, candidate));
      if (clash === undefined) return candidate;
      // Jump behind a larger network at once, aligned to the step.
      value = (lastOf(clash) / step + 1n) * step;
    }
  }
  throw new EngineError(
    'exhausted',
    'Cannot choose a subnet: every subnet of the address pools is in use by a network or a route of the host',
    {
      operation: 'network.ipam',
      hint: 'Remove unused networks (carve network prune), give a subnet (--subnet), or configure more address pools',
    },
  );
}

/** A unique local IPv6 /64 made of 40 random bits. Source: RFC 4193 §3.2. */
export function uniqueLocalSubnet(random: Uint8Array): Network {
  let value = 0xfdn;
  for (let index = 0; index < 5; index += 1) value = (value << 8n) | BigInt(random[index] ?? 0);
  return { address: { family: 'ipv6', value: value << 80n }, prefixLength: 64 };
}

/** What an allocation may choose from. */
export interface AddressRange {
  readonly subnet: Network;
  /** Part of `subnet` to choose from; `undefined`: all of it. */
  readonly range?: Network;
  readonly taken: ReadonlySet<bigint>;
  /** The number of an address: the search starts after it, so that a freed address rests a while; `undefined`: from the start. */
  readonly after?: bigint;
}

/** Addresses nobody may have: the network's own and, in IPv4 larger than /31, the broadcast address. */
function isReserved(subnet: Network, value: bigint): boolean {
  const isPointToPoint = bitsOf(subnet.address.family) - subnet.prefixLength <= 1;
  if (isPointToPoint) return false;
  if (value === firstOf(subnet)) return true;
  return subnet.address.family === 'ipv4' && value === lastOf(subnet);
}

/** The next free address. Errors: `exhausted`. */
export function chooseAddress(request: AddressRange): Address {
  const within = request.range ?? request.subnet;
  const { family } = request.subnet.address;
  const first = firstOf(within);
  const last = lastOf(within);
  const start =
    request.after !== undefined && request.after >= first && request.after < last
      ? request.after + 1n
      : first;
  // At most as many steps as there are taken and reserved addresses, whatever the size of the subnet.
  for (
    let value = start, steps = 0n;
    steps <= last - first;
    steps += 1n, value = value === last ? first : value + 1n
  ) {
    if (!isReserved(request.subnet, value) && !request.taken.has(value)) return { family, value };
  }
  throw new EngineError(
    'exhausted',
    `Cannot choose an address: every address of ${formatNetwork(within)} is in use`,
    {
      operation: 'network.ipam',
    },
  );
}

/** Check an address somebody asked for. Errors: `invalid` outside the subnet or reserved, `conflict` when taken. */
export function claimAddress(request: AddressRange, address: Address): Address {
  const text = formatAddress(address);
  if (!contains(request.subnet, address)) {
    throw new EngineError(
      'invalid',
      `Cannot use address ${text}: it is not in subnet ${formatNetwork(request.subnet)}`,
    );
  }
  if (isReserved(request.subnet, address.value)) {
    throw new EngineError(
      'invalid',
      `Cannot use address ${text}: it is the network or broadcast address of ${formatNetwork(request.subnet)}`,
    );
  }
  if (request.taken.has(address.value))
    throw new EngineError('conflict', `Cannot use address ${text}: it is in use`);
  return address;
}
