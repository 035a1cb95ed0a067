/**
 * Links of the default bridge (`--link OTHER:ALIAS`): lines of /etc/hosts, since
 * that network tells no names. A linked container that does not run has none; it
 * has one as soon as it runs.
 *
 * Source: Engine API `HostConfig.Links`; engine-api facts 8.
 */

import { formatAddress } from '../../spec/cidr.ts';
import type { Container } from '../containers/container.ts';
import { hostnameOf } from '../containers/hostname.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { LinkedHost } from '../containers/render-network-files.ts';
import type { EngineParts } from '../parts.ts';

const DEFAULT_NETWORK = 'bridge';

interface Link {
  readonly alias: string;
  readonly other: Container;
}

/** `name:alias`, or a name alone. Others that are gone are left out. */
function linksOf(parts: Pick<EngineParts, 'containers'>, record: ContainerRecord): readonly Link[] {
  if (!Object.hasOwn(record.endpoints, DEFAULT_NETWORK)) return [];
  return (record.hostConfig.Links ?? []).flatMap((link) => {
    const [ref = '', alias = ref] = link.replace(/^\//, '').split(':');
    const other = parts.containers.find(ref);
    return other === undefined ? [] : [{ alias: alias.split('/').at(-1) ?? alias, other }];
  });
}

/** The linked containers that run, with their addresses on the default bridge. */
export function linkedHosts(parts: EngineParts, record: ContainerRecord): readonly LinkedHost[] {
  return linksOf(parts, record).flatMap(({ alias, other }) => {
    const place = other.endpoints.find(({ networkName }) => networkName === DEFAULT_NETWORK);
    const hostname = hostnameOf(parts, other.record);
    return [place?.ipv4, place?.ipv6].flatMap((each) =>
      each === undefined
        ? []
        : [{ address: formatAddress(each.address), alias, hostname, name: other.name }],
    );
  });
}

/** Containers that run and link to this one. */
export function linkersOf(parts: EngineParts, container: Container): readonly Container[] {
  return [...parts.containers.all()].filter(
    (each) =>
      each.live !== undefined &&
      (each.record.hostConfig.Links ?? []).length > 0 &&
      linksOf(parts, each.record).some(({ other }) => other === container),
  );
}
