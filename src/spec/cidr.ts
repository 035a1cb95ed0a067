/**
 * Internet addresses and networks ↔ text and bytes, IPv4 and IPv6. Pure.
 *
 * Source: RFC 4632 (CIDR), RFC 4291 and RFC 5952 (IPv6 text).
 */

import { EngineError } from '../base/error.ts';

/** Address family. */
export type Family = 'ipv4' | 'ipv6';

/** One address. */
export interface Address {
  readonly family: Family;
  /** The address as a number of {@link bitsOf} bits. */
  readonly value: bigint;
}

/** A network: `address` has no bits set beyond the prefix. */
export interface Network {
  readonly address: Address;
  /** Bits. */
  readonly prefixLength: number;
}

/** Bits of an address. */
export function bitsOf(family: Family): number {
  return family === 'ipv4' ? 32 : 128;
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    // No leading zero: other readers take it for octal.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  const dotted = /^(.*:)([^:]*\.[^:]*)$/.exec(text);
  if (dotted !== null) {
    const tail = parseV4(dotted[2] ?? '');
    if (tail === undefined) return undefined;
    return parseV6(
      `${dotted[1] ?? ''}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`,
    );
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string): readonly string[] => (half === '' ? [] : half.split(':'));
  const left = groupsOf(halves[0] ?? '');
  const right = groupsOf(halves[1] ?? '');
  const missing = 8 - left.length - right.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array.from({ length: missing }, () => '0'), ...right];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** Text → address; `undefined` when it is none (also with a zone). */
export function tryParseAddress(text: string): Address | undefined {
  const v4 = parseV4(text);
  if (v4 !== undefined) return { family: 'ipv4', value: v4 };
  const v6 = text.includes(':') ? parseV6(text) : undefined;
  return v6 === undefined ? undefined : { family: 'ipv6', value: v6 };
}

/** Text → address. Errors: `invalid`. */
export function parseAddress(text: string): Address {
  const address = tryParseAddress(text);
  if (address === undefined)
    throw new EngineError(
      'invalid',
      `Cannot read address ${JSON.stringify(text.slice(0, 80))}: it is no IPv4 or IPv6 address`,
    );
  return address;
}

/** The canonical text: dotted, or lower-case with the longest run of zeros left out. */
export function formatAddress({ family, value }: Address): string {
  if (family === 'ipv4')
    return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(16 * (7 - index))) & 0xffffn).toString(16),
  );
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === '0') length += 1;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}

/** Network order bytes, 4 or 16. */
export function addressBytes({ family, value }: Address): Uint8Array {
  const count = bitsOf(family) / 8;
  return Uint8Array.from({ length: count }, (_, index) =>
    Number((value >> BigInt(8 * (count - 1 - index))) & 0xffn),
  );
}

function hostMask(family: Family, prefixLength: number): bigint {
  return (1n << BigInt(bitsOf(family) - prefixLength)) - 1n;
}

/** The network an address with a prefix lies in. */
export function networkOf(address: Address, prefixLength: number): Network {
  const mask = hostMask(address.family, prefixLength);
  return { address: { family: address.family, value: address.value & ~mask }, prefixLength };
}

/** An address inside a network of this prefix length (bits). */
export interface PrefixedAddress {
  readonly address: Address;
  /** Bits. */
  readonly prefixLength: number;
}

/** `address/prefix` → both; host bits are kept in `address`. Errors: `invalid`. */
export function parsePrefixed(text: string): PrefixedAddress {
  const slash = text.indexOf('/');
  const address = tryParseAddress(slash < 0 ? '' : text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (
    address === undefined ||
    !/^\d{1,3}$/.test(digits) ||
    Number(digits) > bitsOf(address.family)
  ) {
    throw new EngineError(
      'invalid',
      `Cannot read subnet ${JSON.stringify(text.slice(0, 80))}: it is not ADDRESS/BITS`,
    );
  }
  return { address, prefixLength: Number(digits) };
}

/** Text → network. Errors: `invalid`, also when host bits are set (the message names the network that was meant). */
export function parseNetwork(text: string): Network {
  const { address, prefixLength } = parsePrefixed(text);
  const network = networkOf(address, prefixLength);
  if (network.address.value !== address.value) {
    throw new EngineError(
      'invalid',
      `Cannot use subnet ${text}: it has host bits set (${formatNetwork(network)} was meant?)`,
    );
  }
  return network;
}

/** `address/prefix`. */
export function formatNetwork(network: Network): string {
  return `${formatAddress(network.address)}/${network.prefixLength}`;
}

/** First address, the network's own. */
export function firstOf(network: Network): bigint {
  return network.address.value;
}

/** Last address, IPv4's broadcast. */
export function lastOf(network: Network): bigint {
  return network.address.value | hostMask(network.address.family, network.prefixLength);
}

/** Whether the network has this address. */
export function contains(network: Network, address: Address): boolean {
  return (
    address.family === network.address.family &&
    address.value >= firstOf(network) &&
    address.value <= lastOf(network)
  );
}

/** Whether two networks share an address. */
export function overlaps(a: Network, b: Network): boolean {
  return (
    a.address.family === b.address.family && firstOf(a) <= lastOf(b) && firstOf(b) <= lastOf(a)
  );
}
