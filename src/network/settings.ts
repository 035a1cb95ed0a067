/**
 * Driver options of a network as typed settings. Pure.
 *
 * Source: Docker's `com.docker.network.*` options of the drivers bridge, macvlan and ipvlan.
 */

import type { Family } from '../spec/cidr.ts';
import { type GatewayMode, GATEWAY_MODES, trustedLinks } from './options.ts';
import type { NetworkRecord } from './store.ts';

/** Bytes of a link's name without its NUL. Source: linux/if.h IFNAMSIZ. */
const LINK_NAME_MAX = 15;

/** How a network's links are made. */
export interface LinkSettings {
  /** Name of the bridge, or of the parent link of macvlan and ipvlan. */
  readonly link: string;
  /** The parent is this VLAN of another link, if it is not there by itself. */
  readonly vlan: { readonly base: string; readonly id: number } | undefined;
  /** Largest packet in bytes; `undefined`: the kernel's. */
  readonly mtuBytes: number | undefined;
  /** Containers of the network reach each other. */
  readonly isConnected: boolean;
  /** What leaves the host carries the host's address. */
  readonly isMasqueraded: boolean;
  /** Families of which the host has no address on the bridge. */
  readonly hostless: ReadonlySet<Family>;
  /** How packets pass between a bridge and the world. */
  readonly modes: Readonly<Record<Family, GatewayMode>>;
  /** Links of the host by which published ports are reached at the containers' own addresses. */
  readonly trusted: readonly string[];
  /** Interfaces in containers are this and a number. */
  readonly interfacePrefix: string;
}

/** Settings of a network with links of its own. */
export function linkSettingsOf(network: NetworkRecord): LinkSettings {
  const { options } = network;
  const mtu = Number(options['com.docker.network.driver.mtu'] ?? '0');
  return {
    link: linkNameOf(network),
    vlan: vlanOf(network),
    mtuBytes: Number.isInteger(mtu) && mtu > 0 ? mtu : undefined,
    isConnected: isOn(options['com.docker.network.bridge.enable_icc'], true),
    isMasqueraded: isOn(options['com.docker.network.bridge.enable_ip_masquerade'], true),
    hostless: hostlessOf(options),
    modes: { ipv4: modeOf(options, 4), ipv6: modeOf(options, 6) },
    trusted: trustedLinks(options),
    interfacePrefix: options['com.docker.network.container_iface_prefix'] ?? 'eth',
  };
}

/** `inhibit_ipv4` leaves the address to the user; a network that is `isolated` from the host needs none. */
function hostlessOf(options: NetworkRecord['options']): ReadonlySet<Family> {
  const hasNone4 =
    isOn(options['com.docker.network.bridge.inhibit_ipv4'], false) ||
    modeOf(options, 4) === 'isolated';
  return new Set<Family>([
    ...(hasNone4 ? (['ipv4'] as const) : []),
    ...(modeOf(options, 6) === 'isolated' ? (['ipv6'] as const) : []),
  ]);
}

/** Errors: none; the word was checked when the network was made. */
function modeOf(options: NetworkRecord['options'], version: 4 | 6): GatewayMode {
  const word = options[`com.docker.network.bridge.gateway_mode_ipv${version}`];
  return GATEWAY_MODES.find((mode) => mode === word) ?? 'nat';
}

/** Ids of VLANs. Source: IEEE 802.1Q. */
const VLAN_ID_MAX = 4094;

function vlanOf({ driver, options }: NetworkRecord): LinkSettings['vlan'] {
  if (driver === 'bridge') return undefined;
  const [, base, digits] = /^(.+)\.([1-9]\d{0,3})$/.exec(options['parent'] ?? '') ?? [];
  if (base === undefined || Number(digits) > VLAN_ID_MAX) return undefined;
  return { base, id: Number(digits) };
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
