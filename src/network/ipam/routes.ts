/**
 * The host's routes from procfs text, so that no subnet is chosen that the
 * host reaches otherwise. Pure.
 *
 * Source: proc_net(5): /proc/net/route (hex, host order), /proc/net/ipv6_route.
 */

import { bitsOf, networkOf, type Network } from '../../spec/cidr.ts';

function bitCount(mask: bigint): number {
  let count = 0;
  for (let rest = mask; rest !== 0n; rest &= rest - 1n) count += 1;
  return count;
}

function swapped(hex: string): bigint {
  const bytes = /^(..)(..)(..)(..)$/.exec(hex);
  return bytes === null ? 0n : BigInt(`0x${bytes.slice(1).reverse().join('')}`);
}

/** Destinations in /proc/net/route but the default route. Lines that are none are passed over. */
export function parseRoutes4(text: string): readonly Network[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, destination = '', , , , , , mask = ''] = line.split('\t').map((cell) => cell.trim());
      if (!/^[0-9A-F]{8}$/i.test(destination) || !/^[0-9A-F]{8}$/i.test(mask)) return [];
      const prefixLength = bitCount(swapped(mask));
      return prefixLength === 0
        ? []
        : [networkOf({ family: 'ipv4', value: swapped(destination) }, prefixLength)];
    });
}

/** Destinations in /proc/net/ipv6_route but default, link-local, loopback and multicast. */
export function parseRoutes6(text: string): readonly Network[] {
  return text.split('\n').flatMap((line) => {
    const [destination = '', length = ''] = line.split(/\s+/);
    if (!/^[0-9a-f]{32}$/.test(destination) || !/^[0-9a-f]{2}$/.test(length)) return [];
    const prefixLength = Number.parseInt(length, 16);
    const isSpecial = /^(fe[89ab]|ff)/.test(destination) || BigInt(`0x${destination}`) <= 1n;
    if (prefixLength === 0 || prefixLength > bitsOf('ipv6') || isSpecial) return [];
    return [networkOf({ family: 'ipv6', value: BigInt(`0x${destination}`) }, prefixLength)];
  });
}
