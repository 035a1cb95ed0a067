/**
 * Which HTTP proxy, if any, a URL goes through. Pure.
 *
 * Source: the de-facto rules of HTTP_PROXY, HTTPS_PROXY and NO_PROXY (names,
 * `.domain` suffixes, `host:port`, CIDR is not supported); loopback never
 * goes through a proxy.
 */

import { BlockList, isIP } from 'node:net';
import { EngineError } from '../../base/error.ts';
import { scopeOf } from './address.ts';

/** Proxy settings of the daemon; each an URL or absent. */
export interface ProxySettings {
  readonly http?: string;
  readonly https?: string;
  /** Comma separated list of hosts that are reached directly; `*` is every host. */
  readonly no?: string;
}

/** Read the settings from an environment; lower-case names win. */
export function proxySettingsFrom(
  env: Readonly<Record<string, string | undefined>>,
): ProxySettings {
  const pick = (name: string): string | undefined => {
    const value = env[name.toLowerCase()] ?? env[name];
    return value === undefined || value === '' ? undefined : value;
  };
  const http = pick('HTTP_PROXY');
  const https = pick('HTTPS_PROXY');
  const no = pick('NO_PROXY');
  return {
    ...(http === undefined ? {} : { http }),
    ...(https === undefined ? {} : { https }),
    ...(no === undefined ? {} : { no }),
  };
}

function isExempt(list: string, url: URL): boolean {
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      if (entry.includes('/')) return isInNetwork(entry, url.hostname);
      const [, host = '', entryPort] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      if (entryPort !== undefined && entryPort !== port) return false;
      const suffix = host.replace(/^\*?\./, '');
      // A leading dot means the names below only.
      return (host === suffix && url.hostname === suffix) || url.hostname.endsWith(`.${suffix}`);
    });
}

/** `10.0.0.0/8` or `fd00::/8`; false for a name, and for what is no network. */
function isInNetwork(network: string, hostname: string): boolean {
  const address = hostname.replaceAll(/^\[|\]$/g, '');
  const [base = '', length = ''] = network.split('/');
  const family = isIP(base);
  const bits = Number(length);
  if (family === 0 || isIP(address) !== family || !/^\d{1,3}$/.test(length)) return false;
  if (bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(base, bits, type);
  return list.check(address, type);
}

/** A proxy as it may be shown: without name and password. */
function shown(proxy: string): string {
  return proxy.replace(/^([a-z][a-z0-9+.-]*:\/\/)?[^/@]*@/i, '$1').slice(0, 200);
}

/** What a proxy that wants a name and password is sent with each request. */
export function proxyAuthorization(proxy: URL): { readonly 'Proxy-Authorization'?: string } {
  if (proxy.username === '') return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** The proxy for `url`, or `undefined` for a direct connection. Errors: `invalid` for a proxy URL that is none. */
export function proxyFor(settings: ProxySettings, url: URL): URL | undefined {
  const proxy = url.protocol === 'https:' ? settings.https : settings.http;
  if (proxy === undefined) return undefined;
  if (url.hostname === 'localhost' || scopeOf(url.hostname) === 'loopback') return undefined;
  if (settings.no !== undefined && isExempt(settings.no, url)) return undefined;
  const parsed = URL.parse(proxy.includes('://') ? proxy : `http://${proxy}`);
  if (parsed === null || parsed.protocol !== 'http:') {
    throw new EngineError('invalid', `Cannot use proxy ${shown(proxy)}: it must be an http URL`, {
      operation: 'registry.proxy',
    });
  }
  return parsed;
}
