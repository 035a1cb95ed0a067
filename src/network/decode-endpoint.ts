/** Endpoints as JSON text and back; the text is this engine's own. */

import { formatAddress, parseAddress } from '../spec/cidr.ts';
import type { Endpoint, EndpointAddress, EndpointPort } from './endpoint.ts';

type StoredAddress = readonly [address: string, prefixLength: number, gateway: string | null];
type StoredPort = readonly [
  protocol: EndpointPort['protocol'],
  host: string,
  hostPort: number,
  target: string,
  targetPort: number,
  isOpen?: true,
];
type StoredEndpoint = Omit<Endpoint, 'ipv4' | 'ipv6' | 'ports'> & {
  readonly ipv4: StoredAddress | null;
  readonly ipv6: StoredAddress | null;
  readonly ports: readonly StoredPort[];
};

/** Text of a container's endpoints. */
export function encodeEndpoints(endpoints: readonly Endpoint[]): string {
  return JSON.stringify(
    endpoints.map((endpoint) => ({
      ...endpoint,
      ipv4: storeAddress(endpoint.ipv4),
      ipv6: storeAddress(endpoint.ipv6),
      ports: endpoint.ports.map((port) => [
        port.protocol,
        formatAddress(port.host),
        port.hostPort,
        formatAddress(port.target),
        port.targetPort,
        ...(port.isOpen === true ? [true] : []),
      ]),
    })),
  );
}

/** Undoes {@link encodeEndpoints}. Errors: any, for other text. */
export function decodeEndpoints(text: string): readonly Endpoint[] {
  const stored = JSON.parse(text) as readonly StoredEndpoint[];
  return stored.map((endpoint) => ({
    ...endpoint,
    ipv4: loadAddress(endpoint.ipv4),
    ipv6: loadAddress(endpoint.ipv6),
    ports: endpoint.ports.map(([protocol, host, hostPort, target, targetPort, isOpen]) => ({
      protocol,
      host: parseAddress(host),
      hostPort,
      target: parseAddress(target),
      targetPort,
      ...(isOpen === true ? { isOpen } : {}),
    })),
  }));
}

function storeAddress(address: EndpointAddress | undefined): StoredAddress | null {
  if (address === undefined) return null;
  const { gateway } = address;
  return [
    formatAddress(address.address),
    address.prefixLength,
    gateway === undefined ? null : formatAddress(gateway),
  ];
}

function loadAddress(stored: StoredAddress | null): EndpointAddress | undefined {
  if (stored === null) return undefined;
  const [address, prefixLength, gateway] = stored;
  return {
    address: parseAddress(address),
    prefixLength,
    gateway: gateway === null ? undefined : parseAddress(gateway),
  };
}
