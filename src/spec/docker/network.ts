/**
 * Docker's words for networks, as they travel on the wire.
 * Source: Docker Engine API 1.51, `Network`, `NetworkCreateRequest`, `IPAM`, `EndpointResource`.
 */

import type { EndpointSettings } from './container.ts';

/** One subnet. Source: Engine API `IPAMConfig`. */
export interface IpamConfig {
  /** CIDR. */
  readonly Subnet?: string;
  /** CIDR: the part of it that addresses are chosen from. */
  readonly IPRange?: string;
  readonly Gateway?: string;
  /** Addresses nobody is given, by name. */
  readonly AuxiliaryAddresses?: Readonly<Record<string, string>> | null;
}

/** Source: Engine API `IPAM`. */
export interface Ipam {
  readonly Driver?: string;
  readonly Config?: readonly IpamConfig[] | null;
  readonly Options?: Readonly<Record<string, string>> | null;
}

/** Body of `POST /networks/create`. Source: Engine API `NetworkCreateRequest`. */
export interface NetworkCreateBody {
  readonly Name?: string;
  /** Always so, whatever is sent. */
  readonly CheckDuplicate?: boolean;
  readonly Driver?: string;
  readonly Scope?: string;
  readonly Internal?: boolean;
  readonly Attachable?: boolean;
  readonly Ingress?: boolean;
  readonly ConfigOnly?: boolean;
  readonly ConfigFrom?: { readonly Network?: string } | null;
  readonly IPAM?: Ipam | null;
  readonly EnableIPv4?: boolean | null;
  readonly EnableIPv6?: boolean | null;
  readonly Options?: Readonly<Record<string, string>> | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

/** Answer of `POST /networks/create`. */
export interface NetworkCreated {
  readonly Id: string;
  /** Empty: none. */
  readonly Warning: string;
}

/** A running container on a network. Source: Engine API `NetworkContainer`. */
export interface EndpointResource {
  readonly Name: string;
  readonly EndpointID: string;
  readonly MacAddress: string;
  /** CIDR; empty without one. */
  readonly IPv4Address: string;
  /** CIDR; empty without one. */
  readonly IPv6Address: string;
}

/** A network as it is listed. Source: Engine API `Network`. */
export interface NetworkSummary {
  readonly Name: string;
  readonly Id: string;
  /** RFC 3339 with nanoseconds. */
  readonly Created: string;
  readonly Scope: 'local';
  readonly Driver: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly IPAM: {
    readonly Driver: string;
    readonly Options: Readonly<Record<string, string>> | null;
    readonly Config: readonly IpamConfig[];
  };
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigFrom: { readonly Network: string };
  readonly ConfigOnly: boolean;
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

/** A network as it is inspected: with the running containers on it, by id. */
export interface NetworkInspect extends NetworkSummary {
  readonly Containers: Readonly<Record<string, EndpointResource>>;
}

/** Body of `POST /networks/{id}/connect`. Source: Engine API `NetworkConnectRequest`. */
export interface NetworkConnectBody {
  readonly Container?: string;
  readonly EndpointConfig?: EndpointSettings | null;
}

/** Body of `POST /networks/{id}/disconnect`. Source: Engine API `NetworkDisconnectRequest`. */
export interface NetworkDisconnectBody {
  readonly Container?: string;
  readonly Force?: boolean;
}
