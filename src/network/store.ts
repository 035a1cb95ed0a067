/**
 * The contract of a network store: what networks there are, as data. Who is on
 * a network is the engine's knowledge; what exists of it in the kernel is the
 * fabric's (`fabric.ts`).
 *
 * Source: Engine API `Network`, `NetworkCreateRequest`, `IPAM`.
 */

import type { Address, Network } from '../spec/cidr.ts';
import type { IpamConfig } from '../spec/docker/network.ts';

/** How containers are connected. `null` is the network `none`, `host` the host's own. */
export type NetworkDriver = 'bridge' | 'macvlan' | 'ipvlan' | 'host' | 'null';

/** One subnet of a network. */
export interface NetworkSubnet {
  readonly subnet: Network;
  /** Part of it that addresses are chosen from; `undefined`: all of it. */
  readonly range: Network | undefined;
  /** The network's own address in it. */
  readonly gateway: Address;
  /** Addresses nobody is given, by the name the user gave each. */
  readonly reserved: Readonly<Record<string, Address>>;
  /** The engine chose it; absent: the user did, and may ask for addresses of it. */
  readonly isChosen?: true;
}

/** What networks that are made from a configuration get, besides its options and labels: as it was asked for. */
export interface NetworkConfiguration {
  /** Empty: the usual one. */
  readonly ipamDriver: string;
  readonly subnets: readonly IpamConfig[];
  /** Absent: as is usual for the network's driver. */
  readonly hasIpv4?: boolean;
  /** As `hasIpv4`. */
  readonly hasIpv6?: boolean;
}

/** One network. */
export interface NetworkRecord {
  /** 64 lower-case hex digits. */
  readonly id: string;
  readonly name: string;
  /** Nanoseconds since the epoch. */
  readonly createdAtNs: bigint;
  readonly driver: NetworkDriver;
  /** One of `bridge`, `host`, `none`: always there, cannot be removed. */
  readonly isPredefined: boolean;
  readonly hasIpv4: boolean;
  readonly hasIpv6: boolean;
  /** Of both families, in the order asked for. Empty for `host` and `null`, and for `bridge` until it is first used. */
  readonly subnets: readonly NetworkSubnet[];
  /** Nothing leaves it but to its own containers. */
  readonly isInternal: boolean;
  readonly isAttachable: boolean;
  readonly ipamOptions: Readonly<Record<string, string>>;
  /** Driver options, e.g. `com.docker.network.bridge.name`. */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** It is a configuration and no network: its driver is `null`, nobody joins it. */
  readonly configuration?: NetworkConfiguration;
  /** Name of the configuration that it was made from. */
  readonly configuredBy?: string;
}

/** Networks by id. Changes are on disk when a method returns; inside a transaction of the database they are a part of it. */
export interface NetworkStore {
  /** Oldest first, the predefined ones before all. */
  list(): readonly NetworkRecord[];
  /** By id. */
  find(id: string): NetworkRecord | undefined;
  /** Errors: `conflict` when the name or the id is taken. */
  insert(network: NetworkRecord): void;
  /** Replaces the record of the same id. Errors: `not-found`. */
  update(network: NetworkRecord): void;
  /** Idempotent. */
  remove(id: string): void;
}
