/**
 * What a request says about one network of a container. Pure.
 * Source: Engine API `EndpointSettings`, `EndpointIPAMConfig`.
 */

import { EngineError, messageOf } from '../../base/error.ts';
import { claimAddress } from '../../network/ipam/pool.ts';
import { isLinkName } from '../../network/options.ts';
import type { NetworkRecord } from '../../network/store.ts';
import {
  contains,
  formatAddress,
  tryParseAddress,
  type Address,
  type Family,
} from '../../spec/cidr.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';
import { checkNoConfiguration } from './configuration.ts';
import { ENDPOINT_SYSCTLS } from './interface-settings.ts';

const IFNAME = 'com.docker.network.endpoint.ifname';

/** Highest gateway priority, and lowest when negative. */
const PRIORITY_MAX = 2 ** 31 - 1;
/** Longest name in characters. Source: RFC 1035. */
const ALIAS_MAX = 253;

/** What the record keeps: the client's wishes, normalised, and whose network it is. Errors: `invalid`; `denied` for a configuration. */
export function checkEndpoint(
  settings: EndpointSettings,
  network: NetworkRecord,
): EndpointSettings {
  checkNoConfiguration(network);
  try {
    return completed(settings, network);
  } catch (error) {
    throw new EngineError(
      'invalid',
      `invalid config for network ${network.name}: invalid endpoint settings: ${messageOf(error)}`,
    );
  }
}

function completed(settings: EndpointSettings, network: NetworkRecord): EndpointSettings {
  const { Aliases = null, Links = null, DriverOpts = null, IPAMConfig } = settings;
  const { GwPriority = 0, MacAddress = '' } = settings;
  checkAliases(Aliases ?? [], network);
  for (const link of Links ?? []) checkLink(link);
  checkDriverOptions(DriverOpts ?? {});
  if (Math.abs(GwPriority) > PRIORITY_MAX) {
    throw invalid(`gateway priority ${GwPriority} is out of range`);
  }
  return {
    IPAMConfig: checkAddresses(IPAMConfig ?? {}, network),
    Links,
    Aliases,
    DriverOpts,
    GwPriority,
    MacAddress: normaliseMac(MacAddress),
    NetworkID: network.id,
  };
}

/** `null` when nothing was asked for. */
function checkAddresses(
  asked: NonNullable<EndpointSettings['IPAMConfig']>,
  network: NetworkRecord,
): NonNullable<EndpointSettings['IPAMConfig']> | null {
  const ipv4 = readAddress(asked.IPv4Address ?? '', 'ipv4');
  const ipv6 = readAddress(asked.IPv6Address ?? '', 'ipv6');
  const linkLocal = (asked.LinkLocalIPs ?? []).map(readLinkLocal);
  for (const address of [ipv4, ipv6]) if (address !== undefined) checkStatic(address, network);
  if (ipv4 === undefined && ipv6 === undefined && linkLocal.length === 0) return null;
  return {
    ...(ipv4 === undefined ? {} : { IPv4Address: formatAddress(ipv4) }),
    ...(ipv6 === undefined ? {} : { IPv6Address: formatAddress(ipv6) }),
    ...(linkLocal.length === 0 ? {} : { LinkLocalIPs: linkLocal }),
  };
}

function readAddress(text: string, family: Family): Address | undefined {
  if (text === '') return undefined;
  const address = tryParseAddress(text);
  if (address?.family === family && address.value !== 0n) return address;
  throw invalid(`invalid ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address: ${text.slice(0, 80)}`);
}

function readLinkLocal(text: string): string {
  const address = tryParseAddress(text);
  if (address !== undefined && address.value !== 0n) return formatAddress(address);
  throw invalid(`invalid link-local IP address: ${text.slice(0, 80)}`);
}

/** Only an address of a subnet that the user asked for: one that the engine chose may be another tomorrow. */
function checkStatic(address: Address, network: NetworkRecord): void {
  if (network.isPredefined) {
    throw invalid('user specified IP address is supported on user defined networks only');
  }
  const configured = network.subnets.filter(
    ({ subnet, isChosen }) => isChosen !== true && subnet.address.family === address.family,
  );
  if (configured.length === 0) {
    throw invalid(
      'user specified IP address is supported only when connecting to networks with user configured subnets',
    );
  }
  const home = configured.find(({ subnet }) => contains(subnet, address));
  if (home === undefined) {
    throw invalid(
      `no configured subnet or ip-range contain the IP address ${formatAddress(address)}`,
    );
  }
  const taken = [home.gateway, ...Object.values(home.reserved)].map(({ value }) => value);
  claimAddress({ subnet: home.subnet, taken: new Set(taken) }, address);
}

function checkAliases(aliases: readonly string[], network: NetworkRecord): void {
  if (network.isPredefined && aliases.length > 0) {
    throw invalid('network-scoped alias is supported only for containers in user defined networks');
  }
  for (const alias of aliases) {
    if (alias === '' || alias.length > ALIAS_MAX || /[\s/\p{Cc}]/u.test(alias)) {
      throw invalid(`invalid alias ${JSON.stringify(alias.slice(0, 80))}`);
    }
  }
}

/** `container[:alias]`. */
function checkLink(link: string): void {
  if (/^[^\s:\p{Cc}]+(?::[^\s:\p{Cc}]+)?$/u.test(link)) return;
  throw invalid(`invalid link ${JSON.stringify(link.slice(0, 80))}: it is not CONTAINER[:ALIAS]`);
}

function checkDriverOptions(options: Readonly<Record<string, string>>): void {
  const ifname = options[IFNAME];
  if (ifname !== undefined && (!isLinkName(ifname) || ifname === 'lo')) {
    throw invalid(`invalid interface name ${JSON.stringify(ifname.slice(0, 80))}`);
  }
  for (const sysctl of options[ENDPOINT_SYSCTLS]?.split(',') ?? []) checkSysctl(sysctl);
}

/** `net.X.Y.IFNAME.Z=V`: one setting of this link and nothing else. */
const SYSCTL = /^net\.(?:ipv4|ipv6|mpls)\.\w+\.(?:IFNAME|ifname)\.\w+=[\w .:-]+$/;

function checkSysctl(sysctl: string): void {
  if (SYSCTL.test(sysctl)) return;
  throw invalid(
    `unrecognised network interface sysctl '${sysctl.slice(0, 80)}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
  );
}

/** In lower case with colons; empty stays empty. What the kernel would refuse is refused here. */
function normaliseMac(text: string): string {
  if (text === '') return '';
  const digits = /^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(text)
    ? text.replaceAll(/[:-]/g, '')
    : /^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(text)
      ? text.replaceAll('.', '')
      : '';
  if (digits === '') throw invalid(`invalid MAC address ${text.slice(0, 80)}`);
  const bytes = digits.toLowerCase().match(/../g) ?? [];
  const isGroup = (Number.parseInt(bytes[0] ?? '', 16) & 1) === 1;
  if (isGroup || bytes.every((byte) => byte === '00')) {
    throw invalid(
      `invalid MAC address ${text}: it is ${isGroup ? 'a multicast address' : 'all zeros'}`,
    );
  }
  return bytes.join(':');
}

function invalid(text: string): EngineError {
  return new EngineError('invalid', text);
}
