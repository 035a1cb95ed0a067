/**
 * Where an engine listens: text ↔ address. Pure.
 *
 * Source: the forms `DOCKER_HOST` has: `unix://PATH` and `tcp://HOST:PORT`.
 */

import { EngineError } from '../base/error.ts';

/** An address a client can connect to. */
export type HostAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | {
      readonly kind: 'tcp';
      /** Name or address, an IPv6 one without its brackets. */
      readonly hostname: string;
      /** 1..65535. */
      readonly port: number;
    };

/** Port of an engine without TLS when the address names none. */
const defaultPort = 2375;

/** Longest path `struct sockaddr_un` holds, in bytes, with its closing zero. */
const unixPathBytesMax = 108;

/** Schemes of other clients, which carve does not speak. */
const unsupportedSchemes: readonly string[] = ['ssh', 'npipe', 'fd', 'https'];

/** Reads `unix://…`, `tcp://…`, `http://…` or an absolute path. Throws `invalid`, or `unsupported` for other schemes. */
export function parseHost(text: string): HostAddress {
  const value = text.trim();
  if (value.startsWith('/')) return unixAddress(value, text);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(value)?.[1]?.toLowerCase() ?? '';
  if (scheme === 'unix') return unixAddress(value.slice('unix://'.length), text);
  if (scheme === '') return tcpAddress(value, text);
  if (scheme === 'tcp' || scheme === 'http')
    return tcpAddress(value.slice(scheme.length + 3), text);
  if (unsupportedSchemes.includes(scheme)) {
    throw new EngineError(
      'unsupported',
      `Cannot use host "${text}": carve connects to unix:// and tcp:// only`,
    );
  }
  throw new EngineError('invalid', `Cannot use host "${text}": unknown scheme "${scheme}"`);
}

/** The text {@link parseHost} reads back to the same address. */
export function formatHost(address: HostAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  return `tcp://${address.hostname.includes(':') ? `[${address.hostname}]` : address.hostname}:${String(address.port)}`;
}

function unixAddress(path: string, text: string): HostAddress {
  if (!path.startsWith('/')) {
    throw new EngineError(
      'invalid',
      `Cannot use host "${text}": the path of a unix socket must be absolute`,
    );
  }
  if (path.includes('\0')) {
    throw new EngineError(
      'invalid',
      'Cannot use host: the path of its unix socket holds a zero byte',
    );
  }
  if (Buffer.byteLength(path) >= unixPathBytesMax) {
    throw new EngineError(
      'invalid',
      `Cannot use host "${text}": the path of a unix socket is at most ${String(unixPathBytesMax - 1)} bytes long`,
    );
  }
  return { kind: 'unix', path };
}

function tcpAddress(rest: string, text: string): HostAddress {
  const match =
    /^(?:\[(?<ip6>[0-9a-fA-F:.]+)\]|(?<name>[^\s:/?#@[\]]*))(?::(?<port>\d{1,5}))?\/?$/.exec(rest);
  const { ip6, name, port: portText } = match?.groups ?? {};
  const hostname = ip6 ?? name ?? '';
  if (match === null || (hostname === '' && portText === undefined)) {
    throw new EngineError(
      'invalid',
      `Cannot use host "${text}": expected unix://PATH or tcp://HOST:PORT`,
    );
  }
  const port = portText === undefined ? defaultPort : Number(portText);
  if (port < 1 || port > 65535) {
    throw new EngineError(
      'invalid',
      `Cannot use host "${text}": port ${String(port)} is not between 1 and 65535`,
    );
  }
  return { kind: 'tcp', hostname: hostname === '' ? '127.0.0.1' : hostname, port };
}
