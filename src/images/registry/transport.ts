/**
 * One HTTP exchange with a registry or its token server: connection, proxy
 * tunnel, TLS, timeouts. No redirects, no credentials, no retries: those are
 * decided above, where it is known whose words a URL is.
 *
 * **Invariant:** a connection is only opened to an address that the caller's
 * `mayConnect` accepted *after* name resolution, so a name cannot be rebound
 * between check and use.
 */

import { lookup as dnsLookup } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import tls from 'node:tls';
import { EngineError, messageOf } from '../../base/error.ts';
import { scopeOf, type AddressScope } from './address.ts';
import { proxyFor, type ProxySettings } from './proxy.ts';

/** What TLS needs to know of one registry. */
export interface TlsSettings {
  /** PEM text of extra authorities; `undefined`: the system's only. */
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** False only where the operator said `insecure`. */
  readonly isVerified: boolean;
}

/** One request. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | Readable;
  readonly tls: TlsSettings;
  /** Asked for every resolved address before it is connected to. */
  readonly mayConnect?: (scope: AddressScope) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The answer; `body` must be read or destroyed. Header names are lower-case. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

/** Sends requests; keeps idle connections until `close`. */
export interface Transport {
  /** Errors: `unavailable` (may be retried), `denied` (address not allowed), `cancelled`. */
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** Milliseconds of the transport's patience. */
export interface TransportTimeouts {
  /** Until headers arrive. */
  readonly responseMs: number;
  /** Without any byte of a body. */
  readonly idleMs: number;
}

/** 30 s for headers, 60 s of silence. */
export const DEFAULT_TIMEOUTS: TransportTimeouts = { responseMs: 30_000, idleMs: 60_000 };

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'the name does not exist',
  EAI_AGAIN: 'the name cannot be resolved now',
  EHOSTUNREACH: 'the host is unreachable',
  ENETUNREACH: 'the network is unreachable',
  ETIMEDOUT: 'the connection timed out',
  EPIPE: 'the connection was closed',
};

/** Code of a Node error, or the empty text. */
function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const TLS_ERROR = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|HOSTNAME|EPROTO|ERR_SSL/;

function connectionError(url: URL, error: unknown): EngineError {
  const code = codeOf(error);
  if (TLS_ERROR.test(code)) {
    return new EngineError('unavailable', `Cannot reach ${url.host}: its TLS certificate is not accepted (${messageOf(error)})`, {
      operation: 'registry.connect',
      hint: 'Name its authority as "ca" of this registry in the registry configuration, or mark the registry "insecure"',
      details: { isFinal: true, isTls: true },
      cause: error,
    });
  }
  return new EngineError('unavailable', `Cannot reach ${url.host}: ${CAUSES[code] ?? messageOf(error)}`, {
    operation: 'registry.connect',
    details: code === 'ENOTFOUND' || code === 'ECONNREFUSED' ? { isFinal: true, code } : { code },
    cause: error,
  });
}

function addressDenied(url: URL, address: string): EngineError {
  return new EngineError('denied', `Cannot reach ${url.host}: a registry may not send carve to ${address}`, {
    operation: 'registry.connect',
    hint: 'This address was named by the registry (a redirect or a token server), and lies in a network the registry is not in',
  });
}

/** A resolver that refuses addresses the request may not reach. */
function guardedLookup(request: HttpRequest): LookupFunction {
  return (hostname, options, callback) => {
    dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const refused = addresses.find((found) => request.mayConnect?.(scopeOf(found.address)) === false);
      if (refused !== undefined) return callback(addressDenied(request.url, refused.address), '', 0);
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      return callback(null, first?.address ?? '', first?.family ?? 4);
    });
  };
}

function tlsOptions(settings: TlsSettings): tls.ConnectionOptions {
  return {
    rejectUnauthorized: settings.isVerified,
    ...(settings.ca === undefined ? {} : { ca: [...tls.rootCertificates, settings.ca] }),
    ...(settings.certificate === undefined ? {} : { cert: settings.certificate }),
    ...(settings.key === undefined ? {} : { key: settings.key }),
  };
}

/** An address is no server name. Source: RFC 6066 §3. */
function serverName(url: URL): { readonly servername?: string } {
  return isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0 ? { servername: url.hostname } : {};
}

/** A TLS connection through a CONNECT tunnel. */
async function tunnel(request: HttpRequest, proxy: URL): Promise<tls.TLSSocket> {
  const port = request.url.port === '' ? '443' : request.url.port;
  const target = `${request.url.hostname}:${port}`;
  const credentials =
    proxy.username === ''
      ? {}
      : { 'Proxy-Authorization': `Basic ${Buffer.from(`${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`).toString('base64')}` };
  const ask = http.request({
    host: proxy.hostname,
    port: proxy.port === '' ? 80 : Number(proxy.port),
    method: 'CONNECT',
    path: target,
    headers: { Host: target, ...credentials },
  });
  return await new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(connectionError(proxy, error));
    ask.once('error', fail);
    ask.once('connect', (response, socket) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        fail(new Error(`the proxy answered ${String(response.statusCode)}`));
        return;
      }
      const secure = tls.connect({ ...tlsOptions(request.tls), socket, ...serverName(request.url) });
      secure.once('error', (error) => reject(connectionError(request.url, error)));
      secure.once('secureConnect', () => resolve(secure));
    });
    ask.end();
  });
}

/** Make a transport. `proxies` come from the daemon's environment, read once in `wiring.ts`. */
export function createTransport(
  options: { readonly proxies?: ProxySettings; readonly timeouts?: TransportTimeouts } = {},
): Transport {
  const timeouts = options.timeouts ?? DEFAULT_TIMEOUTS;
  const plainAgent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  const agents = new Map<string, https.Agent>();

  const secureAgent = (settings: TlsSettings): https.Agent => {
    const key = JSON.stringify(settings);
    const known = agents.get(key);
    if (known !== undefined) return known;
    const agent = new https.Agent({ keepAlive: true, maxSockets: 32, ...tlsOptions(settings) });
    agents.set(key, agent);
    return agent;
  };

  const open = async (request: HttpRequest): Promise<http.ClientRequest> => {
    const { url } = request;
    const literal = scopeOf(url.hostname);
    if (request.mayConnect?.(literal) === false) throw addressDenied(url, url.hostname);
    const proxy = proxyFor(options.proxies ?? {}, url);
    const base: http.RequestOptions = {
      method: request.method,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
      path: `${url.pathname}${url.search}`,
      headers: { Host: url.host, ...request.headers },
      lookup: guardedLookup(request),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    };
    if (url.protocol === 'http:') {
      if (proxy === undefined) return http.request({ ...base, agent: plainAgent });
      return http.request({ ...base, host: proxy.hostname, port: Number(proxy.port === '' ? 80 : proxy.port), path: url.href, agent: plainAgent });
    }
    if (proxy !== undefined) {
      const socket = await tunnel(request, proxy);
      return https.request({ ...base, createConnection: () => socket });
    }
    return https.request({ ...base, ...tlsOptions(request.tls), ...serverName(url), agent: secureAgent(request.tls) });
  };

  const send = async (request: HttpRequest): Promise<HttpResponse> => {
    const call = await open(request);
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        call.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
      }, timeouts.responseMs);
      call.once('response', (response) => {
        clearTimeout(timer);
        response.setTimeout(timeouts.idleMs, () => {
          response.destroy(new EngineError('unavailable', `Cannot read from ${request.url.host}: nothing came for ${timeouts.idleMs / 1000} s`));
        });
        const headers: Record<string, string> = {};
        for (const [name, value] of Object.entries(response.headers)) {
          if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
        }
        resolve({ status: response.statusCode ?? 0, headers, body: response });
      });
      call.once('error', (error) => {
        clearTimeout(timer);
        if (request.signal?.aborted === true) reject(new EngineError('cancelled', 'The operation was cancelled', { cause: error }));
        else if (error instanceof EngineError) reject(error);
        else reject(connectionError(request.url, error));
      });
      const { body } = request;
      if (body === undefined || body instanceof Uint8Array) call.end(body);
      else {
        body.once('error', (error) => call.destroy(error));
        body.pipe(call);
      }
    });
  };

  return {
    send,
    close: () => {
      plainAgent.destroy();
      for (const agent of agents.values()) agent.destroy();
    },
  };
}
