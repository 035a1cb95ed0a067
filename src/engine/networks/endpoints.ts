/** Who is on a network now. */

import type { EndpointResource } from '../../spec/docker/network.ts';
import type { EndpointAddress } from '../../network/endpoint.ts';
import { formatAddress } from '../../spec/cidr.ts';
import type { EngineParts } from '../parts.ts';

/** Running containers on the network, by id, and those about to run that have their address already. */
export function endpointsOn(
  parts: EngineParts,
  networkId: string,
): Readonly<Record<string, EndpointResource>> {
  const found: Record<string, EndpointResource> = {};
  for (const container of parts.containers.all()) {
    const endpoint = container.endpoints.find((each) => each.networkId === networkId);
    if (endpoint === undefined) continue;
    found[container.id] = {
      Name: container.name,
      EndpointID: endpoint.id,
      MacAddress: endpoint.mac,
      IPv4Address: prefixed(endpoint.ipv4),
      IPv6Address: prefixed(endpoint.ipv6),
    };
  }
  return found;
}

function prefixed(address: EndpointAddress | undefined): string {
  return address === undefined ? '' : `${formatAddress(address.address)}/${address.prefixLength}`;
}
