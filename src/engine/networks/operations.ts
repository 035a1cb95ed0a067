/** The network operations of the contract, each in a file of its own. */

import type { NetworkOperations } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import { connectContainer, disconnectContainer } from './connect.ts';
import { createNetwork } from './create.ts';
import { listDenials } from './egress.ts';
import { exposure } from './exposure.ts';
import { inspectNetwork, listNetworks } from './list.ts';
import { pruneNetworks, removeNetwork } from './remove.ts';

/** The operations over `parts`. */
export function networkOperations(parts: EngineParts): NetworkOperations {
  return {
    create: async (request) => createNetwork(parts, request),
    inspect: async (ref, options) => inspectNetwork(parts, ref, options),
    list: async (filters) => listNetworks(parts, filters),
    remove: async (ref) => removeNetwork(parts, ref),
    prune: async (filters) => pruneNetworks(parts, filters),
    connect: async (ref, request) => connectContainer(parts, ref, request),
    disconnect: async (ref, request) => disconnectContainer(parts, ref, request),
    denials: async (ref) => listDenials(parts, ref),
    exposure: async (ref) => exposure(parts, ref),
  };
}
