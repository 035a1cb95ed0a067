/**
 * Egress policies of containers and networks: where they stand in a request,
 * which hold on an endpoint, and what was denied.
 *
 * Source: docs/decisions/0043-egress.md.
 */

import { EngineError } from '../../base/error.ts';
import type { Denial } from '../../network/egress/contract.ts';
import {
  allowedBoxes,
  parseEgress,
  type EgressPolicy,
  type EgressRequest,
} from '../../network/egress/policy.ts';
import type { NetworkedEndpoint } from '../../network/fabric.ts';
import type { NetworkRecord } from '../../network/store.ts';
import type { ContainerConfig, HostConfig } from '../../spec/docker/container.ts';
import type { EgressDenial } from '../../spec/egress.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { EngineParts } from '../parts.ts';
import { findNetwork } from './find.ts';

/** Labels of containers and networks, and driver options of networks. */
const MODE = 'carve.egress';
const ALLOW = 'carve.egress.allow';

/** What of a container says it. */
interface ContainerRequest {
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
}

type Pairs = Readonly<Record<string, string>>;

/** A list in one text: entries between commas or spaces. */
function requestOf(pairs: Pairs): EgressRequest {
  const allow = (pairs[ALLOW] ?? '').split(/[\s,]+/).filter((entry) => entry !== '');
  return { mode: pairs[MODE] ?? '', allow };
}

function requestOfNetwork({
  options,
  labels,
}: Pick<NetworkRecord, 'options' | 'labels'>): EgressRequest {
  return requestOf(options[MODE] === undefined && options[ALLOW] === undefined ? labels : options);
}

/** What a network holds its containers to. Errors: `invalid`. */
export function policyOfNetwork(
  network: Pick<NetworkRecord, 'options' | 'labels'>,
): EgressPolicy | undefined {
  return parseEgress(requestOfNetwork(network));
}

/** A container's own words. The request comes before labels. */
function requestOfContainer(request: ContainerRequest): EgressRequest {
  const { CarveEgress: asked } = request.hostConfig;
  if (asked === undefined || asked === null) return requestOf(request.config.Labels ?? {});
  return { mode: asked.Mode ?? '', allow: asked.Allow ?? [] };
}

/** The lists that hold a container on a network, as they were written. */
export function allowListsOf(
  request: ContainerRequest,
  network: NetworkRecord,
): readonly (readonly string[])[] {
  return [requestOfContainer(request), requestOfNetwork(network)]
    .filter((each) => parseEgress(each) !== undefined)
    .map(({ allow }) => allow);
}

/** What a container is held to wherever it goes. Errors: `invalid`. */
export function policyOfContainer(request: ContainerRequest): EgressPolicy | undefined {
  return parseEgress(requestOfContainer(request));
}

/** A network that cannot hold anybody. Errors: `invalid` policy; `unsupported` driver. */
export function checkNetworkEgress(
  network: Pick<NetworkRecord, 'driver' | 'options' | 'labels'>,
): void {
  if (policyOfNetwork(network) === undefined) return;
  if (network.driver !== 'bridge') throw cannotHold(`a network of the driver ${network.driver}`);
}

/** Errors: `invalid` policy; `unsupported` for a network that passes the host's firewall by. */
export function checkEgress(
  request: Pick<ContainerRecord, 'config' | 'hostConfig'>,
  networks: readonly NetworkRecord[],
): void {
  const policy = policyOfContainer(request);
  for (const network of networks) policiesOn(policy, network);
  if (policy === undefined) return;
  const mode = request.hostConfig.NetworkMode ?? '';
  if (mode === 'host') throw cannotHold('the network of the host');
  if (mode.startsWith('container:')) throw cannotHold('the network of another container');
}

/** The lists that hold on a network. Errors as {@link checkEgress}. */
function policiesOn(
  own: EgressPolicy | undefined,
  network: NetworkRecord,
): readonly EgressPolicy[] {
  const policies = [own, policyOfNetwork(network)].filter((policy) => policy !== undefined);
  if (policies.length === 0 || network.driver === 'null') return [];
  if (network.driver !== 'bridge') throw cannotHold(`a network of the driver ${network.driver}`);
  for (const family of ['ipv4', 'ipv6'] as const) allowedBoxes(policies, family);
  return policies;
}

/** Whether a container starts on a network that a policy holds, by itself or as another one's guest. */
export function isHeld(parts: EngineParts, record: ContainerRecord): boolean {
  const host = /^container:(.+)$/.exec(record.hostConfig.NetworkMode ?? '')?.[1];
  if (host !== undefined) {
    const other = parts.containers.find(host);
    return other !== undefined && other.id !== record.id && isHeld(parts, other.record);
  }
  if (policyOfContainer(record) !== undefined) return true;
  return Object.keys(record.endpoints).some((name) => {
    const network = findNetwork(parts, name);
    return network !== undefined && policyOfNetwork(network) !== undefined;
  });
}

function cannotHold(what: string): EngineError {
  return new EngineError(
    'unsupported',
    `Cannot deny egress on ${what}: its packets do not pass the firewall of a bridge`,
    { hint: 'Use a bridge network' },
  );
}

/** Endpoints with what holds them. Errors as {@link checkEgress}. */
export function withEgress(
  record: Pick<ContainerRecord, 'config' | 'hostConfig'>,
  networked: readonly NetworkedEndpoint[],
): readonly NetworkedEndpoint[] {
  const own = policyOfContainer(record);
  return networked.map((each) => {
    const policies = policiesOn(own, each.network);
    return policies.length === 0 ? each : { ...each, policies };
  });
}

/** What containers, or the one of `ref`, were denied. Errors: `not-found`. */
export async function listDenials(
  parts: EngineParts,
  ref: string | undefined,
): Promise<readonly EgressDenial[]> {
  const wanted = ref === undefined ? undefined : parts.containers.get(ref).id;
  const all = await parts.fabric.egress.denials();
  return all.flatMap((denial) => {
    if (wanted !== undefined && denial.containerId !== wanted) return [];
    const container = parts.containers.find(denial.containerId);
    return container === undefined ? [] : [shown(denial, container.name)];
  });
}

const PROTOCOL_NAME: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'icmp',
  132: 'sctp',
};

function shown({ containerId, what, count, lastAtMs }: Denial, name: string): EgressDenial {
  const known = { ContainerId: containerId, ContainerName: name };
  const seen = { Count: count, LastAt: new Date(lastAtMs).toISOString() };
  if (what.kind === 'name') return { ...known, Kind: 'name', Name: what.name, ...seen };
  const protocol = PROTOCOL_NAME[what.protocol] ?? String(what.protocol);
  const hasPort = protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp';
  return {
    ...known,
    Kind: 'packet',
    Address: what.address,
    Protocol: protocol,
    ...(hasPort ? { Port: what.port } : {}),
    ...seen,
  };
}
