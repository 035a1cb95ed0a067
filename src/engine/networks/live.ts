/**
 * Networks of a container that runs: joining one more, leaving one.
 * Precondition of both: the caller holds the container's lock; it has a process.
 */

import { EngineError, messageOf } from '../../base/error.ts';
import { type Endpoint, isDirect } from '../../network/endpoint.ts';
import type { NamespaceOwner, NetworkedEndpoint } from '../../network/fabric.ts';
import { PROTOCOL } from '../../network/publish.ts';
import type { NetworkRecord } from '../../network/store.ts';
import { addressBytes } from '../../spec/cidr.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';
import type { Container } from '../containers/container.ts';
import { fileSourceOf, writeHosts } from '../containers/network-files.ts';
import { writeResolvConf } from '../containers/resolv-conf-file.ts';
import type { EngineParts } from '../parts.ts';
import { withEgress } from './egress.ts';
import { readyNetwork } from './ready.ts';
import { seat, withDefaultRoutes, writeEndpoints } from './seat.ts';
import { tellContainer } from './tell-names.ts';

/** Give the container an endpoint. Errors: as a start's; then nothing has changed. */
export async function joinLive(
  parts: EngineParts,
  container: Container,
  want: { readonly network: NetworkRecord; readonly settings: EndpointSettings },
): Promise<void> {
  if (want.network.driver === 'null' || want.network.driver === 'host') return;
  const owner = ownerOf(container);
  const network = await readyNetwork(parts, want.network);
  const others = networked(parts, container.endpoints);
  const added = seat(parts, container, { ...want, network, others });
  const priorities = { ...container.record.endpoints, [network.name]: want.settings };
  const all = withDefaultRoutes([...others, added].map((each) => withPriority(each, priorities)));
  const [whole = added] = withEgress(container.record, all.slice(-1));
  const endpoints = all.map(({ endpoint }) => endpoint);
  try {
    // First what may be, then what is: a killed engine's successor takes it back.
    writeEndpoints(parts, container, endpoints);
    parts.failpoints.hit('network-connect.begin');
    await parts.fabric.join(container.id, owner, whole);
  } catch (error) {
    parts.addresses.giveBack(network.id, added.endpoint);
    writeEndpoints(parts, container, container.endpoints);
    throw error;
  }
  keep(parts, container, endpoints);
}

/** Take an endpoint away. Idempotent: a network the process is not on is left already. */
export async function leaveLive(
  parts: EngineParts,
  container: Container,
  networkName: string,
): Promise<void> {
  const gone = container.endpoints.find((endpoint) => endpoint.networkName === networkName);
  if (gone === undefined) return;
  const others = networked(
    parts,
    container.endpoints.filter((endpoint) => endpoint !== gone),
  );
  const { endpoints: asked } = container.record;
  const rest = withDefaultRoutes(others.map((each) => withPriority(each, asked))).map(
    ({ endpoint }) => endpoint,
  );
  await parts.fabric.leave(container.id, ownerOf(container), { gone, rest });
  await releasePorts(parts, container, gone);
  parts.addresses.giveBack(gone.networkId, gone);
  parts.ports.release(container.id, gone.ports);
  keep(parts, container, rest);
}

/** Have the links of running containers made again that somebody deletes on the host. */
export function keepLinks(parts: EngineParts): void {
  const { log } = parts;
  // A container that lost its link once more is told of once more; one that cannot have it, once.
  const failed = new Set<string>();
  parts.fabric.onLost(async (id) => {
    const container = parts.containers.find(id);
    await container?.lock.run(async () => {
      const process = container.live?.runtime.process;
      if (process === undefined || parts.isClosing()) return;
      try {
        const networks = await parts.fabric.relink(id, process);
        failed.delete(id);
        const what = { id, networks };
        if (networks.length > 0)
          log.warn('links of a container were deleted from outside; made again', what);
      } catch (error) {
        const what = { id, error: messageOf(error) };
        // Also of one whose process is ending at this moment.
        if (!failed.has(id)) log.warn('a link of a container is gone and cannot be made', what);
        failed.add(id);
      }
    });
  });
}

/** Whoever gets the address next is not to be reached by a relay of this container's. */
async function releasePorts(
  parts: EngineParts,
  container: Container,
  { ports }: Endpoint,
): Promise<void> {
  for (const { protocol, host, hostPort } of ports.filter((each) => !isDirect(each))) {
    const port = { protocol: PROTOCOL[protocol], address: addressBytes(host), port: hostPort };
    await container.live?.runtime.releasePort(port).catch((error: unknown) => {
      const what = { id: container.id, port: hostPort, error: messageOf(error) };
      parts.log.warn('a port of a network that the container left is not given back', what);
    });
  }
}

function keep(parts: EngineParts, container: Container, endpoints: readonly Endpoint[]): void {
  container.endpoints = endpoints;
  writeEndpoints(parts, container, endpoints);
  writeHosts(parts, container);
  writeResolvConf(parts, container, fileSourceOf(parts, container.record).resolvConf);
  tellContainer(parts, container);
}

function ownerOf(container: Container): NamespaceOwner {
  const process = container.live?.runtime.process;
  if (process !== undefined) return process;
  throw new EngineError('wrong-state', `Container ${container.name} is not running`);
}

function networked(
  parts: EngineParts,
  endpoints: readonly Endpoint[],
): readonly NetworkedEndpoint[] {
  return endpoints.flatMap((endpoint) => {
    const network = parts.networks.find(endpoint.networkId);
    return network === undefined ? [] : [{ endpoint, network }];
  });
}

function withPriority(
  each: NetworkedEndpoint,
  asked: Readonly<Record<string, EndpointSettings | null>>,
): NetworkedEndpoint & { readonly priority: number } {
  return { ...each, priority: asked[each.network.name]?.GwPriority ?? 0 };
}
