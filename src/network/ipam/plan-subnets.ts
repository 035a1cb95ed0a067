/**
 * The subnets of a new network: what was asked for, checked, and what was left
 * to the engine, chosen. Pure.
 *
 * **Invariant:** no planned subnet overlaps another, one of another network
 * or, where the engine chose it, a route of the host; a gateway and reserved
 * addresses are usable addresses of their subnet, all different.
 *
 * Source: Engine API `IPAM`.
 */

import { EngineError, messageOf } from '../../base/error.ts';
import {
  bitsOf,
  contains,
  formatAddress,
  formatNetwork,
  networkOf,
  overlaps,
  parseNetwork,
  parsePrefixed,
  tryParseAddress,
  type Address,
  type Family,
  type Network,
} from '../../spec/cidr.ts';
import type { IpamConfig } from '../../spec/docker/network.ts';
import type { NetworkSubnet } from '../store.ts';
import {
  chooseAddress,
  chooseSubnet,
  claimAddress,
  uniqueLocalSubnet,
  type SubnetPool,
} from './pool.ts';

/** What a plan depends on. */
export interface SubnetContext {
  readonly hasIpv4: boolean;
  readonly hasIpv6: boolean;
  /** Networks that are there. */
  readonly networks: readonly {
    readonly name: string;
    readonly subnets: readonly NetworkSubnet[];
  }[];
  /** Destinations of the host's routes. */
  readonly routes: readonly Network[];
  readonly pools: readonly SubnetPool[];
  /** 5 random bytes, or more. */
  readonly random: () => Uint8Array;
}

/** Subnets, and those asked for that a switched-off family leaves unused. */
export interface PlannedSubnets {
  readonly subnets: readonly NetworkSubnet[];
  readonly unused: readonly Network[];
}

/** Addresses that mean something else everywhere. */
const UNUSABLE: readonly Network[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '224.0.0.0/4',
  '::/127',
  'ff00::/8',
].map(parseNetwork);

/** Errors: `invalid` request; `denied` overlap; `exhausted` pools. */
export function planSubnets(
  configs: readonly IpamConfig[],
  context: SubnetContext,
): PlannedSubnets {
  const asked = configs.filter(saysSomething).map(readConfig);
  const isOn = ({ subnet }: NetworkSubnet): boolean =>
    subnet.address.family === 'ipv4' ? context.hasIpv4 : context.hasIpv6;
  const subnets = asked.filter(isOn);
  subnets.forEach((one, index) => checkOverlap(one.subnet, subnets.slice(0, index), context));
  const taken = [
    ...subnets.map(({ subnet }) => subnet),
    ...context.networks.flatMap((network) => network.subnets.map(({ subnet }) => subnet)),
    ...context.routes,
  ];
  const lacks = (family: Family): boolean =>
    subnets.every(({ subnet }) => subnet.address.family !== family);
  return {
    subnets: [
      ...subnets,
      ...(context.hasIpv4 && lacks('ipv4') ? [chosen(chooseSubnet(context.pools, taken))] : []),
      ...(context.hasIpv6 && lacks('ipv6') ? [chosen(chooseSubnet6(taken, context.random))] : []),
    ],
    unused: asked.filter((one) => !isOn(one)).map(({ subnet }) => subnet),
  };
}

/** Subnets of a network that is still to be made; whether they are free is not asked. Errors: as {@link planSubnets}. */
export function checkSubnets(configs: readonly IpamConfig[]): void {
  const subnets = configs.filter(saysSomething).map(readConfig);
  subnets.forEach(({ subnet }, index) =>
    checkOverlap(subnet, subnets.slice(0, index), { networks: [] }),
  );
}

function saysSomething(config: IpamConfig): boolean {
  return (
    [config.Subnet, config.IPRange, config.Gateway].some((text) => (text ?? '') !== '') ||
    Object.keys(config.AuxiliaryAddresses ?? {}).length > 0
  );
}

function chosen(subnet: Network): NetworkSubnet {
  const gateway = chooseAddress({ subnet, taken: new Set() });
  return { subnet, range: undefined, gateway, reserved: {}, isChosen: true };
}

/** Random ones clash about never; a stuck source of randomness must not hang. */
function chooseSubnet6(taken: readonly Network[], random: () => Uint8Array): Network {
  for (let attempt = 0; attempt < 16; attempt += 1) {
    const subnet = uniqueLocalSubnet(random());
    if (!taken.some((network) => overlaps(network, subnet))) return subnet;
  }
  throw new EngineError(
    'exhausted',
    'Cannot choose an IPv6 subnet: every one that was tried is in use by a network or a route of the host',
    { hint: 'Give a subnet (--subnet), or make the network without IPv6 (--ipv6=false)' },
  );
}

function readConfig(config: IpamConfig): NetworkSubnet {
  if ((config.Subnet ?? '') === '') {
    throw invalid('every ip-range, gateway or auxiliary address must have a corresponding subnet');
  }
  const subnet = readNetwork('subnet', config.Subnet ?? '');
  checkUsable(subnet);
  const range = (config.IPRange ?? '') === '' ? undefined : readRange(config.IPRange ?? '', subnet);
  const given = (config.Gateway ?? '') === '' ? undefined : config.Gateway;
  const taken = new Set<bigint>();
  const gateway = given === undefined ? undefined : claim('gateway', given, { subnet, taken });
  const reserved = Object.fromEntries(
    Object.entries(config.AuxiliaryAddresses ?? {}).map(([name, text]) => [
      name,
      claim(`auxiliary address ${name}`, text, { subnet, taken }),
    ]),
  );
  return { subnet, range, gateway: gateway ?? chooseAddress({ subnet, taken }), reserved };
}

/** Host bits are an error: the network that was meant is named. */
function readNetwork(what: 'subnet' | 'ip-range', text: string): Network {
  const shown = text.slice(0, 80);
  let network: Network;
  try {
    const { address, prefixLength } = parsePrefixed(text);
    network = networkOf(address, prefixLength);
    if (network.address.value === address.value) return network;
  } catch {
    throw invalid(`invalid ${what} ${shown}: invalid CIDR block notation`);
  }
  throw invalid(`invalid ${what} ${shown}: it should be ${formatNetwork(network)}`);
}

function checkUsable(subnet: Network): void {
  const text = formatNetwork(subnet);
  const clash = UNUSABLE.find((network) => overlaps(network, subnet));
  if (clash !== undefined) {
    throw invalid(
      `invalid subnet ${text}: addresses of ${formatNetwork(clash)} cannot be given to containers`,
    );
  }
  if (bitsOf(subnet.address.family) - subnet.prefixLength < 1) {
    throw invalid(`invalid subnet ${text}: it has no room for a gateway and a container`);
  }
}

function readRange(text: string, subnet: Network): Network {
  const range = readNetwork('ip-range', text);
  checkFamily(`ip-range ${text}`, range.address, subnet);
  const shown = formatNetwork(subnet);
  if (range.prefixLength < subnet.prefixLength) {
    throw invalid(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${shown}`);
  }
  if (!contains(subnet, range.address)) {
    throw invalid(`invalid ip-range ${text}: parent subnet ${shown} doesn't contain ip-range`);
  }
  return range;
}

/** One usable address of the subnet that nothing else of the request has. */
function claim(
  what: string,
  text: string,
  from: { readonly subnet: Network; readonly taken: Set<bigint> },
): Address {
  const named = what === 'gateway' ? `${what} ${text.slice(0, 80)}` : what;
  const address = tryParseAddress(text);
  if (address === undefined)
    throw invalid(`invalid ${named}: invalid address ${text.slice(0, 80)}`);
  checkFamily(named, address, from.subnet);
  if (!contains(from.subnet, address)) {
    throw invalid(
      `invalid ${named}: parent subnet ${formatNetwork(from.subnet)} doesn't contain this address`,
    );
  }
  if (from.taken.has(address.value)) {
    throw invalid(`invalid ${named}: ${formatAddress(address)} is given twice`);
  }
  try {
    claimAddress(from, address);
  } catch (error) {
    throw invalid(messageOf(error));
  }
  from.taken.add(address.value);
  return address;
}

function checkFamily(what: string, address: Address, subnet: Network): void {
  if (address.family === subnet.address.family) return;
  const family = subnet.address.family === 'ipv4' ? 'an IPv4' : 'an IPv6';
  throw invalid(`invalid ${what}: parent subnet is ${family} block`);
}

function checkOverlap(
  subnet: Network,
  others: readonly NetworkSubnet[],
  context: Pick<SubnetContext, 'networks'>,
): void {
  const text = formatNetwork(subnet);
  const clash = (owned: NetworkSubnet): boolean => overlaps(owned.subnet, subnet);
  const twin = others.find(clash);
  if (twin !== undefined) {
    throw overlapping(`${text} and ${formatNetwork(twin.subnet)} of the same request`);
  }
  for (const { name, subnets } of context.networks) {
    const owned = subnets.find(clash);
    if (owned !== undefined) {
      throw overlapping(`network ${name} has ${formatNetwork(owned.subnet)}`);
    }
  }
}

function overlapping(why: string): EngineError {
  return new EngineError(
    'denied',
    `invalid pool request: Pool overlaps with other one on this address space: ${why}`,
    { operation: 'network.ipam' },
  );
}

function invalid(text: string): EngineError {
  return new EngineError('invalid', `invalid network config: ${text}`, {
    operation: 'network.ipam',
  });
}
