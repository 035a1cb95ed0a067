/**
 * The three files of a container that carve writes and binds over the image's:
 * hosts, hostname, resolv.conf. They are carve's own, in its run directory,
 * which is memory on nearly every machine; the container may edit them, and its
 * edits last until it is removed or the machine restarts.
 *
 * Source: engine-api facts 8.
 */

import { existsSync, writeFileSync } from 'node:fs';
import type { EngineParts } from '../parts.ts';
import type { Endpoint } from '../../network/endpoint.ts';
import { formatAddress } from '../../spec/cidr.ts';
import type { Container } from './container.ts';
import { hostnameOf } from './hostname.ts';
import { runDirOf } from './paths.ts';
import type { ContainerRecord } from './record.ts';
import { renderHosts, renderResolvConf } from './render-files.ts';
import { referredContainer } from './resolve-references.ts';

/** Host paths of the three files. */
export interface FileSources {
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
}

/** Whose files a container sees: its own, or those of the container whose network it shares. */
export function fileSourceOf(
  parts: Pick<EngineParts, 'paths'>,
  record: ContainerRecord,
): FileSources {
  const owner = referredContainer(record.hostConfig.NetworkMode) ?? record.id;
  const directory = runDirOf(parts.paths, owner);
  return {
    hosts: `${directory}/hosts`,
    hostname: `${directory}/hostname`,
    resolvConf: `${directory}/resolv.conf`,
  };
}

/** Write the files that are not there yet; `hosts` at every start that brings addresses. Another container's are left alone. */
export function ensureNetworkFiles(parts: EngineParts, container: Container): FileSources {
  const { record, endpoints } = container;
  const files = fileSourceOf(parts, record);
  if (referredContainer(record.hostConfig.NetworkMode) !== undefined) return files;
  // The last one written: when it is there, all are.
  const isThere = record.state.startedAtNs !== 0n && existsSync(files.resolvConf);
  if (!isThere || endpoints.length > 0) writeHosts(parts, container);
  if (isThere) return files;
  const isHostNetwork = record.hostConfig.NetworkMode === 'host';
  const { Dns, DnsSearch, DnsOptions } = record.hostConfig;
  const name = hostnameOf(parts, record);
  writeFileSync(files.hostname, `${name === '' ? parts.host.hostName : name}\n`, { mode: 0o644 });
  const resolv = renderResolvConf(parts.host.readResolvConf(), {
    servers: Dns ?? [],
    search: DnsSearch ?? [],
    options: DnsOptions ?? [],
    isHostNetwork,
  });
  writeFileSync(files.resolvConf, resolv, { mode: 0o644 });
  return files;
}

/** Its own addresses, and the names its user gave. Written in place: the container has it mounted. */
export function writeHosts(parts: EngineParts, container: Container): void {
  const { record, endpoints } = container;
  const isHostNetwork = record.hostConfig.NetworkMode === 'host';
  const addresses = endpoints.flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((each) => (each === undefined ? [] : [formatAddress(each.address)])),
  );
  const hostname = hostnameOf(parts, record);
  const domain = record.config.Domainname ?? '';
  const text = renderHosts({
    hostText: isHostNetwork ? parts.host.readHosts() : undefined,
    extraHosts: (record.hostConfig.ExtraHosts ?? []).map((entry) => gatewayFor(entry, endpoints)),
    own: { addresses, names: domain === '' ? [hostname] : [`${hostname}.${domain}`, hostname] },
  });
  writeFileSync(fileSourceOf(parts, record).hosts, text, { mode: 0o644 });
}

const HOST_GATEWAY = /:host-gateway$/;

/** `name:host-gateway` means the host as the container reaches it. */
function gatewayFor(entry: string, endpoints: readonly Endpoint[]): string {
  if (!HOST_GATEWAY.test(entry)) return entry;
  const way = endpoints.find(({ isDefault4 }) => isDefault4)?.ipv4?.gateway;
  const address = way === undefined ? '127.0.0.1' : formatAddress(way);
  return entry.replace(HOST_GATEWAY, `:${address}`);
}
