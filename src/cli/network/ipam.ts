/**
 * `--subnet`, `--ip-range`, `--gateway` and `--aux-address` as the API's
 * value: what belongs to a subnet is found by where it lies. Pure.
 *
 * Source: docker's `network create`.
 */

import { EngineError } from '../../base/error.ts';
import {
  contains,
  networkOf,
  overlaps,
  parsePrefixed,
  tryParseAddress,
  type Address,
  type Network,
} from '../../spec/cidr.ts';
import type { Ipam, IpamConfig } from '../../spec/docker/network.ts';

/** What the flags say. */
export interface IpamFlags {
  readonly driver: string;
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  /** Addresses by name. */
  readonly auxAddresses: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

/** A subnet and what has been found to lie in it. */
interface Draft {
  readonly text: string;
  readonly network: Network;
  range: string | undefined;
  gateway: string | undefined;
  readonly auxAddresses: Record<string, string>;
}

/** Throws `invalid` for what belongs to no subnet, or twice to one. */
export function readIpam(flags: IpamFlags): Ipam {
  const { subnets, ranges, gateways } = flags;
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw invalid('every ip-range or gateway must have a corresponding subnet');
  }
  const drafts = subnets.map(readSubnet);
  const overlap = drafts.some(({ network }, index) =>
    drafts.slice(0, index).some((other) => overlaps(other.network, network)),
  );
  if (overlap) throw invalid('multiple overlapping subnet configuration is not supported');
  for (const range of ranges) {
    const home = homeOf(drafts, 'range', range);
    if (home.range !== undefined) throw twice('ranges', `${range}, ${home.range}`, home);
    home.range = range;
  }
  for (const gateway of gateways) {
    const home = homeOf(drafts, 'gateway', gateway);
    if (home.gateway !== undefined) throw twice('gateways', `${gateway}, ${home.gateway}`, home);
    home.gateway = gateway;
  }
  for (const [name, address] of Object.entries(flags.auxAddresses)) {
    homeOf(drafts, 'aux-address', address).auxAddresses[name] = address;
  }
  return { Driver: flags.driver, Options: flags.options, Config: drafts.map(configOf) };
}

function readSubnet(text: string): Draft {
  return {
    text,
    network: readNetwork(text),
    range: undefined,
    gateway: undefined,
    auxAddresses: {},
  };
}

/** Host bits are left for the engine to refuse. */
function readNetwork(text: string): Network {
  const { address, prefixLength } = parsePrefixed(text);
  return networkOf(address, prefixLength);
}

function homeOf(drafts: readonly Draft[], what: string, text: string): Draft {
  const address = addressOf(text);
  const home = drafts.find(({ network }) => contains(network, address));
  if (home !== undefined) return home;
  throw invalid(`no matching subnet for ${what} ${text}`);
}

/** Of an address, or of the beginning of a network. */
function addressOf(text: string): Address {
  const address = text.includes('/') ? readNetwork(text).address : tryParseAddress(text);
  if (address !== undefined) return address;
  throw invalid(`invalid address: ${text}`);
}

function configOf({ text, range, gateway, auxAddresses }: Draft): IpamConfig {
  return {
    Subnet: text,
    ...(range === undefined ? {} : { IPRange: range }),
    ...(gateway === undefined ? {} : { Gateway: gateway }),
    ...(Object.keys(auxAddresses).length === 0 ? {} : { AuxiliaryAddresses: auxAddresses }),
  };
}

function twice(what: string, both: string, { text }: Draft): EngineError {
  return invalid(`cannot configure multiple ${what} (${both}) on the same subnet (${text})`);
}

function invalid(text: string): EngineError {
  return new EngineError('invalid', text);
}
