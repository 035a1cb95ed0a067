/** A network as the firewall knows it. Pure. */

import type { GuardedBridge } from './firewall.ts';
import { linkSettingsOf } from './settings.ts';
import type { NetworkRecord } from './store.ts';

/** What the firewall knows of a network; `undefined` when it is not on a bridge. */
export function guardedBridge(network: NetworkRecord): GuardedBridge | undefined {
  if (network.driver !== 'bridge') return undefined;
  const { link, isConnected, isMasqueraded, hostless, modes, trusted } = linkSettingsOf(network);
  const own = network.subnets.filter(({ gateway }) => !hostless.has(gateway.family));
  return {
    link,
    subnets: network.subnets.map(({ subnet }) => subnet),
    isInternal: network.isInternal,
    isConnected,
    isMasqueraded,
    hosts: own.map(({ gateway }) => gateway),
    modes,
    trusted,
  };
}
