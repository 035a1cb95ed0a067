/**
 * Links of the default bridge (`--link OTHER:ALIAS`): lines of /etc/hosts, since
 * that network tells no names, and variables. Who is linked to must run when a
 * user starts the container; later a line comes and goes with it, the variables stay.
 *
 * Source: Engine API `HostConfig.Links`; engine-api facts 8.
 */

import { EngineError } from '../../base/error.ts';
import type { Endpoint } from '../../network/endpoint.ts';
import { formatAddress } from '../../spec/cidr.ts';
import type { Container } from '../containers/container.ts';
import { hostnameOf } from '../containers/hostname.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { LinkedHost } from '../containers/render-network-files.ts';
import type { EngineParts } from '../parts.ts';
import { parseLink } from './check-links.ts';
import { linkEnvironment } from './link-environment.ts';
import { exposedPorts } from './shown.ts';

const DEFAULT_NETWORK = 'bridge';

interface Link {
  readonly alias: string;
  readonly other: Container;
}

/** Others that are gone are left out. */
function linksOf(parts: Pick<EngineParts, 'containers'>, record: ContainerRecord): readonly Link[] {
  return Object.hasOwn(record.endpoints, DEFAULT_NETWORK) ? readLinks(parts, record) : [];
}

function readLinks(
  parts: Pick<EngineParts, 'containers'>,
  record: ContainerRecord,
): readonly Link[] {
  return (record.hostConfig.Links ?? []).map(parseLink).flatMap(({ container, alias }) => {
    const other = parts.containers.find(container);
    return other === undefined ? [] : [{ alias, other }];
  });
}

/** `HostConfig.Links` as Docker shows it: `/OTHER:/CONTAINER/ALIAS`, of others that are there. */
export function shownLinks(
  parts: Pick<EngineParts, 'containers'>,
  record: ContainerRecord,
): readonly string[] {
  return readLinks(parts, record).map(
    ({ alias, other }) => `/${other.name}:/${record.name}/${alias}`,
  );
}

/** The linked containers that run, with their addresses on the default bridge. */
export function linkedHosts(parts: EngineParts, record: ContainerRecord): readonly LinkedHost[] {
  return linksOf(parts, record).flatMap(({ alias, other }) => {
    const place = placeOf(other);
    const hostname = hostnameOf(parts, other.record);
    return [place?.ipv4, place?.ipv6].flatMap((each) =>
      each === undefined
        ? []
        : [{ address: formatAddress(each.address), alias, hostname, name: other.name }],
    );
  });
}

function placeOf({ endpoints }: Container): Endpoint | undefined {
  return endpoints.find(({ networkName }) => networkName === DEFAULT_NETWORK);
}

/** Variables of the linked containers that run. */
export function linkVariables(
  parts: Pick<EngineParts, 'containers'>,
  record: ContainerRecord,
): readonly string[] {
  return linksOf(parts, record).flatMap(({ alias, other }) => {
    const address = placeOf(other)?.ipv4?.address;
    if (address === undefined) return [];
    return linkEnvironment({
      name: record.name,
      alias,
      address: formatAddress(address),
      ports: exposedPorts(other.record),
      env: other.record.config.Env ?? [],
    });
  });
}

/** The variables are made once, at the start: who is linked to must be there. Errors: `conflict`. */
export function checkLinked(parts: Pick<EngineParts, 'containers'>, record: ContainerRecord): void {
  for (const { alias, other } of linksOf(parts, record)) {
    if (placeOf(other) !== undefined) continue;
    const text = other.isAlive
      ? `Cannot link to /${other.name}, as it does not belong to the default network`
      : `Cannot link to a non running container: /${other.name} AS /${record.name}/${alias}`;
    throw new EngineError('conflict', text);
  }
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
