/** What is shown of a container's networks: what was asked for, and what it has while it runs. Pure. */

import { type Endpoint, type EndpointPort, isDirect } from '../../network/endpoint.ts';
import { formatAddress } from '../../spec/cidr.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';
import type { ContainerSummary, NetworkSettings } from '../../spec/docker/inspect.ts';
import { type ContainerPort, formatContainerPort, parseContainerPort } from '../../spec/port.ts';
import type { Container } from '../containers/container.ts';

/** An endpoint of a container that does not run. */
const EMPTY_ENDPOINT: EndpointSettings = {
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  DriverOpts: null,
  GwPriority: 0,
  EndpointID: '',
  Gateway: '',
  IPAddress: '',
  MacAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
};

/** Endpoints by the network's name. */
export function shownEndpoints(
  container: Pick<Container, 'record' | 'endpoints'>,
): Readonly<Record<string, EndpointSettings>> {
  const { record, endpoints } = container;
  const names = new Set([
    ...Object.keys(record.endpoints),
    ...endpoints.map(({ networkName }) => networkName),
  ]);
  return Object.fromEntries(
    [...names].map((name) => {
      const live = endpoints.find(({ networkName }) => networkName === name);
      const asked = { ...EMPTY_ENDPOINT, ...record.endpoints[name] };
      return [name, live === undefined ? asked : { ...asked, ...describe(live) }];
    }),
  );
}

function describe(endpoint: Endpoint): EndpointSettings {
  const { ipv4, ipv6 } = endpoint;
  return {
    NetworkID: endpoint.networkId,
    EndpointID: endpoint.id,
    MacAddress: endpoint.mac,
    IPAddress: ipv4 === undefined ? '' : formatAddress(ipv4.address),
    IPPrefixLen: ipv4?.prefixLength ?? 0,
    Gateway: ipv4?.gateway === undefined ? '' : formatAddress(ipv4.gateway),
    GlobalIPv6Address: ipv6 === undefined ? '' : formatAddress(ipv6.address),
    GlobalIPv6PrefixLen: ipv6?.prefixLength ?? 0,
    IPv6Gateway: ipv6?.gateway === undefined ? '' : formatAddress(ipv6.gateway),
    DNSNames: endpoint.names,
  };
}

/** Ports that the image or the user says it serves, each once. */
export function exposedPorts({
  config,
  hostConfig,
}: Pick<Container['record'], 'config' | 'hostConfig'>): readonly ContainerPort[] {
  const keys = [
    ...Object.keys(config.ExposedPorts ?? {}),
    ...Object.keys(hostConfig.PortBindings ?? {}),
  ];
  const ports = new Set(keys.map((key) => formatContainerPort(parseContainerPort(key))));
  return [...ports].map(parseContainerPort);
}

/** `NetworkSettings.Ports`: every exposed port, with where it is published. */
export function shownPorts(container: Container): NetworkSettings['Ports'] {
  if (!container.isAlive || hasOthersNetwork(container)) return {};
  const ports: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const port of exposedPorts(container.record)) ports[formatContainerPort(port)] = null;
  for (const port of publishedPorts(container)) {
    const key = formatContainerPort({ port: port.targetPort, protocol: port.protocol });
    const HostPort = isDirect(port) ? '' : String(port.hostPort);
    const bound = { HostIp: formatAddress(port.host), HostPort };
    ports[key] = [...(ports[key] ?? []), bound];
  }
  return ports;
}

/** `Ports` of a list's row. */
export function listedPorts(container: Container): ContainerSummary['Ports'] {
  const published = publishedPorts(container);
  return Object.entries(shownPorts(container)).flatMap(([key, bound]) => {
    const { port, protocol } = parseContainerPort(key);
    const plain = { PrivatePort: port, Type: protocol };
    if (bound === null || bound.length === 0) return [plain];
    return published
      .filter((each) => each.targetPort === port && each.protocol === protocol)
      .map(({ host, hostPort }) => ({
        IP: formatAddress(host),
        ...(isDirect({ hostPort }) ? {} : { PublicPort: hostPort }),
        ...plain,
      }));
  });
}

/** The host's network, or another container's. */
function hasOthersNetwork(container: Container): boolean {
  const mode = container.record.hostConfig.NetworkMode ?? 'none';
  return mode === 'host' || mode.startsWith('container:');
}

function publishedPorts(container: Container): readonly EndpointPort[] {
  return container.endpoints.flatMap(({ ports }) => ports);
}
