/** Network records as JSON text and back, addresses as people write them; the text is this engine's own. */

import { formatAddress, formatNetwork, parseAddress, parseNetwork } from '../spec/cidr.ts';
import type { NetworkRecord, NetworkSubnet } from './store.ts';

/** A subnet in the database. */
interface StoredSubnet {
  readonly subnet: string;
  readonly range?: string;
  readonly gateway: string;
  readonly reserved: Readonly<Record<string, string>>;
  readonly isChosen?: true;
}

/** A network in the database. */
interface StoredNetwork extends Omit<NetworkRecord, 'createdAtNs' | 'subnets'> {
  readonly createdAtNs: string;
  readonly subnets: readonly StoredSubnet[];
}

/** Text of the column `network`. */
export function encodeNetwork(network: NetworkRecord): string {
  const stored: StoredNetwork = {
    ...network,
    createdAtNs: String(network.createdAtNs),
    subnets: network.subnets.map(encodeSubnet),
  };
  return JSON.stringify(stored);
}

function encodeSubnet({ subnet, range, gateway, reserved, ...rest }: NetworkSubnet): StoredSubnet {
  return {
    ...rest,
    subnet: formatNetwork(subnet),
    ...(range === undefined ? {} : { range: formatNetwork(range) }),
    gateway: formatAddress(gateway),
    reserved: mapValues(reserved, formatAddress),
  };
}

/** Errors: any, when the row is damaged. */
export function decodeNetwork(text: string): NetworkRecord {
  const stored = JSON.parse(text) as StoredNetwork;
  return {
    ...stored,
    createdAtNs: BigInt(stored.createdAtNs),
    subnets: stored.subnets.map(({ subnet, range, gateway, reserved, ...rest }) => ({
      ...rest,
      subnet: parseNetwork(subnet),
      range: range === undefined ? undefined : parseNetwork(range),
      gateway: parseAddress(gateway),
      reserved: mapValues(reserved, parseAddress),
    })),
  };
}

function mapValues<A, B>(
  values: Readonly<Record<string, A>>,
  change: (value: A) => B,
): Readonly<Record<string, B>> {
  // From entries: a key named __proto__ stays a key.
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
}
