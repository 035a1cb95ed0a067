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

/** `h:ip` entries as `ip\th` lines. */
export function extraLines(extraHosts: readonly string[]): readonly string[] {
  return extraHosts.map((entry) => {
    const at = entry.indexOf(':');
    return `${entry.slice(at + 1).replace(/^\[|\]$/g, '')}\t${entry.slice(0, at)}`;
  });
}

/** `hostText`: the host's own file, for the host's network. `extraHosts`: `name:address`. */
export function renderHosts(options: {
  readonly hostText: string | undefined;
  readonly extraHosts: readonly string[];
  /** Its addresses on networks, each of which has all the names. Default: none. */
  readonly own?: { readonly addresses: readonly string[]; readonly names: readonly string[] };
}): string {
  const base = options.hostText ?? `${LOCALHOST.join('\n')}\n`;
  const whole = base === '' || base.endsWith('\n') ? base : `${base}\n`;
  const { addresses, names } = options.own ?? { addresses: [], names: [] };
  const ownLines = addresses.map((address) => `${address}\t${names.join(' ')}`);
  const lines = [...extraLines(options.extraHosts), ...ownLines];
  return whole + lines.map((line) => `${line}\n`).join('');
}

/** What a request says about name resolution. */
export interface ResolveOptions {
  readonly servers: readonly string[];
  /** A single `.` means none. */
  readonly search: readonly string[];
  readonly options: readonly string[];
  /** Loopback resolvers of the host work: it is the host's network. */
  readonly isHostNetwork: boolean;
}

/** From the host's file; each part of the request replaces that part. */
export function renderResolvConf(hostText: string, request: ResolveOptions): string {
  const host = parseResolvConf(hostText);
  const reachable = request.isHostNetwork
    ? host.servers
    : host.servers.filter((ip) => !isLoopback(ip));
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
