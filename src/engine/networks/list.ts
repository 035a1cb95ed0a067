/** `network ls`, `network inspect`. Source: Engine API `GET /networks`, filters. */

import { EngineError } from '../../base/error.ts';
import type { NetworkRecord } from '../../network/store.ts';
import type { NetworkInspect, NetworkSummary } from '../../spec/docker/network.ts';
import type { Filters } from '../engine.ts';
import { checkFilterKeys, matchesAny, matchesLabels, parseFilterBoolean } from '../filters.ts';
import type { EngineParts } from '../parts.ts';
import { summariseNetwork } from './describe.ts';
import { endpointsOn } from './endpoints.ts';
import { getNetwork, settledNetworks } from './find.ts';

const KEYS: ReadonlySet<string> = new Set([
  'dangling',
  'driver',
  'id',
  'label',
  'name',
  'scope',
  'type',
]);

/** Errors: `invalid` filter. */
export function listNetworks(parts: EngineParts, filters: Filters): readonly NetworkSummary[] {
  checkFilterKeys(filters, KEYS);
  return settledNetworks(parts)
    .filter((network) => fits(parts, network, filters))
    .map(summariseNetwork);
}

/** Errors: `not-found`, also for a scope that no network has. */
export function inspectNetwork(
  parts: EngineParts,
  ref: string,
  options: { readonly scope?: string } = {},
): NetworkInspect {
  const network = getNetwork(parts, ref);
  if (options.scope !== undefined && options.scope !== 'local') {
    throw new EngineError('not-found', `network ${ref} not found`);
  }
  return { ...summariseNetwork(network), Containers: endpointsOn(parts, network.id) };
}

function fits(parts: EngineParts, network: NetworkRecord, filters: Filters): boolean {
  return (
    matchesAny(filters, 'driver', (value) => network.driver === value) &&
    matchesAny(filters, 'id', (value) => matches(network.id, value)) &&
    matchesAny(filters, 'name', (value) => matches(network.name, value)) &&
    matchesAny(filters, 'scope', (value) => value === 'local') &&
    matchesAny(filters, 'type', (value) => isOfType(network, value)) &&
    matchesAny(filters, 'dangling', (value) => isDangling(parts, network, value)) &&
    matchesLabels(filters, network.labels)
  );
}

/** Errors: `invalid`. */
function isOfType(network: NetworkRecord, type: string): boolean {
  if (type === 'builtin') return network.isPredefined;
  if (type === 'custom') return !network.isPredefined;
  throw new EngineError('invalid', `invalid filter: 'type'='${type}'`);
}

/** Dangling: the user's, with no running container on it. */
function isDangling(parts: EngineParts, network: NetworkRecord, value: string): boolean {
  const isUnused =
    !network.isPredefined && Object.keys(endpointsOn(parts, network.id)).length === 0;
  return parseFilterBoolean('dangling', value) === isUnused;
}

/** The text itself, or a pattern in it. Errors: `invalid` for a bad pattern. */
function matches(text: string, value: string): boolean {
  if (text === value) return true;
  try {
    return new RegExp(value.slice(0, 256)).test(text);
  } catch {
    throw new EngineError('invalid', `invalid filter: bad pattern ${JSON.stringify(value)}`);
  }
}
