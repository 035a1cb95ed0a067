/**
 * The ports of a container in one line. Pure: `0.0.0.0:8080->80/tcp`, ranges
 * joined where host and container count alike.
 *
 * Source: docker's column PORTS.
 */

import type { PortSummary } from '../../spec/docker/inspect.ts';

interface Group {
  /** Empty when the ports are not published. */
  readonly ip: string;
  readonly type: string;
  /** First port of the range. */
  readonly first: number;
  /** Last port of the range. */
  last: number;
}

/** The text of some ports. */
export function formatPorts(ports: readonly PortSummary[]): string {
  const finished: Group[] = [];
  const open = new Map<string, Group>();
  const mapped: string[] = [];
  for (const port of ports.toSorted(comparePorts)) {
    const ip = port.IP ?? '';
    if (ip !== '' && port.PublicPort !== port.PrivatePort) {
      mapped.push(
        `${hostPort(ip, String(port.PublicPort ?? 0))}->${String(port.PrivatePort)}/${port.Type}`,
      );
      continue;
    }
    const key = `${ip}/${port.Type}`;
    const group = open.get(key);
    if (group !== undefined && port.PrivatePort === group.last + 1) {
      group.last = port.PrivatePort;
      continue;
    }
    if (group !== undefined) finished.push(group);
    // A key keeps its place in the order of first appearance.
    open.set(key, { ip, type: port.Type, first: port.PrivatePort, last: port.PrivatePort });
  }
  return [...[...finished, ...open.values()].map(formatGroup), ...mapped].join(', ');
}

function formatGroup({ ip, type, first, last }: Group): string {
  const range = first === last ? String(first) : `${String(first)}-${String(last)}`;
  return `${ip === '' ? '' : `${hostPort(ip, range)}->`}${range}/${type}`;
}

/** `ADDRESS:PORT`, an IPv6 address in brackets. */
export function hostPort(ip: string, port: string): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function comparePorts(a: PortSummary, b: PortSummary): number {
  if (a.PrivatePort !== b.PrivatePort) return a.PrivatePort - b.PrivatePort;
  const [ipA, ipB] = [a.IP ?? '', b.IP ?? ''];
  if (ipA !== ipB) return ipA < ipB ? -1 : 1;
  if (a.PublicPort !== b.PublicPort) return (a.PublicPort ?? 0) - (b.PublicPort ?? 0);
  return a.Type === b.Type ? 0 : a.Type < b.Type ? -1 : 1;
}
