/**
 * Which network an address belongs to, so that a registry cannot make the
 * daemon talk to a machine only the daemon can reach (token realms, redirects,
 * foreign layer URLs). Pure.
 *
 * Source: RFC 6890 special-purpose addresses; weakness classes I4 and I7.
 */

import { isIP } from 'node:net';

/** `public` is everything that is none of the others. */
export type AddressScope = 'loopback' | 'private' | 'link-local' | 'unspecified' | 'public';

function scopeOfV4(address: string): AddressScope {
  const [a = 0, b = 0] = address.split('.').map(Number);
  if (a === 127) return 'loopback';
  if (a === 0) return 'unspecified';
  if (a === 169 && b === 254) return 'link-local';
  if (a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168)) return 'private';
  if (a === 100 && b >= 64 && b <= 127) return 'private';
  return 'public';
}

/** The eight 16-bit groups of an IPv6 address without a zone. */
function groupsOfV6(address: string): readonly number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const text =
    dotted === null
      ? address
      : `${dotted[1] ?? ''}${(Number(dotted[2]) * 256 + Number(dotted[3])).toString(16)}:${(Number(dotted[4]) * 256 + Number(dotted[5])).toString(16)}`;
  const [head = '', tail] = text.split('::');
  const parse = (part: string): number[] => (part === '' ? [] : part.split(':').map((g) => Number.parseInt(g, 16)));
  const left = parse(head);
  if (tail === undefined) return left;
  const right = parse(tail);
  return [...left, ...new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0), ...right];
}

function scopeOfV6(address: string): AddressScope {
  const groups = groupsOfV6(address.replace(/%.*$/, ''));
  const [first = 0] = groups;
  const leadingZeros = groups.slice(0, 5).every((group) => group === 0);
  const [sixth = 0, seventh = 0, eighth = 0] = groups.slice(5);
  if (leadingZeros && (sixth === 0xffff || (sixth === 0 && seventh !== 0))) {
    return scopeOfV4(`${seventh >> 8}.${seventh & 255}.${eighth >> 8}.${eighth & 255}`);
  }
  if (leadingZeros && sixth === 0 && seventh === 0) {
    if (eighth === 1) return 'loopback';
    if (eighth === 0) return 'unspecified';
  }
  if (first >= 0xfe80 && first <= 0xfebf) return 'link-local';
  if (first >= 0xfc00 && first <= 0xfdff) return 'private';
  return 'public';
}

/** Scope of a literal address; a text that is no address is `public` (it has to be resolved first). */
export function scopeOf(address: string): AddressScope {
  const bare = address.replace(/^\[|\]$/g, '');
  switch (isIP(bare.replace(/%.*$/, ''))) {
    case 4:
      return scopeOfV4(bare);
    case 6:
      return scopeOfV6(bare);
    default:
      return 'public';
  }
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
