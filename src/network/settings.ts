/**
 * Driver options of a network as typed settings. Pure.
 *
 * Source: Docker's `com.docker.network.*` options of the drivers bridge, macvlan and ipvlan.
 */

import type { NetworkRecord } from './store.ts';

/** Bytes of a link's name without its NUL. Source: linux/if.h IFNAMSIZ. */
const LINK_NAME_MAX = 15;

/** How a network's links are made. */
export interface LinkSettings {
  /** Name of the bridge, or of the parent link of macvlan and ipvlan. */
  readonly link: string;
  /** Largest packet in bytes; `undefined`: the kernel's. */
  readonly mtuBytes: number | undefined;
  /** Containers of the network reach each other. */
  readonly isConnected: boolean;
  /** What leaves the host carries the host's address. */
  readonly isMasqueraded: boolean;
  /** Interfaces in containers are this and a number. */
  readonly interfacePrefix: string;
}

/** Settings of a network with links of its own. */
export function linkSettingsOf(network: NetworkRecord): LinkSettings {
  const { options } = network;
  const mtu = Number(options['com.docker.network.driver.mtu'] ?? '0');
  return {
    link: linkNameOf(network),
    mtuBytes: Number.isInteger(mtu) && mtu > 0 ? mtu : undefined,
    isConnected: isOn(options['com.docker.network.bridge.enable_icc'], true),
    isMasqueraded: isOn(options['com.docker.network.bridge.enable_ip_masquerade'], true),
    interfacePrefix: options['com.docker.network.container_iface_prefix'] ?? 'eth',
  };
}

function linkNameOf(network: NetworkRecord): string {
  const { driver, options, id } = network;
  if (driver !== 'bridge') return options['parent'] ?? `dm-${id.slice(0, 12)}`;
  return (options['com.docker.network.bridge.name'] ?? `br-${id.slice(0, 12)}`).slice(
    0,
    LINK_NAME_MAX,
  );
}

/** Go's spellings of a boolean. Source: Go strconv.ParseBool. */
function isOn(value: string | undefined, absent: boolean): boolean {
  if (value === undefined || value === '') return absent;
  return /^(?:1|t|true)$/i.test(value);
}
