/** A network in Docker's words. Pure. Source: Engine API `Network`. */

import type { NetworkRecord, NetworkSubnet } from '../../network/store.ts';
import { formatAddress, formatNetwork } from '../../spec/cidr.ts';
import type { IpamConfig, NetworkSummary } from '../../spec/docker/network.ts';
import { formatTimeNs } from '../../spec/time.ts';

/** A network as it is listed. */
export function summariseNetwork(network: NetworkRecord): NetworkSummary {
  const { configuration, configuredBy = '' } = network;
  const driver = configuration?.ipamDriver ?? '';
  return {
    Name: network.name,
    Id: network.id,
    Created: formatTimeNs(network.createdAtNs),
    Scope: 'local',
    Driver: network.driver,
    EnableIPv4: network.hasIpv4,
    EnableIPv6: network.hasIpv6,
    IPAM: {
      Driver: driver === '' ? 'default' : driver,
      Options: network.isPredefined ? null : network.ipamOptions,
      Config: configuration?.subnets ?? network.subnets.map(describeSubnet),
    },
    Internal: network.isInternal,
    Attachable: network.isAttachable,
    Ingress: false,
    ConfigFrom: { Network: configuredBy },
    ConfigOnly: configuration !== undefined,
    Options: network.options,
    Labels: network.labels,
  };
}

function describeSubnet({ subnet, range, gateway, reserved }: NetworkSubnet): IpamConfig {
  const names = Object.entries(reserved);
  return {
    Subnet: formatNetwork(subnet),
    ...(range === undefined ? {} : { IPRange: formatNetwork(range) }),
    Gateway: formatAddress(gateway),
    ...(names.length === 0
      ? {}
      : {
          AuxiliaryAddresses: Object.fromEntries(
            names.map(([name, address]) => [name, formatAddress(address)]),
          ),
        }),
  };
}
