/**
 * `network create`. Choosing what the network gets and taking it is one
 * synchronous step, so two creates never choose the same; then it is made.
 *
 * After a kill in the middle the row is there and the kernel's half is not:
 * whoever joins the network makes that again.
 */

import { randomBytes } from 'node:crypto';
import { makeId } from '../../base/id.ts';
import type { NetworkCreateBody, NetworkCreated } from '../../spec/docker/network.ts';
import type { EngineParts } from '../parts.ts';
import { Rollback } from '../rollback.ts';
import { announceChange } from './announce.ts';
import { draftNetwork } from './draft.ts';

/** Errors: those of `draftNetwork` and of the fabric. */
export async function createNetwork(
  parts: EngineParts,
  body: NetworkCreateBody,
): Promise<NetworkCreated> {
  const { network, warning } = draftNetwork(body, {
    id: makeId(parts.randomHex),
    nowNs: parts.clock.nowNs(),
    networks: parts.networks.list(),
    unsettled: parts.unsettledNetworks,
    routes: parts.fabric.routes(),
    hasIpv6: parts.host.hasIpv6,
    random: () => randomBytes(5),
  });
  parts.failpoints.hit('network-create.begin');
  const rollback = new Rollback(parts.log);
  parts.unsettledNetworks.add(network.id);
  try {
    parts.table.together(() => parts.networks.insert(network));
    rollback.add('delete the row of a network', () =>
      parts.table.togetherFreeing(() => parts.networks.remove(network.id)),
    );
    parts.failpoints.hit('network-create.saved');
    rollback.add('remove a network', async () => parts.fabric.remove(network));
    await parts.fabric.ensure(network);
    parts.failpoints.hit('network-create.made');
  } catch (error) {
    await rollback.run();
    throw error;
  } finally {
    parts.unsettledNetworks.delete(network.id);
  }
  announceChange(parts, network, { action: 'create' });
  return { Id: network.id, Warning: warning };
}
