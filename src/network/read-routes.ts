/** The host's routes as they are now. Source: proc_net(5), ip-sysctl.rst. */

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import type { Network } from '../spec/cidr.ts';
import { parseRoutes4, parseRoutes6 } from './ipam/routes.ts';

/** Destinations of both families, default routes left out; of a family the kernel does not have: none. */
export function readRoutes(procNet = '/proc/net'): readonly Network[] {
  return [
    ...parseRoutes4(readText(`${procNet}/route`)),
    ...parseRoutes6(readText(`${procNet}/ipv6_route`)),
  ];
}

/** True when the host passes IPv4 packets between its links. */
export function isForwarding(): boolean {
  return readText('/proc/sys/net/ipv4/ip_forward').trim() === '1';
}

/** True when there is such a link. A name is enough: one that is made again has another number. */
export function isLinkThere(link: string): boolean {
  return existsSync(`/proc/sys/net/ipv4/conf/${link}`);
}

/** Names of all links of the host. */
export function readLinks(): ReadonlySet<string> {
  return new Set(readdirSync('/proc/sys/net/ipv4/conf'));
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
