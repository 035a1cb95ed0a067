/**
 * `network connect` and `network disconnect`: the container's request is
 * changed. What runs is changed with it; what does not is at its next start.
 *
 * Source: Engine API `POST /networks/{id}/connect`, `/disconnect`.
 */

import { EngineError } from '../../base/error.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';
import type { Container } from '../containers/container.ts';
import type { EngineParts } from '../parts.ts';
import { announceChange } from './announce.ts';
import { addEndpoint, type Endpoints } from './check-endpoints.ts';
import { findNetwork, getNetwork } from './find.ts';
import { joinLive, leaveLive } from './live.ts';
import { tellContainer } from './tell-names.ts';

/** Who joins, and how. */
export interface ConnectRequest {
  /** Reference of the container. */
  readonly container: string;
  readonly settings: EndpointSettings;
}

/** Who leaves. */
export interface DisconnectRequest {
  /** Reference of the container. */
  readonly container: string;
  /** Also from a network that is gone. */
  readonly force: boolean;
}

/** Errors: `not-found`; `invalid`; `denied` when it is on the network; `conflict` when it is being removed. */
export async function connectContainer(
  parts: EngineParts,
  ref: string,
  request: ConnectRequest,
): Promise<void> {
  const container = parts.containers.get(request.container);
  await container.lock.run(async () => {
    checkStays(container);
    const network = getNetwork(parts, ref);
    const { record } = container;
    const endpoints = addEndpoint(
      {
        name: record.name,
        networkMode: record.hostConfig.NetworkMode ?? 'none',
        endpoints: replaceableEndpoints(container, network.name),
      },
      network,
      request.settings,
    );
    const settings = endpoints[network.name] ?? {};
    if (container.isAlive) await joinLive(parts, container, { network, settings });
    try {
      parts.failpoints.hit('network-connect.joined');
      saveEndpoints(container, endpoints);
    } catch (error) {
      if (container.isAlive) await leaveLive(parts, container, network.name);
      throw error;
    }
    parts.failpoints.hit('network-connect.saved');
    if (!container.isAlive) return;
    // With the links of its settings.
    tellContainer(parts, container);
    announceChange(parts, network, { action: 'connect', containerId: container.id });
  });
}

/** Errors: `not-found`; `wrong-state` when it is not on the network; `invalid` for the host's; `conflict` when it is being removed. */
export async function disconnectContainer(
  parts: EngineParts,
  ref: string,
  request: DisconnectRequest,
): Promise<void> {
  const container = parts.containers.get(request.container);
  await container.lock.run(async () => {
    checkStays(container);
    const endpoints = endpointsOf(container);
    const network = findNetwork(parts, ref);
    // By its name a container can leave a network that is gone.
    const name = network?.name ?? ref;
    if (!Object.hasOwn(endpoints, name)) {
      if (network === undefined) getNetwork(parts, ref);
      throw new EngineError(
        'wrong-state',
        `container ${container.id} is not connected to network ${name}`,
      );
    }
    if (network?.driver === 'host') {
      throw new EngineError(
        'invalid',
        'container cannot be disconnected from host network or connected to host network',
      );
    }
    const { [name]: _, ...others } = endpoints;
    saveEndpoints(container, others);
    parts.failpoints.hit('network-disconnect.begin');
    if (container.isAlive) await leaveLive(parts, container, name);
    parts.failpoints.hit('network-disconnect.saved');
    if (network === undefined) return;
    announceChange(parts, network, { action: 'disconnect', containerId: container.id });
  });
}

function checkStays(container: Container): void {
  if (!container.isRemoving) return;
  throw new EngineError(
    'conflict',
    `Container ${container.id} is marked for removal and cannot be connected or disconnected to the network`,
  );
}

/** One that does not run says anew how it will be on a network; its process would have to leave first. */
function replaceableEndpoints(container: Container, name: string): Endpoints {
  const { [name]: known, ...others } = endpointsOf(container);
  return known === undefined || container.isAlive ? endpointsOf(container) : others;
}

function endpointsOf(container: Container): Endpoints {
  return Object.fromEntries(
    Object.entries(container.record.endpoints).map(([name, settings]) => [name, settings ?? {}]),
  );
}

function saveEndpoints(container: Container, endpoints: Endpoints): void {
  container.saveRequest({ ...container.record, endpoints });
  // What was prepared for the first start knows the old ones.
  container.rehearsed = undefined;
}
