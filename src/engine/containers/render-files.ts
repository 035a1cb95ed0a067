/**
 * Text of /etc/hosts, /etc/hostname and /etc/resolv.conf of a container, pure.
 *
 * **Invariant:** no value of a request reaches a file with a line break
 * (`check-request.ts` refuses them; security matrix R14).
 *
 * Source: engine-api facts 8; hosts(5), resolv.conf(5).
 */

import { parseResolvConf } from '../../spec/resolv-conf.ts';

/** Lines every own network namespace has. Source: Docker's. */
export const LOCALHOST: readonly string[] = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];
/** Resolvers when the host names none that a container could reach. Source: Docker's. */
const FALLBACK_SERVERS = ['8.8.8.8', '8.8.4.4'];

/** Docker's word for the host as the container reaches it. */
const HOST_GATEWAY = 'host-gateway';

/** `name:address` entries as lines; `host-gateway` is a line for each gateway. */
export function extraLines(
  extraHosts: readonly string[],
  gateways: readonly string[],
): readonly string[] {
  return extraHosts.flatMap((entry) => {
    const at = entry.indexOf(':');
    const address = entry.slice(at + 1).replace(/^\[|\]$/g, '');
    const addresses = address === HOST_GATEWAY ? gateways : [address];
    return addresses.map((each) => `${each}\t${entry.slice(0, at)}`);
  });
}

/** What a container on the host's network says in /etc/hosts. */
export interface HostHosts {
  /** The host's own file. */
  readonly hostText: string;
  /** `name:address`; the address may be `host-gateway`. */
  readonly extraHosts: readonly string[];
  /** What `host-gateway` means. */
  readonly gateways: readonly string[];
}

/** The host's text and what was added. */
export function renderHosts({ hostText, extraHosts, gateways }: HostHosts): string {
  const whole = hostText === '' || hostText.endsWith('\n') ? hostText : `${hostText}\n`;
  return (
    whole +
    extraLines(extraHosts, gateways)
      .map((line) => `${line}\n`)
      .join('')
  );
}

/** What a request says about name resolution. */
export interface ResolveOptions {
  readonly servers: readonly string[];
  /** A single `.` means none. */
  readonly search: readonly string[];
  readonly options: readonly string[];
  /** Loopback resolvers of the host work: it is the host's network. */
  readonly isHostNetwork: boolean;
  /** The container has an IPv6 address: resolvers of that family can be asked. */
  readonly hasIpv6: boolean;
}

/** From the host's file; each part of the request replaces that part. */
export function renderResolvConf(hostText: string, request: ResolveOptions): string {
  const host = parseResolvConf(hostText);
  const reachable = request.isHostNetwork
    ? host.servers
    : host.servers.filter((ip) => !isLoopback(ip) && (request.hasIpv6 || !ip.includes(':')));
  const own = request.servers.length > 0 ? request.servers : reachable;
  const servers = own.length > 0 ? own : FALLBACK_SERVERS;
  const search =
    request.search.length > 0 ? request.search.filter((name) => name !== '.') : host.search;
  const options = request.options.length > 0 ? request.options : host.options;
  const lines = servers.map((server) => `nameserver ${server}`);
  if (search.length > 0) lines.push(`search ${search.join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return `${lines.join('\n')}\n`;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.');
}
