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

/** Write the files that are not there yet. Another container's are left alone. */
export function ensureNetworkFiles(parts: EngineParts, record: ContainerRecord): FileSources {
  const files = fileSourceOf(parts, record);
  if (referredContainer(record.hostConfig.NetworkMode) !== undefined) return files;
  // The last one written: when it is there, all are.
  if (record.state.startedAtNs !== 0n && existsSync(files.resolvConf)) return files;
  const isHostNetwork = record.hostConfig.NetworkMode === 'host';
  const { ExtraHosts, Dns, DnsSearch, DnsOptions } = record.hostConfig;
  writeFileSync(
    files.hosts,
    renderHosts({
      hostText: isHostNetwork ? parts.host.readHosts() : undefined,
      extraHosts: ExtraHosts ?? [],
    }),
    { mode: 0o644 },
  );
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
