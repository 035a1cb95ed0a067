/** A bridge network, its endpoints and their ports, plain: what a test is about it says itself. */

import type { Endpoint, EndpointPort } from '../../src/network/endpoint.ts';
import type { NetworkedEndpoint } from '../../src/network/fabric.ts';
import type { NetworkRecord } from '../../src/network/store.ts';
import { parseAddress } from '../../src/spec/cidr.ts';

/** Without subnets, with IPv4 alone. */
export const NETWORK: NetworkRecord = {
  id: 'ab'.repeat(32),
  name: 'web',
  driver: 'bridge',
  createdAtNs: 0n,
  isInternal: false,
  isAttachable: false,
  hasIpv4: true,
  hasIpv6: false,
  subnets: [],
  isPredefined: false,
  ipamOptions: {},
  options: {},
  labels: {},
};

/** An endpoint on {@link NETWORK}; `hostLink`: its end on the host, empty for none. */
export function seatOn(hostLink: string, more: Partial<Endpoint> = {}): NetworkedEndpoint {
  const endpoint: Endpoint = {
    id: hostLink,
    networkId: NETWORK.id,
    networkName: NETWORK.name,
    interfaceName: 'eth0',
    hostLink,
    index: 2,
    mac: '02:00:00:00:00:01',
    ipv4: undefined,
    ipv6: undefined,
    isDefault4: false,
    isDefault6: false,
    names: [],
    ports: [],
    ...more,
  };
  return { endpoint, network: NETWORK };
}

/** Port 80 of TCP at 172.18.0.2, on every IPv4 address of the host. */
export function publishedPort(hostPort: number): EndpointPort {
  return {
    protocol: 'tcp',
    host: parseAddress('0.0.0.0'),
    hostPort,
    target: parseAddress('172.18.0.2'),
    targetPort: 80,
  };
}
