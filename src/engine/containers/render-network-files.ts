/**
 * /etc/hosts and /etc/resolv.conf of a container on networks, pure.
 *
 * **Invariant:** no value of a request reaches a file with a line break
 * (`check-request.ts` refuses them; security matrix R14).
 *
 * Source: engine-api facts 8; hosts(5), resolv.conf(5).
 */

import { RESOLVER_ADDRESS } from '../../network/plan/resolver.ts';
import { parseResolvConf } from '../../spec/resolv-conf.ts';
import { extraLines, LOCALHOST } from './render-files.ts';

/** Another container by the name that a link gives it. */
export interface LinkedHost {
  readonly address: string;
  readonly alias: string;
  readonly hostname: string;
  /** Without a slash. */
  readonly name: string;
}

/** What /etc/hosts says. */
export interface NetworkHosts {
  /** `name:address`; the address may be `host-gateway`. */
  readonly extraHosts: readonly string[];
  /** What `host-gateway` means: one address, or one of each family. */
  readonly gateways: readonly string[];
  /** The container's addresses, of all its networks in their order. */
  readonly addresses: readonly string[];
  readonly hostname: string;
  /** Empty: none. */
  readonly domainname: string;
  /** Only where names are not told by a name server. */
  readonly links: readonly LinkedHost[];
}

/** Text of /etc/hosts. */
export function renderNetworkHosts(hosts: NetworkHosts): string {
  const { hostname, domainname } = hosts;
  const names = domainname === '' ? hostname : `${hostname}.${domainname} ${hostname}`;
  const lines = [
    ...LOCALHOST,
    ...extraLines(hosts.extraHosts, hosts.gateways),
    ...hosts.links.map(({ address, ...link }) => {
      const known = new Set([link.alias, link.hostname, link.name]);
      return `${address}\t${[...known].join(' ')}`;
    }),
    ...hosts.addresses.map((address) => `${address}\t${names}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** What a request says about name resolution. */
export interface ResolveRequest {
  /** Empty: the host's. */
  readonly servers: readonly string[];
  /** Empty: the host's. A single `.` means none. */
  readonly search: readonly string[];
  /** Empty: the host's. */
  readonly options: readonly string[];
}

const NDOTS = /^ndots:\d+$/;

/** True when the user chose `ndots` above zero: then names without a dot get a search domain before others are asked. */
export function keepsBareNames(options: readonly string[]): boolean {
  return options.some((option) => NDOTS.test(option) && option !== 'ndots:0');
}

/**
 * Text of /etc/resolv.conf where names are told by carve's name server. The
 * lines of comment say, as Docker's do, who is asked for names that are not
 * ours.
 */
export function renderResolverConf(hostText: string, request: ResolveRequest): string {
  const host = parseResolvConf(hostText);
  const isOwnSearch = request.search.length > 0;
  const search = isOwnSearch ? request.search.filter((name) => name !== '.') : host.search;
  const chosen = request.options.length > 0 ? request.options : host.options;
  const hasNdots = chosen.some((option) => NDOTS.test(option));
  const options = hasNdots ? chosen : [...chosen, 'ndots:0'];
  const servers =
    request.servers.length > 0 ? request.servers : host.servers.map((server) => `host(${server})`);
  const overrides = [
    ...(request.servers.length > 0 ? ['nameservers'] : []),
    ...(isOwnSearch ? ['search'] : []),
    ...(request.options.length > 0 ? ['options'] : []),
  ];
  const ndotsFrom = request.options.length > 0 ? 'override' : 'host';
  const lines = [
    '# Written by carve. It may be edited: a file that was is not written again.',
    '',
    `nameserver ${RESOLVER_ADDRESS}`,
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    `options ${options.join(' ')}`,
    '',
    "# Based on host file: '/etc/resolv.conf' (internal resolver)",
    `# ExtServers: [${servers.join(' ')}]`,
    `# Overrides: [${overrides.join(' ')}]`,
    `# Option ndots from: ${hasNdots ? ndotsFrom : 'internal'}`,
  ];
  return `${lines.join('\n')}\n`;
}
