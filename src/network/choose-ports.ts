/**
 * Host ports for what a container publishes. Pure: what is free is asked of
 * those who are given.
 *
 * Source: Docker: both families get the same number; a port without one gets
 * the next of the host's ephemeral range.
 */

import { EngineError } from '../base/error.ts';
import { formatAddress, type Address } from '../spec/cidr.ts';
import type { PortWish } from '../spec/port.ts';
import type { EndpointAddress, EndpointPort } from './endpoint.ts';
import { portTaken, type HostPort, type PortOwner } from './ports.ts';

/** What ports are chosen for, and from. */
export interface PortChoice {
  readonly ipv4: EndpointAddress | undefined;
  readonly ipv6: EndpointAddress | undefined;
  /** The network's host address for ports that name none; `undefined`: every address. */
  readonly defaultHost: Address | undefined;
  /** First and last port of the host for ports without a number. */
  readonly ephemeral: readonly [first: number, last: number];
  /** Where the search for such a port begins. */
  readonly start: number;
  ownerOf(port: HostPort): PortOwner | undefined;
  /** Ports that turned out to be another program's: passed over where there is a choice. */
  readonly refused: ReadonlySet<string>;
}

/** Errors: `conflict` that names the owner; `exhausted` range; `invalid` without an address of the family. */
export function choosePorts(
  wishes: readonly PortWish[],
  choice: PortChoice,
): readonly EndpointPort[] {
  const chosen: EndpointPort[] = [];
  for (const wish of wishes) chosen.push(...chooseOne(wish, choice, chosen));
  return chosen;
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
    const ports = ways.map((way) => ({ ...way, hostPort }));
    if (isFixed) checkFree(ports, choice, isChosen);
    else if (choice.refused.has(portKey({ protocol: wish.protocol, hostPort }))) continue;
    else if (ports.some((port) => isChosen(port) || choice.ownerOf(port) !== undefined)) continue;
    return ports;
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

type Way = Omit<EndpointPort, 'hostPort'>;

/** One for each family that the request means and the container has. */
function waysOf(wish: PortWish, choice: PortChoice): readonly Way[] {
  const { protocol, port: targetPort } = wish;
  const way = (host: Address, target: EndpointAddress): Way => ({
    protocol,
    host,
    target: target.address,
    targetPort,
  });
  const host = wish.host ?? choice.defaultHost;
  if (host !== undefined) {
    const target = host.family === 'ipv4' ? choice.ipv4 : choice.ipv6;
    if (target !== undefined) return [way(host, target)];
    const family = host.family === 'ipv4' ? 'IPv4' : 'IPv6';
    throw new EngineError(
      'invalid',
      `Cannot publish port ${targetPort}/${protocol} on ${formatAddress(host)}: the container has no ${family} address`,
    );
  }
  return [
    ...(choice.ipv4 === undefined ? [] : [way({ family: 'ipv4', value: 0n }, choice.ipv4)]),
    ...(choice.ipv6 === undefined ? [] : [way({ family: 'ipv6', value: 0n }, choice.ipv6)]),
  ];
}
