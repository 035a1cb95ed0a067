/**
 * One container's place on one network, while it runs: what was chosen for it.
 * As text (`decode-endpoint.ts`) it lies in the container's run directory, which
 * lives exactly as long as the network namespace can: until the next boot.
 *
 * **Invariant:** whoever finds the process finds its endpoints, so an address
 * is taken exactly as long as somebody uses it.
 */

import type { Address } from '../spec/cidr.ts';

/** An address of an interface. */
export interface EndpointAddress {
  readonly address: Address;
  /** Bits. */
  readonly prefixLength: number;
  /** The next hop for everything else; `undefined`: the network leads nowhere. */
  readonly gateway: Address | undefined;
}

/** A host port that leads to this endpoint. */
export interface EndpointPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** The host's address; an unspecified one means every address of its family. */
  readonly host: Address;
  /** 0: none of the host's, the container's own address is all there is ({@link isDirect}). */
  readonly hostPort: number;
  readonly target: Address;
  readonly targetPort: number;
  /** It is reached at the container's own address from elsewhere too. Default: not. */
  readonly isOpen?: true;
}

/** No port of the host leads to it: its network is routed. */
export function isDirect({ hostPort }: Pick<EndpointPort, 'hostPort'>): boolean {
  return hostPort === 0;
}

/** One end of a veth pair, or a child of a host's link, in a container. */
export interface Endpoint {
  readonly networkId: string;
  readonly networkName: string;
  /** 64 lower-case hex digits. */
  readonly id: string;
  /** In the container, e.g. `eth0`. */
  readonly interfaceName: string;
  /** Number of the interface in the container. */
  readonly index: number;
  /** The other end, on the host's bridge; empty for a child link. */
  readonly hostLink: string;
  /** `02:42:ac:11:00:02`. */
  readonly mac: string;
  readonly ipv4: EndpointAddress | undefined;
  readonly ipv6: EndpointAddress | undefined;
  /** More addresses of the interface, as text. Default: none. */
  readonly linkLocal?: readonly string[];
  /** Paths below /proc/sys/net, and values, that the user chose for it. Default: none. */
  readonly settings?: readonly (readonly [path: string, value: string])[];
  /** The default routes of these families go this way. */
  readonly isDefault4: boolean;
  readonly isDefault6: boolean;
  /** What it answers to on this network. */
  readonly names: readonly string[];
  readonly ports: readonly EndpointPort[];
}
