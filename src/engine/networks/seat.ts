/**
 * A container's endpoints at its start: which networks, which addresses, which
 * ports; and giving it all back.
 *
 * **Invariants**
 * - What a process uses is in its `endpoints` file before it begins, so an
 *   engine that finds the process knows it.
 * - Addresses and ports are given back only when no process uses them.
 *
 * Source: Engine API `EndpointSettings`; docs/decisions/0041-seats-of-containers.md.
 */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isEngineError, messageOf } from '../../base/error.ts';
import { diskError, errnoOf } from '../../kernel/disk-error.ts';
import { parseAddress, tryParseAddress, type Address, type Family } from '../../spec/cidr.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';
import { portWishes } from '../../spec/port.ts';
import { choosePorts, type PortAccess } from '../../network/choose-ports.ts';
import { decodeEndpoints, encodeEndpoints } from '../../network/decode-endpoint.ts';
import { type Endpoint, isDirect } from '../../network/endpoint.ts';
import type { NamespaceOwner, NetworkedEndpoint } from '../../network/fabric.ts';
import { linkSettingsOf } from '../../network/settings.ts';
import type { NetworkRecord } from '../../network/store.ts';
import type { NetworkOps } from '../../runtime/runtime.ts';
import type { Container } from '../containers/container.ts';
import { runDirOf } from '../containers/paths.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { EngineParts } from '../parts.ts';
import { networksOfRecord, type WantedEndpoint } from './wanted.ts';
import { withEgress } from './egress.ts';
import { interfaceSettings } from './interface-settings.ts';
import { namespaceSharers } from './namespace-sharers.ts';
import { readyNetwork, withSubnet } from './ready.ts';
import { tellContainer } from './tell-names.ts';

/** Numbers of a container's interfaces begin here: lower ones may be the kernel's own. */
const FIRST_INDEX = 10;

/** Choose the endpoints of a container and say how it starts with them; `undefined` when it has none of its own. `refused`: host ports that other programs have. Errors: `conflict`, `exhausted`, `invalid`, `not-found` network, those of the fabric. */
export async function takeSeats(
  parts: EngineParts,
  container: Container,
  refused: ReadonlySet<string>,
): Promise<NetworkOps | undefined> {
  const wanted = networksOfRecord(parts, container.record);
  if (wanted.length === 0) return undefined;
  const networked: (NetworkedEndpoint & { readonly priority: number })[] = [];
  if (parts.ports.returning.size > 0) await Promise.all(parts.ports.returning);
  try {
    for (const want of wanted) {
      const network = await readyNetwork(parts, want.network);
      const taken = seat(parts, container, { ...want, network, others: networked });
      networked.push({ ...taken, priority: want.settings.GwPriority ?? 0 });
    }
    const endpoints = withEgress(
      container.record,
      withPorts(parts, container, { networked: withDefaultRoutes(networked), refused }),
    );
    claimPorts(parts, container, endpoints);
    container.endpoints = endpoints.map(({ endpoint }) => endpoint);
    writeEndpoints(parts, container, container.endpoints);
    tellContainer(parts, container);
    return await parts.fabric.planStart(container.id, endpoints);
  } catch (error) {
    // What it has by now is given back by whoever called, as after any start that fails.
    if (container.endpoints.length > 0) throw error;
    for (const { endpoint } of networked) parts.addresses.giveBack(endpoint.networkId, endpoint);
    throw error;
  }
}

/** How a container of this record would start; nothing is taken. Errors: as {@link takeSeats}. */
export function previewSeats(parts: EngineParts, record: ContainerRecord): NetworkOps | undefined {
  const networked: (NetworkedEndpoint & { readonly priority: number })[] = [];
  try {
    for (const want of networksOfRecord(parts, record)) {
      const network = withSubnet(parts, want.network);
      const taken = seat(parts, { record }, { ...want, network, others: networked });
      networked.push({ ...taken, priority: want.settings.GwPriority ?? 0 });
    }
    if (networked.length === 0) return undefined;
    const routed = withDefaultRoutes(networked);
    const endpoints = withPorts(parts, { record }, { networked: routed, refused: new Set() });
    return parts.fabric.explainStart(record.id, withEgress(record, endpoints));
  } finally {
    for (const { endpoint } of networked) parts.addresses.giveBack(endpoint.networkId, endpoint);
  }
}

/** What runs is found again: its addresses and ports are taken. */
export function adoptSeats(parts: EngineParts, container: Container): void {
  const endpoints = readEndpoints(parts, container);
  container.endpoints = endpoints;
  const networked = endpoints.flatMap((endpoint): readonly NetworkedEndpoint[] => {
    parts.addresses.adopt(endpoint.networkId, endpoint);
    const network = parts.networks.find(endpoint.networkId);
    return network === undefined ? [] : [{ endpoint, network }];
  });
  try {
    parts.ports.claim(
      container,
      endpoints.flatMap(({ ports }) => ports),
    );
  } catch (error) {
    // Both run: the kernel says who has the port.
    if (!isEngineError(error)) throw error;
    parts.log.warn('two containers have one port', { id: container.id, error: error.message });
  }
  parts.fabric.adopt(container.id, heldOrClosed(parts, container, networked));
  tellContainer(parts, container);
}

/** A policy that cannot be read any more lets nothing out; the container runs on. */
function heldOrClosed(
  parts: EngineParts,
  { id, record }: Container,
  networked: readonly NetworkedEndpoint[],
): readonly NetworkedEndpoint[] {
  try {
    return withEgress(record, networked);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    parts.log.error('an egress policy cannot be read; nothing is let out', {
      id,
      error: error.message,
    });
    return networked.map((each) => ({ ...each, policies: [[]] }));
  }
}

/** Its process is gone, or did not come to be. `isUntidy`: its monitor could not clean up. Idempotent. */
export function leaveSeats(parts: EngineParts, container: Container, isUntidy: boolean): void {
  const sharers = namespaceSharers(parts, container);
  const isShared = sharers.length > 0;
  // Of one that ended while no engine lived the file says it.
  const endpoints =
    isShared && container.endpoints.length === 0
      ? readEndpoints(parts, container)
      : container.endpoints;
  if (endpoints.length === 0) return;
  container.endpoints = [];
  tellContainer(parts, container);
  const giveBack = (): void => {
    for (const endpoint of endpoints) {
      parts.addresses.giveBack(endpoint.networkId, endpoint);
      parts.ports.release(container.id, endpoint.ports);
    }
  };
  rmSync(fileOf(parts, container), { force: true });
  // Elements that are still in the firewall, flows, or led connections would catch, or free, the next owner's packets.
  const isWaiting = isUntidy || isShared || parts.fabric.holds(container.id);
  // Who shares the namespace keeps it, and is to have neither the addresses nor a way past the policy.
  const cut = isShared ? parts.fabric.cut(endpoints, processOf(sharers)) : undefined;
  const release = async (): Promise<void> => parts.fabric.release(container.id, isUntidy);
  const released = cut === undefined ? release() : cut.then(release);
  if (!isWaiting) giveBack();
  const returned = released
    .then(
      () => true,
      (error: unknown) => {
        const what = { id: container.id, error: messageOf(error) };
        parts.log.warn('cannot take back what a container had on its networks', what);
        // Then somebody may still have its addresses.
        return !isShared;
      },
    )
    .then((isFree) => {
      if (isWaiting && isFree) giveBack();
      parts.ports.returning.delete(returned);
    });
  parts.ports.returning.add(returned);
}

function processOf(sharers: readonly Container[]): NamespaceOwner | undefined {
  return sharers.find(({ live }) => live !== undefined)?.live?.runtime.process;
}

/** Networks that its process is on and its record is not: joining or leaving them was broken off. */
export function strayNetworks({ record, endpoints }: Container): readonly string[] {
  return endpoints
    .map(({ networkName }) => networkName)
    .filter((name) => !Object.hasOwn(record.endpoints, name));
}

/** Say what the process of a container may have. */
export function writeEndpoints(
  parts: EngineParts,
  container: Container,
  endpoints: readonly Endpoint[],
): void {
  const file = fileOf(parts, container);
  try {
    // Whole or not at all: a killed engine's successor reads it.
    writeFileSync(`${file}.new`, encodeEndpoints(endpoints), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw diskError(`Cannot keep the endpoints of container ${container.name}`, error);
  }
}

/** What cannot be read is told; its container runs on without what is shown of its networks. */
function readEndpoints(parts: EngineParts, container: Container): readonly Endpoint[] {
  try {
    return decodeEndpoints(readFileSync(fileOf(parts, container), 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    const what = { id: container.id, error: messageOf(error) };
    parts.log.error('the endpoints of a running container cannot be read', what);
    return [];
  }
}

function fileOf(parts: Pick<EngineParts, 'paths'>, container: Container): string {
  return `${runDirOf(parts.paths, container.id)}/endpoints`;
}

/** It has another name now: on its networks too. Precondition: the record says so. */
export function renameSeats(parts: EngineParts, container: Container, oldName: string): void {
  if (container.endpoints.length === 0) return;
  const renamed = (name: string): string => (name === oldName ? container.name : name);
  container.endpoints = container.endpoints.map((endpoint) => ({
    ...endpoint,
    names: endpoint.names.map(renamed),
  }));
  writeEndpoints(parts, container, container.endpoints);
  tellContainer(parts, container);
}

/** One endpoint without ports; its addresses are taken. */
export function seat(
  parts: EngineParts,
  container: Pick<Container, 'record'>,
  want: WantedEndpoint & { readonly others: readonly NetworkedEndpoint[] },
): NetworkedEndpoint {
  const { network, settings, others } = want;
  const lease = parts.addresses.take(network, wishOf(settings));
  const id = parts.randomHex();
  const { interfacePrefix } = linkSettingsOf(network);
  const taken = new Set(others.map(({ endpoint }) => endpoint.interfaceName));
  const indexes = others.map(({ endpoint }) => endpoint.index);
  const interfaceName = interfaceNameOf(settings, interfacePrefix, taken);
  const endpoint: Endpoint = {
    networkId: network.id,
    networkName: network.name,
    id,
    interfaceName,
    index: Math.max(FIRST_INDEX - 1, ...indexes) + 1,
    hostLink: network.driver === 'bridge' ? `cv${id.slice(0, 12)}` : '',
    mac: macOf(settings, lease.ipv4?.address, id),
    ipv4: lease.ipv4,
    ipv6: lease.ipv6,
    ...interfaceSettings(settings, interfaceName),
    isDefault4: false,
    isDefault6: false,
    names: namesOf(container.record, settings),
    ports: [],
  };
  return { endpoint, network };
}

function wishOf({ IPAMConfig: config }: EndpointSettings): {
  readonly ipv4?: Address;
  readonly ipv6?: Address;
} {
  const { IPv4Address: v4 = '', IPv6Address: v6 = '' } = config ?? {};
  return {
    ...(v4 === '' ? {} : { ipv4: parseAddress(v4) }),
    ...(v6 === '' ? {} : { ipv6: parseAddress(v6) }),
  };
}

function interfaceNameOf(
  settings: EndpointSettings,
  prefix: string,
  taken: ReadonlySet<string>,
): string {
  const asked = settings.DriverOpts?.['com.docker.network.endpoint.ifname'];
  if (asked !== undefined && asked !== '') return asked;
  for (let number = 0; ; number += 1) {
    const name = `${prefix}${number}`;
    if (!taken.has(name)) return name;
  }
}

/** Made of the IPv4 address, so that neighbours who remember the address are right; else of the endpoint's id. */
function macOf(settings: EndpointSettings, ipv4: Address | undefined, id: string): string {
  const asked = settings.MacAddress ?? '';
  if (asked !== '') return asked.toLowerCase();
  const tail = ipv4 === undefined ? id.slice(0, 8) : ipv4.value.toString(16).padStart(8, '0');
  return `02:42:${tail.replace(/(..)(?=.)/g, '$1:')}`;
}

/** What a container answers to: its name, what the user added, its short id, its own host name. */
function namesOf(record: ContainerRecord, settings: EndpointSettings): readonly string[] {
  const { Hostname = '' } = record.config;
  const names = [record.name, ...(settings.Aliases ?? []), record.id.slice(0, 12), Hostname];
  return [...new Set(names.filter((name) => name !== ''))];
}

/** The default routes go by the endpoint of the highest priority, then of the first network by name. */
export function withDefaultRoutes(
  networked: readonly (NetworkedEndpoint & { readonly priority?: number })[],
): readonly NetworkedEndpoint[] {
  const first = (family: 'ipv4' | 'ipv6'): Endpoint | undefined =>
    networked
      .filter(({ endpoint }) => endpoint[family]?.gateway !== undefined)
      .toSorted((a, b) => {
        const byPriority = (b.priority ?? 0) - (a.priority ?? 0);
        if (byPriority !== 0) return byPriority;
        return a.network.name < b.network.name ? -1 : 1;
      })[0]?.endpoint;
  const [way4, way6] = [first('ipv4'), first('ipv6')];
  return networked.map(({ endpoint, network }) => ({
    network,
    endpoint: { ...endpoint, isDefault4: endpoint === way4, isDefault6: endpoint === way6 },
  }));
}

function claimPorts(
  parts: EngineParts,
  container: Container,
  networked: readonly NetworkedEndpoint[],
): void {
  const ports = networked.flatMap(({ endpoint }) => endpoint.ports);
  parts.ports.claim(container, ports);
  const last = ports.findLast((port) => !isDirect(port));
  if (last !== undefined) parts.ports.restAfter(last.hostPort);
}

/** Ports are published where the default route of their family is. */
function withPorts(
  parts: EngineParts,
  container: Pick<Container, 'record'>,
  {
    networked,
    refused,
  }: {
    readonly networked: readonly NetworkedEndpoint[];
    readonly refused: ReadonlySet<string>;
  },
): readonly NetworkedEndpoint[] {
  const { config, hostConfig } = container.record;
  const wishes = portWishes({
    bindings: hostConfig.PortBindings ?? {},
    exposed: Object.keys(config.ExposedPorts ?? {}),
    publishAll: hostConfig.PublishAllPorts ?? false,
  });
  const way4 = networked.find(({ endpoint, network }) => endpoint.isDefault4 && isBridge(network));
  const way6 = networked.find(({ endpoint, network }) => endpoint.isDefault6 && isBridge(network));
  if (wishes.length === 0 || (way4 ?? way6) === undefined) return networked;
  const ports = choosePorts(wishes, {
    ipv4: way4?.endpoint.ipv4,
    ipv6: way6?.endpoint.ipv6,
    hasHostIpv6: parts.host.hasIpv6,
    defaultHost: defaultHostOf((way4 ?? way6)?.network),
    access: { ipv4: accessOf(way4, 'ipv4'), ipv6: accessOf(way6, 'ipv6') },
    ephemeral: parts.host.ephemeralPorts(),
    start: parts.ports.nextEphemeral,
    ownerOf: (port) => parts.ports.ownerOf(port),
    refused,
  });
  return networked.map(({ endpoint, network }) => ({
    network,
    endpoint: {
      ...endpoint,
      ports: ports.filter(({ target }) =>
        target.family === 'ipv4' ? endpoint === way4?.endpoint : endpoint === way6?.endpoint,
      ),
    },
  }));
}

/** How a container's ports are reached at its endpoint; `undefined`: it has none. */
function accessOf(way: NetworkedEndpoint | undefined, family: Family): PortAccess {
  if (way === undefined) return 'translated';
  const { modes, trusted } = linkSettingsOf(way.network);
  if (modes[family] === 'routed') return 'direct';
  // Nobody but a trusted link comes that far.
  return modes[family] === 'nat' && trusted.length > 0 ? 'both' : 'translated';
}

function isBridge({ driver }: NetworkRecord): boolean {
  return driver === 'bridge';
}

function defaultHostOf(network: NetworkRecord | undefined): Address | undefined {
  const text = network?.options['com.docker.network.bridge.host_binding_ipv4'] ?? '';
  const address = text === '' ? undefined : tryParseAddress(text);
  return address?.family === 'ipv4' && address.value === 0n ? undefined : address;
}
