/** Who is on a network now. */

import type { EndpointResource } from '../../spec/docker/network.ts';
import type { EngineParts } from '../parts.ts';

/** Running containers on the network, by id, and those about to run that have their address already. */
export function endpointsOn(
  _parts: EngineParts,
  _networkId: string,
): Readonly<Record<string, EndpointResource>> {
  return {};
}
