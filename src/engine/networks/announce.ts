/** Events of a network. Source: Engine API `GET /events`, type `network`. */

import type { NetworkRecord } from '../../network/store.ts';
import type { EngineParts } from '../parts.ts';

/** What can happen to a network. */
export type NetworkAction = 'create' | 'connect' | 'disconnect' | 'destroy';

/** Publish one event; `containerId` for who came or went. */
export function announceChange(
  parts: Pick<EngineParts, 'events'>,
  network: Pick<NetworkRecord, 'id' | 'name' | 'driver'>,
  how: { readonly action: NetworkAction; readonly containerId?: string },
): void {
  const { action, containerId } = how;
  parts.events.publish({
    type: 'network',
    action,
    id: network.id,
    attributes: {
      ...(containerId === undefined ? {} : { container: containerId }),
      name: network.name,
      type: network.driver,
    },
  });
}
