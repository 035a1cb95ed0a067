/**
 * Driver options of a network: Docker's texts → typed values. Pure. What a
 * driver does not know is kept and has no effect, as Docker has it.
 *
 * Source: Docker's bridge, macvlan and ipvlan drivers, options `com.docker.network.*`.
 */

import { EngineError } from '../base/error.ts';
import { tryParseAddress, type Address } from '../spec/cidr.ts';
import type { NetworkRecord } from './store.ts';

/** How packets pass between a bridge and the world. */
export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';

/** All of them, the default first. */
export const GATEWAY_MODES: readonly GatewayMode[] = [
  'nat',
  'nat-unprotected',
  'routed',
  'isolated',
];

/** Options of a bridge, complete. */
export interface BridgeOptions {
  /** Name of the bridge's link; `undefined`: of the engine's choice. */
  readonly link: string | undefined;
  /** Containers on it may talk to each other. */
  readonly isConnected: boolean;
  /** What leaves the host carries the host's address. */
  readonly isMasqueraded: boolean;
  /** Address that ports are published on unless asked otherwise; `undefined`: all. */
  readonly hostBinding: Address | undefined;
  readonly gatewayMode4: GatewayMode;
  readonly gatewayMode6: GatewayMode;
  /** Links of the host by which published ports are reached at the containers' own addresses. */
  readonly trusted: readonly string[];
  /** The host has no IPv4 address on the bridge. */
  readonly isHostless: boolean;
  /** Bytes; `undefined`: the kernel's default. */
  readonly mtuBytes: number | undefined;
  /** Links in containers are called this and a number. */
  readonly interfacePrefix: string;
}

/** Options of a macvlan or ipvlan network, complete. */
export interface ParentOptions {
  /** Link of the host below it, e.g. `eth0` or `eth0.50`; `undefined`: one of its own that leads nowhere. */
  readonly parent: string | undefined;
  readonly mode: string;
  /** ipvlan only. */
  readonly flag: string;
  /** Bytes; `undefined`: the parent's. */
  readonly mtuBytes: number | undefined;
}

/** Longest name of a link in bytes. Source: IFNAMSIZ less the NUL. */
export const LINK_NAME_MAX = 15;

const BRIDGE = 'com.docker.network.bridge.';
const MTU = 'com.docker.network.driver.mtu';
const PREFIX = 'com.docker.network.container_iface_prefix';
const TRUSTED = `${BRIDGE}trusted_host_interfaces`;
const MACVLAN_MODES = ['bridge', 'private', 'vepa', 'passthru'] as const;
const IPVLAN_MODES = ['l2', 'l3', 'l3s'] as const;
const IPVLAN_FLAGS = ['bridge', 'private', 'vepa'] as const;

type Options = NetworkRecord['options'];

/** Errors: `invalid`, naming the option. */
export function parseBridgeOptions(options: Options): BridgeOptions {
  const link = options[`${BRIDGE}name`];
  const binding = options[`${BRIDGE}host_binding_ipv4`];
  const prefix = options[PREFIX] ?? '';
  if (prefix !== '') checkLinkName(PREFIX, `${prefix}0`);
  return {
    link: link === undefined || link === '' ? undefined : checkLinkName(`${BRIDGE}name`, link),
    isConnected: flag(options, `${BRIDGE}enable_icc`, true),
    isMasqueraded: flag(options, `${BRIDGE}enable_ip_masquerade`, true),
    hostBinding: binding === undefined || binding === '' ? undefined : hostAddress(binding),
    gatewayMode4: word(options, `${BRIDGE}gateway_mode_ipv4`, GATEWAY_MODES),
    gatewayMode6: word(options, `${BRIDGE}gateway_mode_ipv6`, GATEWAY_MODES),
    trusted: trustedLinks(options).map((name) => checkLinkName(TRUSTED, name)),
    isHostless: flag(options, `${BRIDGE}inhibit_ipv4`, false),
    mtuBytes: mtu(options),
    interfacePrefix: prefix === '' ? 'eth' : prefix,
  };
}

/** Errors: `invalid`, naming the option. */
export function parseParentOptions(driver: 'macvlan' | 'ipvlan', options: Options): ParentOptions {
  const parent = options['parent'] ?? '';
  return {
    parent: parent === '' ? undefined : checkLinkName('parent', parent),
    mode:
      driver === 'macvlan'
        ? word(options, 'macvlan_mode', MACVLAN_MODES)
        : word(options, 'ipvlan_mode', IPVLAN_MODES),
    flag: driver === 'ipvlan' ? word(options, 'ipvlan_flag', IPVLAN_FLAGS) : '',
    mtuBytes: mtu(options),
  };
}

/** What a network's driver could not work with. Errors: `invalid`. */
export function checkOptions(
  network: Pick<NetworkRecord, 'driver' | 'options' | 'isInternal'>,
): void {
  const { driver, options, isInternal } = network;
  if (driver === 'macvlan' || driver === 'ipvlan') parseParentOptions(driver, options);
  if (driver !== 'bridge') return;
  const { gatewayMode4, gatewayMode6 } = parseBridgeOptions(options);
  if (!isInternal && (gatewayMode4 === 'isolated' || gatewayMode6 === 'isolated')) {
    throw new EngineError(
      'invalid',
      "gateway mode 'isolated' can only be used for an internal network",
    );
  }
}

/** Names of the links that a network trusts, each once. */
export function trustedLinks(options: Options): readonly string[] {
  return [...new Set((options[TRUSTED] ?? '').split(':').filter((name) => name !== ''))];
}

/** True for a name that the kernel takes for a link, and that is one word in every listing. */
export function isLinkName(name: string): boolean {
  return (
    /^[^\s/:%\p{Cc}]+$/u.test(name) &&
    name !== '.' &&
    name !== '..' &&
    Buffer.byteLength(name) <= LINK_NAME_MAX
  );
}

function checkLinkName(option: string, name: string): string {
  if (isLinkName(name)) return name;
  throw bad(
    option,
    name,
    `a link's name has 1 to ${LINK_NAME_MAX} characters and no /, : or space`,
  );
}

function flag(options: Options, option: string, absent: boolean): boolean {
  const value = options[option];
  if (value === undefined) return absent;
  if (/^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw bad(option, value, 'it must be true or false');
}

/** The first word is the default. */
function word<W extends string>(options: Options, option: string, words: readonly W[]): W {
  const value = options[option] ?? '';
  const [first] = words;
  const found = value === '' ? first : words.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw bad(option, value, `it must be one of ${words.join(', ')}`);
}

/** Least bytes that IPv4 works with, and most that the kernel takes. */
const MTU_MIN = 68;
const MTU_MAX = 65_535;

function mtu(options: Options): number | undefined {
  const value = options[MTU];
  if (value === undefined || value === '' || value === '0') return undefined;
  const bytes = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (bytes >= MTU_MIN && bytes <= MTU_MAX) return bytes;
  throw bad(MTU, value, `it must be a number from ${MTU_MIN} to ${MTU_MAX}`);
}

function hostAddress(text: string): Address {
  // Of either family, whatever the option's name says.
  const address = tryParseAddress(text);
  if (address !== undefined) return address;
  throw bad(`${BRIDGE}host_binding_ipv4`, text, 'it must be an address');
}

function bad(option: string, value: string, why: string): EngineError {
  return new EngineError(
    'invalid',
    `invalid value ${JSON.stringify(value.slice(0, 80))} for option ${option}: ${why}`,
  );
}
