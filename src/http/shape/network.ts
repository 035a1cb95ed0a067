/**
 * Networks as a client's version knows them.
 * Source: Docker Engine API, version history 1.28, 1.48.
 */

import type { NetworkCreateBody, NetworkSummary } from '../../spec/docker/network.ts';

/** First version that knows networks without IPv4. */
const SINCE_IPV4_SWITCH = 48;

/** A network, listed or inspected. */
export function shapeNetwork(network: NetworkSummary, version: number): object {
  if (version >= SINCE_IPV4_SWITCH) return network;
  const { EnableIPv4: _, ...older } = network;
  return older;
}

/** What a client of this version could ask for. */
export function shapeNetworkCreate(body: NetworkCreateBody, version: number): NetworkCreateBody {
  if (version >= SINCE_IPV4_SWITCH) return body;
  const { EnableIPv4: _, ...older } = body;
  return older;
}
