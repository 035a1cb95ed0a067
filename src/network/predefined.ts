/**
 * The three networks that every engine has. Pure.
 * Source: Docker: networks `bridge`, `host` and `none` of a new engine.
 */

import { createHash } from 'node:crypto';
import type { NetworkDriver, NetworkRecord } from './store.ts';

/** Name of a network that is always there. */
export type PredefinedName = 'bridge' | 'host' | 'none';

/** Link of the default bridge: one for each engine, so that several, and Docker, can be on one host. */
function defaultBridgeLink(engineId: string): string {
  return `carve-${engineId.slice(0, 8)}`;
}

/** Id of a predefined network: 64 hex digits, the same for the whole life of an engine. */
export function predefinedNetworkId(engineId: string, name: PredefinedName): string {
  // People tell networks apart by the first twelve digits.
  return createHash('sha256').update(`${engineId}/${name}`).digest('hex');
}

const DRIVERS: Readonly<Record<PredefinedName, NetworkDriver>> = {
  bridge: 'bridge',
  host: 'host',
  none: 'null',
};

/** Options of the default bridge, as inspect shows them. */
const bridgeOptions = (engineId: string): NetworkRecord['options'] => ({
  'com.docker.network.bridge.default_bridge': 'true',
  'com.docker.network.bridge.enable_icc': 'true',
  'com.docker.network.bridge.enable_ip_masquerade': 'true',
  'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
  'com.docker.network.bridge.name': defaultBridgeLink(engineId),
  'com.docker.network.driver.mtu': '1500',
});

/** The networks of a new engine. `bridge` has no subnets until it is first used. */
export function predefinedNetworks(
  engineId: string,
  createdAtNs: bigint,
): readonly NetworkRecord[] {
  return (['bridge', 'host', 'none'] as const).map((name) => ({
    id: predefinedNetworkId(engineId, name),
    name,
    createdAtNs,
    driver: DRIVERS[name],
    isPredefined: true,
    hasIpv4: true,
    hasIpv6: false,
    subnets: [],
    isInternal: false,
    isAttachable: false,
    ipamOptions: {},
    options: name === 'bridge' ? bridgeOptions(engineId) : {},
    labels: {},
  }));
}
