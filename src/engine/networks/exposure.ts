/**
 * Who reaches which port of which container from where: the rules of the table
 * (`network/firewall.ts`), told from the model that they are made of.
 *
 * **Invariant:** it agrees with what packets do; test/kernel/exposure.test.ts
 * asks both.
 */

import { type Endpoint, type EndpointPort, isDirect } from '../../network/endpoint.ts';
import { linkSettingsOf } from '../../network/settings.ts';
import type { NetworkRecord } from '../../network/store.ts';
import { isLoopback } from '../../network/way.ts';
import { contains, formatAddress, type Address, type Family } from '../../spec/cidr.ts';
import type {
  ContainerExposure,
  EgressReach,
  ExposedTo,
  ExposureWay,
  NetworkExposure,
} from '../../spec/exposure.ts';
import type { Container } from '../containers/container.ts';
import type { EngineParts } from '../parts.ts';
import { allowListsOf } from './egress.ts';

/** A running container, as far as it can be reached. */
export interface ExposedContainer {
  readonly id: string;
  readonly name: string;
  /** It has the network of the host. */
  readonly isOnHost: boolean;
  readonly endpoints: readonly Endpoint[];
  /** Lists that hold on an endpoint, by its id; none: it is free. */
  readonly allowed: ReadonlyMap<string, readonly (readonly string[])[]>;
}

/** What exposure depends on. */
export interface ExposureModel {
  readonly containers: readonly ExposedContainer[];
  /** By id. */
  readonly networks: ReadonlyMap<string, NetworkRecord>;
}

/** The answer of a model. Pure. */
export function computeExposure(model: ExposureModel): NetworkExposure {
  const containers = model.containers.map(
    (container): ContainerExposure => ({
      ContainerId: container.id,
      ContainerName: container.name,
      Ways: container.isOnHost ? [HOST_WAY] : waysTo(container, model),
      ...reachOf(container, model),
    }),
  );
  return {
    Containers: containers.toSorted((a, b) => (a.ContainerName < b.ContainerName ? -1 : 1)),
  };
}

/** What it listens on is the host's. */
const HOST_WAY: ExposureWay = {
  Network: 'host',
  Port: '*',
  At: '*',
  IsPublished: false,
  From: ['host', 'lan', 'containers'],
  Peers: [],
};

function waysTo(container: ExposedContainer, model: ExposureModel): readonly ExposureWay[] {
  return container.endpoints.flatMap((endpoint) => {
    const network = model.networks.get(endpoint.networkId);
    if (network === undefined) return [];
    const peers = peersOf(container, network, model);
    const own = [endpoint.ipv4, endpoint.ipv6].flatMap((each): readonly ExposureWay[] => {
      if (each === undefined) return [];
      const at = formatAddress(each.address);
      const whole = { Network: network.name, Port: '*', At: at, IsPublished: false };
      return [{ ...whole, ...directly(network, each.address.family, peers) }];
    });
    const ways = [
      ...endpoint.ports
        .filter((port) => !isDirect(port))
        .map((port) => published(port, network, model)),
      ...openPorts(endpoint.ports).map((port) => opened(port, network, peers)),
    ];
    return [...ways, ...own];
  });
}

/** Other containers of the network, where they may talk. */
function peersOf(
  { id }: ExposedContainer,
  network: NetworkRecord,
  { containers }: ExposureModel,
): readonly string[] {
  if (network.driver === 'bridge' && !linkSettingsOf(network).isConnected) return [];
  return containers
    .filter((other) => other.id !== id)
    .filter(({ endpoints }) => endpoints.some(({ networkId }) => networkId === network.id))
    .map(({ name }) => name)
    .toSorted();
}

/** By the container's own address. A child of a host's link is a machine on its wire, which the host itself does not reach. */
function directly(
  network: NetworkRecord,
  family: Family,
  peers: readonly string[],
): Pick<ExposureWay, 'From' | 'Peers'> {
  const from = outsideOf(network, family);
  return { From: peers.length > 0 ? [...from, 'peers'] : from, Peers: peers };
}

function outsideOf(network: NetworkRecord, family: Family): readonly ExposedTo[] {
  const { driver, isInternal } = network;
  if (driver !== 'bridge') return isInternal ? [] : ['lan'];
  const mode = linkSettingsOf(network).modes[family];
  if (mode === 'isolated') return [];
  return mode === 'nat-unprotected' && !isInternal ? ['host', 'lan'] : ['host'];
}

/** Ports that are reached at their container's own address, each once. */
function openPorts(ports: readonly EndpointPort[]): readonly EndpointPort[] {
  const open = ports.filter(({ isOpen }) => isOpen === true);
  return [...new Map(open.map((port) => [openAt(port), port])).values()];
}

function openAt({ protocol, target, targetPort }: EndpointPort): string {
  return `${shownHost(target)}:${targetPort}/${protocol}`;
}

/** By the container's own address: of a routed network from everywhere, else by trusted links. */
function opened(port: EndpointPort, network: NetworkRecord, peers: readonly string[]): ExposureWay {
  const { trusted } = linkSettingsOf(network);
  const from: readonly ExposedTo[] = isDirect(port)
    ? ['host', 'lan', 'containers']
    : ['host', 'lan'];
  return {
    Network: network.name,
    Port: `${port.targetPort}/${port.protocol}`,
    At: `${shownHost(port.target)}:${port.targetPort}`,
    IsPublished: true,
    From: peers.length > 0 ? [...from, 'peers'] : from,
    Peers: peers,
    ...(isDirect(port) ? {} : { Links: trusted }),
  };
}

/** As in a URL. */
function shownHost(address: Address): string {
  const text = formatAddress(address);
  return address.family === 'ipv6' ? `[${text}]` : text;
}

/** By a port of the host. */
function published(port: EndpointPort, network: NetworkRecord, model: ExposureModel): ExposureWay {
  const at = `${shownHost(port.host)}:${port.hostPort}`;
  const { from, peers } = sourcesOf(port.host, model);
  return {
    Network: network.name,
    Port: `${port.targetPort}/${port.protocol}`,
    At: at,
    IsPublished: true,
    From: from,
    Peers: peers,
  };
}

function sourcesOf(
  host: Address,
  { containers, networks }: ExposureModel,
): { readonly from: readonly ExposedTo[]; readonly peers: readonly string[] } {
  if (isLoopback(host)) return { from: ['host'], peers: [] };
  // A network's own address in the host is there for the containers of that network.
  const owner = [...networks.values()].find(
    ({ driver, subnets }) =>
      driver === 'bridge' && subnets.some(({ subnet }) => contains(subnet, host)),
  );
  if (host.value === 0n || owner === undefined)
    return { from: ['host', 'lan', 'containers'], peers: [] };
  const peers = containers
    .filter(({ endpoints }) => endpoints.some(({ networkId }) => networkId === owner.id))
    .map(({ name }) => name)
    .toSorted();
  return { from: peers.length > 0 ? ['host', 'peers'] : ['host'], peers };
}

function reachOf(
  { isOnHost, endpoints, allowed }: ExposedContainer,
  { networks }: ExposureModel,
): Pick<ContainerExposure, 'Reaches' | 'Allowed'> {
  const reaches = (Reaches: EgressReach, lists: readonly (readonly string[])[] = []) => ({
    Reaches,
    Allowed: lists,
  });
  if (isOnHost) return reaches('as-the-host');
  const outward = endpoints.filter(
    (endpoint) =>
      (endpoint.isDefault4 || endpoint.isDefault6) &&
      networks.get(endpoint.networkId)?.isInternal === false,
  );
  if (outward.length === 0) return reaches('nothing');
  const held = outward.map(({ id }) => allowed.get(id) ?? []);
  if (held.some((lists) => lists.length === 0)) return reaches('everything');
  return reaches('list', held.flat());
}

/** Who reaches what now, or only the container of `ref`. Errors: `not-found`. */
export function exposure(parts: EngineParts, ref: string | undefined): NetworkExposure {
  const wanted = ref === undefined ? undefined : parts.containers.get(ref).id;
  const running = [...parts.containers.all()].filter(({ isAlive }) => isAlive);
  const { Containers } = computeExposure({
    containers: running.map((container) => exposedContainer(parts, container)),
    networks: new Map(parts.networks.list().map((network) => [network.id, network])),
  });
  return {
    Containers: Containers.filter(
      ({ ContainerId }) => wanted === undefined || ContainerId === wanted,
    ),
  };
}

/** A guest of another container's network has what that one has. */
function exposedContainer(parts: EngineParts, container: Container): ExposedContainer {
  const mode = container.record.hostConfig.NetworkMode ?? '';
  const host = /^container:(.+)$/.exec(mode)?.[1];
  const other = host === undefined ? undefined : parts.containers.find(host);
  const { id, name } = container;
  if (other !== undefined && other !== container)
    return { ...exposedContainer(parts, other), id, name };
  const { endpoints, record } = container;
  return {
    id,
    name,
    isOnHost: mode === 'host',
    endpoints,
    allowed: new Map(
      endpoints.map((endpoint) => {
        const network = parts.networks.find(endpoint.networkId);
        return [endpoint.id, network === undefined ? [] : allowListsOf(record, network)];
      }),
    ),
  };
}
