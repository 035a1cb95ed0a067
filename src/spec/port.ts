/**
 * Ports of a container in Docker's words ↔ values: `80/tcp`, and the host's
 * half of a binding. Pure.
 *
 * Source: Engine API `PortMap`, `PortBinding`, `ExposedPorts`.
 */

import { EngineError } from '../base/error.ts';
import { tryParseAddress, type Address } from './cidr.ts';

/** What can be published. */
export type PortProtocol = 'tcp' | 'udp' | 'sctp';

/** A port of a container. */
export interface ContainerPort {
  /** 1..65535. */
  readonly port: number;
  readonly protocol: PortProtocol;
}

/** Where a container's port is to be reached. */
export interface PortWish extends ContainerPort {
  /** `undefined`: wherever the network publishes by default. */
  readonly host: Address | undefined;
  /** First and last host port that will do; 0 and 0: any free one. */
  readonly hostPorts: readonly [first: number, last: number];
}

/** `80/tcp`, `80` (tcp). Errors: `invalid`. */
export function parseContainerPort(text: string): ContainerPort {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const port = Number(match?.[1] ?? '0');
  if (match === null || port < 1 || port > 65_535) {
    throw new EngineError('invalid', `invalid port specification: ${JSON.stringify(text)}`);
  }
  const protocol = (match[2] ?? 'tcp').toLowerCase();
  return { port, protocol: protocol === 'udp' ? 'udp' : protocol === 'sctp' ? 'sctp' : 'tcp' };
}

/** `80/tcp`. */
export function formatContainerPort({ port, protocol }: ContainerPort): string {
  return `${port}/${protocol}`;
}

/** One binding of `port`. Errors: `invalid` address or port. */
export function parseBinding(
  port: ContainerPort,
  binding: { readonly HostIp?: string; readonly HostPort?: string },
): PortWish {
  const { HostIp: ip = '', HostPort: text = '' } = binding;
  const host = ip === '' ? undefined : tryParseAddress(ip.replace(/^\[(.*)\]$/, '$1'));
  if (ip !== '' && host === undefined) {
    throw new EngineError('invalid', `invalid IP address: ${ip}`);
  }
  return { ...port, host, hostPorts: parseHostPorts(text) };
}

function parseHostPorts(text: string): readonly [number, number] {
  if (text === '' || text === '0') return [0, 0];
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const [, from = '0', to = from] = match ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (first >= 1 && last >= first && last <= 65_535) return [first, last];
  throw new EngineError('invalid', `invalid port specification: ${JSON.stringify(text)}`);
}

/**
 * Every port that a container publishes: what is bound, and with `publishAll`
 * what is exposed and not bound. Errors: `invalid`.
 */
export function portWishes(request: {
  readonly bindings: Readonly<
    Record<string, readonly { readonly HostIp?: string; readonly HostPort?: string }[] | null>
  >;
  readonly exposed: readonly string[];
  readonly publishAll: boolean;
}): readonly PortWish[] {
  const bound = Object.entries(request.bindings).flatMap(([key, bindings]) => {
    const port = parseContainerPort(key);
    // A port without a binding is to get one.
    const list = bindings === null || bindings.length === 0 ? [{}] : bindings;
    return list.map((binding) => parseBinding(port, binding));
  });
  if (!request.publishAll) return bound;
  const names = new Set(bound.map(formatContainerPort));
  const rest = request.exposed
    .map(parseContainerPort)
    .filter((port) => !names.has(formatContainerPort(port)));
  return [...bound, ...rest.map((port) => parseBinding(port, {}))];
}
