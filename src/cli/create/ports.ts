/**
 * `--publish` and `--expose` as the API's ports. Pure.
 *
 * Source: docker's `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, ranges, and the long
 * form `target=…,published=…,protocol=…`.
 */

import { EngineError } from '../../base/error.ts';
import type { PortBinding } from '../../spec/docker/container.ts';
import { splitFields, splitPair } from './key-value.ts';
import { ipVersion } from '../../client/ip-version.ts';

/** Ports of a container: which exist, and where they are published. */
export interface PortSet {
  readonly exposed: Readonly<Record<string, object>>;
  readonly bindings: Readonly<Record<string, readonly PortBinding[]>>;
}

interface Range {
  /** First port, 1..65535. */
  readonly first: number;
  /** Last port, 1..65535, not before the first. */
  readonly last: number;
}

/** The ports of flags. Throws `invalid` for a value that is none. */
export function readPorts(published: readonly string[], exposed: readonly string[]): PortSet {
  const ports: Record<string, object> = {};
  const bindings: Record<string, PortBinding[]> = {};
  for (const text of published) {
    for (const { key, binding } of parsePublish(text)) {
      ports[key] = {};
      (bindings[key] ??= []).push(binding);
    }
  }
  for (const text of exposed) for (const key of parseExpose(text)) ports[key] = {};
  return { exposed: ports, bindings };
}

/** `80`, `80-90/udp` → port keys. Throws `invalid`. */
export function parseExpose(text: string): readonly string[] {
  if (text.includes(':'))
    throw new EngineError('invalid', `invalid port format for --expose: ${text}`);
  const { ports, protocol } = splitProtocol(text);
  const range = parseRange(ports, text);
  return portsOf(range).map((port) => `${String(port)}/${protocol}`);
}

/** One `--publish` value → its ports, a range one by one. Throws `invalid`. */
export function parsePublish(
  text: string,
): readonly { readonly key: string; readonly binding: PortBinding }[] {
  const { ports: address, protocol } = splitProtocol(text.includes('=') ? shortForm(text) : text);
  const { hostIp, host, container } = splitAddress(address, text);
  const containerRange = parseRange(container, text);
  const hostRange = host === '' ? undefined : parseRange(host, text);
  const count = containerRange.last - containerRange.first;
  if (hostRange !== undefined && hostRange.last - hostRange.first !== count) {
    // Many host ports for one: the engine takes the first that is free.
    if (count > 0)
      throw new EngineError(
        'invalid',
        `invalid ranges specified for container and host ports: ${container} and ${host}`,
      );
    return [{ key: `${container}/${protocol}`, binding: { HostIp: hostIp, HostPort: host } }];
  }
  return portsOf(containerRange).map((port, index) => ({
    key: `${String(port)}/${protocol}`,
    binding: {
      HostIp: hostIp,
      HostPort: hostRange === undefined ? '' : String(hostRange.first + index),
    },
  }));
}

function splitProtocol(text: string): { readonly ports: string; readonly protocol: string } {
  const slash = text.lastIndexOf('/');
  if (slash < 0) return { ports: text, protocol: 'tcp' };
  const protocol = text.slice(slash + 1).toLowerCase();
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) {
    throw new EngineError('invalid', `invalid protocol in '${text}': it is tcp, udp or sctp`);
  }
  return { ports: text.slice(0, slash), protocol };
}

function splitAddress(
  address: string,
  text: string,
): { readonly hostIp: string; readonly host: string; readonly container: string } {
  const parts = address.split(':');
  const container = parts.pop() ?? '';
  const host = parts.pop() ?? '';
  const hostIp = parts.join(':').replace(/^\[(.*)\]$/, '$1');
  if (container === '') throw new EngineError('invalid', `no port specified: ${text}<empty>`);
  if (hostIp !== '' && ipVersion(hostIp) === 0)
    throw new EngineError('invalid', `invalid IP address: ${hostIp}`);
  return { hostIp, host, container };
}

function parseRange(text: string, whole: string): Range {
  const groups = /^(?<first>\d{1,5})(?:-(?<last>\d{1,5}))?$/.exec(text)?.groups;
  const first = Number(groups?.['first'] ?? Number.NaN);
  const last = Number(groups?.['last'] ?? first);
  if (!(first >= 0 && last <= 65535 && first <= last)) {
    throw new EngineError(
      'invalid',
      `invalid port '${text}' in '${whole}': a port is a number up to 65535, a range goes up`,
    );
  }
  return { first, last };
}

function portsOf({ first, last }: Range): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** `target=80,published=8080,protocol=tcp` → `8080:80/tcp`. */
function shortForm(text: string): string {
  const values: Record<string, string> = {
    target: '',
    published: '',
    protocol: 'tcp',
    mode: 'ingress',
  };
  for (const field of splitFields(text)) {
    const { key, value } = splitPair(field);
    if (value === undefined || value === '')
      throw new EngineError('invalid', `invalid field: ${field}`);
    if (!Object.hasOwn(values, key)) throw new EngineError('invalid', `invalid field key: ${key}`);
    values[key] = value;
  }
  if (values['target'] === '') throw new EngineError('invalid', 'the long form needs a target');
  const published = values['published'] === '' ? '' : `${values['published'] ?? ''}:`;
  return `${published}${values['target'] ?? ''}/${values['protocol'] ?? ''}`;
}
