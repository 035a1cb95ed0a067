/**
 * What the name server knows of a container, from its endpoints. Pure but for
 * the directory that it writes.
 *
 * Source: engine-api facts 8: the default bridge has no names, only links.
 */

import type {
  ClientSettings,
  Membership,
  NameDirectory,
  ServedPort,
} from '../../network/dns/directory.ts';
import type { NetworkRecord } from '../../network/store.ts';
import type { Address } from '../../spec/cidr.ts';
import { keepsBareNames } from '../containers/render-network-files.ts';

/** A place on a network, as far as names go. */
export interface NamedEndpoint {
  readonly networkId: string;
  readonly networkName: string;
  readonly ipv4: { readonly address: Address } | undefined;
  readonly ipv6: { readonly address: Address } | undefined;
  /** What it answers to there: its name first, then aliases. */
  readonly names: readonly string[];
}

/** A container, as far as names go. */
export interface NamedContainer {
  readonly id: string;
  /** First the one whose answer counts when a name is on several networks. */
  readonly endpoints: readonly NamedEndpoint[];
  /** `--dns`. */
  readonly servers: readonly string[];
  /** `--dns-option`. */
  readonly options: readonly string[];
  /** `--link`, resolved. */
  readonly links: readonly { readonly alias: string; readonly containerId: string }[];
  /** What it serves, on every network. */
  readonly ports: readonly ServedPort[];
}

/** True when names are told on a network: not on the default bridge. */
export function hasNames(network: NetworkRecord): boolean {
  return !network.isPredefined;
}

function membershipOf(
  { id: containerId, ports }: NamedContainer,
  endpoint: NamedEndpoint,
): Membership {
  const { networkId, networkName, names, ipv4, ipv6 } = endpoint;
  const addresses = [ipv4, ipv6].flatMap((each) => (each === undefined ? [] : [each.address]));
  return { networkId, networkName, containerId, names, addresses, ports };
}

/** Make the directory say what is true of the container now, whatever it said before. */
export function tellNames(
  directory: NameDirectory,
  container: NamedContainer,
  findNetwork: (id: string) => NetworkRecord | undefined,
): void {
  const { id, endpoints, servers, options, links } = container;
  directory.forget(id);
  const known = endpoints.flatMap((endpoint) => {
    const network = findNetwork(endpoint.networkId);
    return network === undefined ? [] : [{ endpoint, network }];
  });
  const settings: ClientSettings = {
    networks: known.map(({ network }) => ({
      networkId: network.id,
      isInternal: network.isInternal,
      subnets: network.subnets.map(({ subnet }) => subnet),
    })),
    servers,
    links,
    keepsBareNames: keepsBareNames(options),
  };
  directory.setClient(id, settings);
  for (const { endpoint, network } of known) {
    if (hasNames(network)) directory.join(membershipOf(container, endpoint));
  }
}
