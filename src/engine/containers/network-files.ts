/**
 * The three files of a container that carve writes and binds over the image's:
 * hosts, hostname, resolv.conf. They are carve's own, in its run directory,
 * which is memory on nearly every machine; the container may edit them, and its
 * edits last until it is removed or the machine restarts.
 *
 * Source: engine-api facts 8.
 */

import { existsSync, writeFileSync } from 'node:fs';
import { diskError } from '../../kernel/disk-error.ts';
import type { EngineParts } from '../parts.ts';
import type { Endpoint } from '../../network/endpoint.ts';
import { formatAddress } from '../../spec/cidr.ts';
import type { Container } from './container.ts';
import { hostnameOf } from './hostname.ts';
import { runDirOf } from './paths.ts';
import type { ContainerRecord } from './record.ts';
import { linkedHosts } from '../networks/links.ts';
import { renderHosts } from './render-files.ts';
import { renderNetworkHosts } from './render-network-files.ts';
import { writeResolvConf } from './resolv-conf-file.ts';
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

/** Write the files that are not there yet; `hosts` at every start that brings addresses; `resolv.conf` until it is edited. Another container's are left alone. */
export function ensureNetworkFiles(parts: EngineParts, container: Container): FileSources {
  const { record, endpoints } = container;
  const files = fileSourceOf(parts, record);
  if (referredContainer(record.hostConfig.NetworkMode) !== undefined) return files;
  // The last one written: when it is there, all are.
  const isThere = record.state.startedAtNs !== 0n && existsSync(files.resolvConf);
  if (!isThere || endpoints.length > 0) writeHosts(parts, container);
  const name = hostnameOf(parts, record);
  const hostname = `${name === '' ? parts.host.hostName : name}\n`;
  if (!isThere) writeFileSync(files.hostname, hostname, { mode: 0o644 });
  writeResolvConf(parts, container, files.resolvConf);
  return files;
}

/** Its own addresses, its links, and the names its user gave. Written in place: the container has it mounted. */
export function writeHosts(parts: EngineParts, container: Container): void {
  const { record, endpoints } = container;
  const { ExtraHosts, NetworkMode } = record.hostConfig;
  const extraHosts = ExtraHosts ?? [];
  const addresses = endpoints.flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((each) => (each === undefined ? [] : [formatAddress(each.address)])),
  );
  const gateways = gatewaysOf(endpoints);
  const text =
    NetworkMode === 'host'
      ? renderHosts({ hostText: parts.host.readHosts(), extraHosts, gateways })
      : renderNetworkHosts({
          extraHosts,
          gateways,
          addresses,
          hostname: hostnameOf(parts, record),
          domainname: record.config.Domainname ?? '',
          links: linkedHosts(parts, record),
        });
  try {
    writeFileSync(fileSourceOf(parts, record).hosts, text, { mode: 0o644 });
  } catch (error) {
    throw diskError(`Cannot write /etc/hosts of container ${record.name}`, error);
  }
}

/** The host as the container reaches it: `host-gateway`. */
function gatewaysOf(endpoints: readonly Endpoint[]): readonly string[] {
  const ways = [
    endpoints.find(({ isDefault4 }) => isDefault4)?.ipv4?.gateway,
    endpoints.find(({ isDefault6 }) => isDefault6)?.ipv6?.gateway,
  ];
  const known = ways.flatMap((way) => (way === undefined ? [] : [formatAddress(way)]));
  return known.length > 0 ? known : ['127.0.0.1'];
}
