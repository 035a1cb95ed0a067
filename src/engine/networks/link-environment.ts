/**
 * Variables that tell a container of one that it links to: its address, its
 * ports, and what its own environment says. Pure.
 *
 * Source: Docker's legacy links of the default bridge, checked against Docker
 * 20.10; docs/decisions/0046-link-variables.md.
 */

import type { ContainerPort } from '../../spec/port.ts';

/** Who is linked to, and by whom. */
export interface LinkFacts {
  /** Name of the container that gets the variables. */
  readonly name: string;
  /** What it calls the other one. */
  readonly alias: string;
  /** Address of the other one, as text. */
  readonly address: string;
  /** Exposed ports of the other one. */
  readonly ports: readonly ContainerPort[];
  /** `KEY=VALUE`: what the other one, or its image, was given. */
  readonly env: readonly string[];
}

/** What every container has of its own. */
const OWN: ReadonlySet<string> = new Set(['HOME', 'PATH']);

/** `KEY=VALUE` of one link. */
export function linkEnvironment(link: LinkFacts): readonly string[] {
  const prefix = link.alias.toUpperCase().replaceAll('-', '_');
  // Of one number, tcp first.
  const order = ({ port, protocol }: ContainerPort): number =>
    2 * port - (protocol === 'tcp' ? 1 : 0);
  const ports = link.ports.toSorted((a, b) => order(a) - order(b));
  const [first] = ports;
  return [
    ...(first === undefined ? [] : [`${prefix}_PORT=${urlOf(link, first)}`]),
    ...rangesOf(ports).flatMap((range) => rangeVariables(prefix, link, range)),
    ...ports.flatMap((port) => portVariables(prefix, link, port)),
    `${prefix}_NAME=/${link.name}/${link.alias}`,
    ...link.env
      .filter((entry) => entry.includes('=') && !OWN.has(entry.slice(0, entry.indexOf('='))))
      .map((entry) => `${prefix}_ENV_${entry}`),
  ];
}

function portVariables(prefix: string, link: LinkFacts, port: ContainerPort): readonly string[] {
  const name = variableOf(prefix, port);
  return [
    `${name}=${urlOf(link, port)}`,
    `${name}_ADDR=${link.address}`,
    `${name}_PORT=${port.port}`,
    `${name}_PROTO=${port.protocol}`,
  ];
}

interface PortRange {
  readonly first: ContainerPort;
  readonly last: ContainerPort;
}

function rangeVariables(prefix: string, link: LinkFacts, range: PortRange): readonly string[] {
  const name = variableOf(prefix, range.first);
  return [
    `${name}_START=${urlOf(link, range.first)}`,
    `${name}_PORT_START=${range.first.port}`,
    `${name}_END=${urlOf(link, range.last)}`,
    `${name}_PORT_END=${range.last.port}`,
  ];
}

/** Runs of two ports of one protocol or more. Precondition: sorted. */
function rangesOf(ports: readonly ContainerPort[]): readonly PortRange[] {
  const ranges: PortRange[] = [];
  for (const port of ports) {
    const at = ranges.findIndex(
      ({ last }) => last.protocol === port.protocol && last.port + 1 === port.port,
    );
    const range = ranges[at];
    if (range === undefined) ranges.push({ first: port, last: port });
    else ranges[at] = { first: range.first, last: port };
  }
  return ranges.filter(({ first, last }) => first !== last);
}

function variableOf(prefix: string, { port, protocol }: ContainerPort): string {
  return `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
}

function urlOf({ address }: LinkFacts, { port, protocol }: ContainerPort): string {
  return `${protocol}://${address}:${port}`;
}
