/**
 * Networks by reference.
 * Source: Engine API `GET /networks/{id}`: full id, name, unique id prefix, looked up in that order.
 */

import { EngineError } from '../../base/error.ts';
import type { NetworkRecord } from '../../network/store.ts';
import type { EngineParts } from '../parts.ts';

/** What finding needs. */
export type NetworkSource = Pick<EngineParts, 'networks' | 'unsettledNetworks'>;

/** Networks that may be joined and shown: those not on their way in or out. Predefined ones first, then oldest first. */
export function settledNetworks(parts: NetworkSource): readonly NetworkRecord[] {
  return parts.networks.list().filter(({ id }) => !parts.unsettledNetworks.has(id));
}

/** `undefined` when there is none. Errors: `invalid` when a prefix fits several. */
export function findNetwork(parts: NetworkSource, ref: string): NetworkRecord | undefined {
  return findAmong(settledNetworks(parts), ref);
}

/** Errors: `not-found`; `invalid` when a prefix fits several. */
export function getNetwork(parts: NetworkSource, ref: string): NetworkRecord {
  const network = findNetwork(parts, ref);
  if (network !== undefined) return network;
  throw new EngineError('not-found', `network ${ref} not found`, { details: { ref } });
}

/** As `findNetwork`. Pure. */
export function findAmong(
  networks: readonly NetworkRecord[],
  ref: string,
): NetworkRecord | undefined {
  const exact = networks.find(({ id }) => id === ref) ?? networks.find(({ name }) => name === ref);
  if (exact !== undefined || !/^[0-9a-f]{1,63}$/.test(ref)) return exact;
  const [first, ...more] = networks.filter(({ id }) => id.startsWith(ref));
  if (more.length === 0) return first;
  throw new EngineError(
    'invalid',
    `network ${ref} is ambiguous (${more.length + 1} matches found based on ID prefix)`,
  );
}
