/**
 * Servers that names are asked of: the host's, as its resolv.conf names them
 * now, or a container's own.
 *
 * Source: resolv.conf(5): at most three; without any, the host itself.
 */

import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseResolvConf } from '../../spec/resolv-conf.ts';
import { RESOLVER_ADDRESS } from '../plan/resolver.ts';

/** One server. */
export interface Upstream {
  /** Text of its address, also with a zone. */
  readonly address: string;
  readonly port: number;
}

/** Servers asked at most for one question. */
export const UPSTREAMS_MAX = 3;
const DOMAIN_PORT = 53;
const LOOK_AGAIN_MS = 1000;
const LOCAL: Upstream = { address: '127.0.0.1', port: DOMAIN_PORT };

/** Addresses → servers: what is none, or nobody's, is left out. */
export function upstreamsOf(addresses: readonly string[]): readonly Upstream[] {
  return addresses
    .filter((address) => isIP(address) !== 0 && address !== '0.0.0.0' && address !== '::')
    .slice(0, UPSTREAMS_MAX)
    .map((address) => ({ address, port: DOMAIN_PORT }));
}

/** A container's own servers; its resolver itself is none: it would ask us again. */
export function ownUpstreams(addresses: readonly string[]): readonly Upstream[] {
  return upstreamsOf(addresses.filter((address) => address !== RESOLVER_ADDRESS));
}

/** The host's servers. Its file is looked at again when it changed, once a second at most. */
export class HostUpstreams {
  readonly #path: string;
  readonly #nowMs: () => number;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #stamp = '';
  #servers: readonly Upstream[] = [LOCAL];

  /** `nowMs` grows steadily. */
  constructor(path: string, nowMs: () => number) {
    this.#path = path;
    this.#nowMs = nowMs;
  }

  /** The servers now: at least one. */
  list(): readonly Upstream[] {
    const nowMs = this.#nowMs();
    if (nowMs < this.#lookedAtMs + LOOK_AGAIN_MS) return this.#servers;
    this.#lookedAtMs = nowMs;
    try {
      const { mtimeMs, ino, size } = statSync(this.#path);
      const stamp = `${mtimeMs} ${ino} ${size}`;
      if (stamp !== this.#stamp) {
        const servers = upstreamsOf(parseResolvConf(readFileSync(this.#path, 'utf8')).servers);
        this.#servers = servers.length > 0 ? servers : [LOCAL];
        this.#stamp = stamp;
      }
    } catch {
      // While a file is replaced there may be none: what it said last holds.
    }
    return this.#servers;
  }
}
