/**
 * Host ports for what a container publishes. Pure: what is free is asked of
 * those who are given.
 *
 * Source: Docker: both families get the same number; a port without one gets
 * the next of the host's ephemeral range.
 */

import { EngineError } from '../base/error.ts';
import { formatAddress, type Address, type Family } from '../spec/cidr.ts';
import type { PortWish } from '../spec/port.ts';
import { type EndpointAddress, type EndpointPort, isDirect } from './endpoint.ts';
import { portTaken, type HostPort, type PortOwner } from './ports.ts';
import { isLoopback, isLoopback6, isRouted, relayReach } from './way.ts';

/** How a container's ports are reached: by a port of the host, at the container's own address, or both. */
export type PortAccess = 'translated' | 'direct' | 'both';

/** What ports are chosen for, and from. */
export interface PortChoice {
  readonly ipv4: EndpointAddress | undefined;
  readonly ipv6: EndpointAddress | undefined;
  /** The host has IPv6: its addresses of that family lead to a container without it, by a relay. */
  readonly hasHostIpv6: boolean;
  /** The network's host address for ports that name none; `undefined`: every address. */
  readonly defaultHost: Address | undefined;
  /** By the family of the container's address. */
  readonly access: Readonly<Record<Family, PortAccess>>;
  /** First and last port of the host for ports without a number. */
  readonly ephemeral: readonly [first: number, last: number];
  /** Where the search for such a port begins. */
  readonly start: number;
  ownerOf(port: HostPort): PortOwner | undefined;
  /** Ports that turned out to be another program's: passed over where there is a choice. */
  readonly refused: ReadonlySet<string>;
}

/** Ports of the host that one container may have; each is an operation of its start plan, which has at most 4096. */
const PORTS_MAX = 3500;

/** Errors: `conflict` that names the owner; `exhausted` range; `invalid` without an address of the family, or for too many. */
export function choosePorts(
  wishes: readonly PortWish[],
  choice: PortChoice,
): readonly EndpointPort[] {
  checkCount(wishes.length);
  const chosen: EndpointPort[] = [];
  for (const wish of wishes) chosen.push(...chooseOne(wish, choice, chosen));
  checkCount(chosen.filter((port) => !isDirect(port)).length);
  return chosen;
}

function checkCount(count: number): void {
  if (count <= PORTS_MAX) return;
  throw new EngineError(
    'invalid',
    `Cannot publish ${count} ports of one container: at most ${PORTS_MAX}, IPv4 and IPv6 counted apart`,
  );
}

/** `tcp/80`. */
export function portKey({ protocol, hostPort }: Pick<HostPort, 'protocol' | 'hostPort'>): string {
  return `${protocol}/${hostPort}`;
}

function chooseOne(
  wish: PortWish,
  choice: PortChoice,
  chosen: readonly EndpointPort[],
): readonly EndpointPort[] {
  const ways = waysOf(wish, choice);
  const placed = (hostPort: number): readonly EndpointPort[] =>
    ways.map(({ hasNoHostPort, ...way }) => ({ ...way, hostPort: hasNoHostPort ? 0 : hostPort }));
  if (ways.every(({ hasNoHostPort }) => hasNoHostPort)) return placed(0);
  const isChosen = (port: HostPort): boolean =>
    chosen.some(
      ({ protocol, hostPort, host }) =>
        protocol === port.protocol &&
        hostPort === port.hostPort &&
        host.family === port.host.family &&
        (host.value === 0n || port.host.value === 0n || host.value === port.host.value),
    );
  const [first, last] = wish.hostPorts;
  const isFixed = first !== 0 && first === last;
  for (const hostPort of candidates(wish, choice)) {
    const all = placed(hostPort);
    const ports = all.filter((port) => !isDirect(port));
    if (isFixed) checkFree(ports, choice, isChosen);
    else if (choice.refused.has(portKey({ protocol: wish.protocol, hostPort }))) continue;
    else if (ports.some((port) => isChosen(port) || choice.ownerOf(port) !== undefined)) continue;
    return all;
  }
  const range = first === 0 ? choice.ephemeral : wish.hostPorts;
  throw new EngineError(
    'exhausted',
    `Cannot publish port ${wish.port}/${wish.protocol}: every host port from ${range[0]} to ${range[1]} is in use`,
  );
}

function* candidates(wish: PortWish, choice: PortChoice): Generator<number> {
  const [first, last] = wish.hostPorts;
  if (first !== 0) {
    for (let port = first; port <= last; port += 1) yield port;
    return;
  }
  const [low, high] = choice.ephemeral;
  const count = high - low + 1;
  const start = choice.start >= low && choice.start <= high ? choice.start - low : 0;
  for (let step = 0; step < count; step += 1) yield low + ((start + step) % count);
}

function checkFree(
  ports: readonly HostPort[],
  choice: PortChoice,
  isChosen: (port: HostPort) => boolean,
): void {
  for (const port of ports) {
    const owner = choice.ownerOf(port);
    if (owner !== undefined) throw portTaken(port, `container ${owner.name}`);
    if (isChosen(port)) throw portTaken(port, 'another port of this container');
  }
}

interface Way extends Omit<EndpointPort, 'hostPort'> {
  readonly hasNoHostPort: boolean;
}

/** One for each family that the request means and the container has, or that a relay has for it. */
function waysOf(wish: PortWish, choice: PortChoice): readonly Way[] {
  const host = wish.host ?? choice.defaultHost;
  if (host === undefined) return ANY_HOST.flatMap((any) => wayTo(wish, choice, any) ?? []);
  const only = wayTo(wish, choice, host);
  if (only === undefined) throw cannotPublish(wish, host);
  return [only];
}

const ANY_HOST: readonly Address[] = [
  { family: 'ipv4', value: 0n },
  { family: 'ipv6', value: 0n },
];

/** From one address of the host; `undefined` when nothing leads from there. */
function wayTo(
  { protocol, port: targetPort }: PortWish,
  { ipv4, ipv6, hasHostIpv6, access }: PortChoice,
  host: Address,
): Way | undefined {
  const relayed = hasHostIpv6 && access.ipv4 !== 'direct' ? ipv4 : undefined;
  const target = host.family === 'ipv4' ? ipv4 : (ipv6 ?? relayed);
  if (target === undefined) return undefined;
  const way = { protocol, target: target.address, targetPort };
  const { family } = target.address;
  if (access[family] === 'direct') {
    // Whoever names loopback means this machine, which reaches the container's own address as it is.
    if (isLoopback(host)) return { ...way, host, hasNoHostPort: true };
    // Else the host's address only says which family is meant.
    return { ...way, host: { family, value: 0n }, isOpen: true, hasNoHostPort: true };
  }
  const whole = {
    ...way,
    host,
    ...(access[family] === 'both' ? { isOpen: true as const } : {}),
    hasNoHostPort: false,
  };
  return isRouted(whole) || relayReach(whole) !== 'none' ? whole : undefined;
}

function cannotPublish({ protocol, port }: PortWish, host: Address): EngineError {
  const what = `Cannot publish port ${port}/${protocol} on ${formatAddress(host)}`;
  const family = host.family === 'ipv4' ? 'IPv4' : 'IPv6';
  const why =
    protocol === 'sctp' && isLoopback6(host)
      ? 'the kernel routes nothing from there to a container, and SCTP is not relayed'
      : `the container has no ${family} address`;
  return new EngineError('invalid', `${what}: ${why}`);
}
