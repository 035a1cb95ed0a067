/**
 * What rules of the table are made of: where addresses stand in a packet, and
 * matches that several chains share. Pure.
 */

import * as expression from '../kernel/nft/expression.ts';
import { u32 } from '../kernel/netlink/message.ts';
import type { Address, Family } from '../spec/cidr.ts';

/** Both families. */
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
/** How the sets of a family end. */
export const SUFFIX: Readonly<Record<Family, '4' | '6'>> = { ipv4: '4', ipv6: '6' };
const NFPROTO: Readonly<Record<Family, number>> = { ipv4: 2, ipv6: 10 };
/** Where the source stands in the network header, in bytes. */
export const SOURCE_OFFSET: Readonly<Record<Family, number>> = { ipv4: 12, ipv6: 8 };
/** Where the destination stands in the network header, in bytes. */
export const DESTINATION_OFFSET: Readonly<Record<Family, number>> = { ipv4: 16, ipv6: 24 };
/** Bytes of an address. */
export const ADDRESS_BYTES: Readonly<Record<Family, number>> = { ipv4: 4, ipv6: 16 };

const { REG32 } = expression;

/** A link name as the kernel compares it: 16 bytes, NUL filled. */
export function linkKey(link: string): Uint8Array {
  const key = new Uint8Array(16);
  key.set(new TextEncoder().encode(link).subarray(0, 15));
  return key;
}

/** `02:42:…` as six bytes. Precondition: it is a MAC address. */
export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), (pair) => Number.parseInt(pair, 16));
}

/** The address that a link with this MAC gives itself: fe80::/64 and its modified EUI-64. Source: RFC 4291 appendix A. */
export function linkLocalOf(mac: Uint8Array): Address {
  const [first = 0, ...rest] = mac;
  const bytes = [first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0xfe80n << 48n);
  return { family: 'ipv6', value };
}

/** Go on with packets of the family. */
export function isFamily(family: Family): expression.Expression[] {
  return [expression.meta('nfproto'), expression.compare('eq', Uint8Array.of(NFPROTO[family]))];
}

/** Number of 32-bit registers an address takes. */
export function registersOf(family: Family): number {
  return ADDRESS_BYTES[family] / 4;
}

/** Go on when the connection has one of these bits. */
export function conntrackHas(key: 'state' | 'status', bits: number): expression.Expression[] {
  return [
    expression.conntrack(key),
    expression.maskRegister(u32(bits)),
    expression.compare('neq', u32(0)),
  ];
}

/** Both ends of the packet's way are the same bridge; `invert`: they are not. */
export function samePair(options: { readonly invert?: boolean } = {}): expression.Expression[] {
  return [
    expression.meta('iifname', REG32),
    expression.meta('oifname', REG32 + 4),
    expression.lookup('pairs', REG32, options),
  ];
}

/** The address that a packet is for. */
export function loadDestination(family: Family, register: number = REG32): expression.Expression {
  const field = { offsetBytes: DESTINATION_OFFSET[family], lengthBytes: ADDRESS_BYTES[family] };
  return expression.payload({ base: 'network', ...field }, register);
}

/** Protocol and port behind an address in {@link REG32}. */
export function loadService(family: Family): expression.Expression[] {
  const count = registersOf(family);
  return [
    expression.meta('l4proto', REG32 + count),
    expression.payload({ base: 'transport', offsetBytes: 2, lengthBytes: 2 }, REG32 + count + 1),
  ];
}
