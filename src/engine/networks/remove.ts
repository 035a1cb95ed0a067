/**
 * `network rm` and `network prune`. The kernel's half goes first: after a kill
 * in the middle the network is still there and can be removed again.
 *
 * Source: Engine API `DELETE /networks/{id}`, `POST /networks/prune`. Docker counts running containers only.
 */

import { EngineError, isEngineError } from '../../base/error.ts';
import { shortId } from '../../base/id.ts';
import type { NetworkRecord } from '../../network/store.ts';
import type { Filters } from '../engine.ts';
import { checkFilterKeys, filterValues, matchesLabels, parseMoment } from '../filters.ts';
import type { EngineParts } from '../parts.ts';
import { announceChange } from './announce.ts';
import { checkNotUsed } from './configuration.ts';
import { endpointsOn } from './endpoints.ts';
import { getNetwork, settledNetworks } from './find.ts';

const PRUNE_KEYS: ReadonlySet<string> = new Set(['label', 'label!', 'until']);

/** Errors: `not-found`; `denied` for a predefined network and for one that containers are on; those of the fabric. */
export async function removeNetwork(parts: EngineParts, ref: string): Promise<void> {
  const network = getNetwork(parts, ref);
  if (network.isPredefined) {
    throw new EngineError(
      'denied',
      `${network.name} is a pre-defined network and cannot be removed`,
    );
  }
  checkNotUsed(network, parts.networks.list());
  checkUnused(parts, network);
  await removeUnused(parts, network);
}

function checkUnused(parts: EngineParts, network: NetworkRecord): void {
  const users = Object.entries(endpointsOn(parts, network.id)).map(
    ([id, { Name }]) => `name:${JSON.stringify(Name)} id:"${shortId(id)}"`,
  );
  if (users.length === 0) return;
  throw new EngineError(
    'denied',
    `error while removing network: network ${network.name} has active endpoints (${users.join(', ')})`,
    { hint: 'Stop these containers, or disconnect them (carve network disconnect)' },
  );
}

/** Nobody can join from here on. */
async function removeUnused(parts: EngineParts, network: NetworkRecord): Promise<void> {
  parts.unsettledNetworks.add(network.id);
  try {
    parts.failpoints.hit('network-remove.begin');
    await parts.fabric.remove(network);
    parts.failpoints.hit('network-remove.unmade');
    parts.table.togetherFreeing(() => parts.networks.remove(network.id));
    parts.addresses.forget(network.id);
    parts.failpoints.hit('network-remove.saved');
  } finally {
    parts.unsettledNetworks.delete(network.id);
  }
  announceChange(parts, network, { action: 'destroy' });
}

/** Removes what no running container is on. Returns names. Errors: `invalid` filter. */
export async function pruneNetworks(
  parts: EngineParts,
  filters: Filters,
): Promise<readonly string[]> {
  checkFilterKeys(filters, PRUNE_KEYS);
  const nowNs = parts.clock.nowNs();
  const untilsNs = filterValues(filters, 'until').map((text) => parseMoment(text, nowNs));
  const deleted: string[] = [];
  for (const network of settledNetworks(parts)) {
    // A configuration is there to be used later.
    if (network.isPredefined || network.configuration !== undefined) continue;
    if (!matchesLabels(filters, network.labels)) continue;
    if (untilsNs.some((limitNs) => network.createdAtNs >= limitNs)) continue;
    if (await pruneOne(parts, network)) deleted.push(network.name);
  }
  parts.events.publish({
    type: 'network',
    action: 'prune',
    id: '',
    attributes: { reclaimed: '0' },
  });
  return deleted;
}

/** False when it is used, or is gone in the meantime, or cannot be removed now: the others are not kept from it. */
async function pruneOne(parts: EngineParts, network: NetworkRecord): Promise<boolean> {
  try {
    await removeNetwork(parts, network.id);
    return true;
  } catch (error) {
    if (!isEngineError(error)) throw error;
    if (error.kind !== 'denied' && error.kind !== 'not-found') {
      parts.log.warn('cannot prune a network', { name: network.name, error: error.message });
    }
    return false;
  }
}
