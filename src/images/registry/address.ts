/**
 * Which network an address belongs to, so that a registry cannot make the
 * daemon talk to a machine only the daemon can reach (token realms, redirects,
 * foreign layer URLs). Pure.
 *
 * Source: RFC 6890 special-purpose addresses; weakness classes I4 and I7.
 */

import {
  contains,
  parseNetwork,
  tryParseAddress,
  type Address,
  type Network,
} from '../../spec/cidr.ts';

/** `public` is everything that is none of the others. */
export type AddressScope = 'loopback' | 'private' | 'link-local' | 'unspecified' | 'public';

/** Special IPv4 blocks: first address, prefix length, scope. Source: RFC 6890, RFC 6598. */
const V4_BLOCKS: readonly (readonly [
  address: string,
  prefixLength: number,
  scope: AddressScope,
])[] = [
  ['0.0.0.0', 8, 'unspecified'],
  ['10.0.0.0', 8, 'private'],
  ['100.64.0.0', 10, 'private'],
  ['127.0.0.0', 8, 'loopback'],
  ['169.254.0.0', 16, 'link-local'],
  ['172.16.0.0', 12, 'private'],
  ['192.168.0.0', 16, 'private'],
];
/** Special IPv6 blocks. Source: RFC 4291, RFC 4193. */
const V6_BLOCKS: readonly (readonly [
  address: string,
  prefixLength: number,
  scope: AddressScope,
])[] = [
  ['::', 128, 'unspecified'],
  ['::1', 128, 'loopback'],
  ['fe80::', 10, 'link-local'],
  ['fc00::', 7, 'private'],
];
/** Blocks whose last 32 bits are an IPv4 address: mapped and compatible. */
const EMBEDDED_V4: readonly Network[] = [parseNetwork('::ffff:0:0/96'), parseNetwork('::/96')];

function scopeOfAddress(address: Address): AddressScope {
  const blocks = address.family === 'ipv4' ? V4_BLOCKS : V6_BLOCKS;
  const found = blocks.find(([first, prefixLength]) =>
    contains(parseNetwork(`${first}/${prefixLength}`), address),
  );
  if (found !== undefined) return found[2];
  const isEmbedded =
    address.family === 'ipv6' && EMBEDDED_V4.some((block) => contains(block, address));
  return isEmbedded
    ? scopeOfAddress({ family: 'ipv4', value: address.value & 0xffffffffn })
    : 'public';
}

/** Scope of a literal address; a text that is no address is `public` (it has to be resolved first). */
export function scopeOf(address: string): AddressScope {
  const parsed = tryParseAddress(address.replace(/^\[|\]$/g, '').replace(/%.*$/, ''));
  return parsed === undefined ? 'public' : scopeOfAddress(parsed);
}

/**
 * Whether a URL that a registry named (token realm, redirect) may be reached:
 * its address must be public, or of the scope the registry itself lives in.
 * Link-local and unspecified addresses are never reached this way.
 */
export function mayFollow(target: AddressScope, registry: AddressScope): boolean {
  if (target === 'public') return true;
  if (target === 'link-local' || target === 'unspecified') return false;
  return target === registry || (target === 'private' && registry === 'loopback');
}
