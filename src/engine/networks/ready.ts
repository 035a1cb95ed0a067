/** A network that containers can be put on now. */

import { chooseSubnet, DEFAULT_POOLS } from '../../network/ipam/pool.ts';
import type { NetworkRecord } from '../../network/store.ts';
import { firstOf } from '../../spec/cidr.ts';
import type { EngineParts } from '../parts.ts';

/**
 * Make the network on the host, where it is not there. The default bridge gets
 * its subnet when it is first used, so that an engine that never needs it takes nothing.
 * Errors: `exhausted`, those of the fabric.
 */
export async function readyNetwork(
  parts: EngineParts,
  network: NetworkRecord,
): Promise<NetworkRecord> {
  const whole = withSubnet(parts, network);
  if (whole !== network) parts.networks.update(whole);
  await parts.fabric.ensure(whole);
  return whole;
}

/** The network with the subnet it would get. */
export function withSubnet(parts: EngineParts, network: NetworkRecord): NetworkRecord {
  if (network.subnets.length > 0 || network.driver !== 'bridge') return network;
  const taken = parts.networks.list().flatMap(({ subnets }) => subnets.map(({ subnet }) => subnet));
  const subnet = chooseSubnet(DEFAULT_POOLS, [...taken, ...parts.fabric.routes()]);
  const gateway = { family: subnet.address.family, value: firstOf(subnet) + 1n };
  return { ...network, subnets: [{ subnet, range: undefined, gateway, reserved: {} }] };
}
