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
import { Readable, type Duplex } from 'node:stream';
import tls from 'node:tls';
import { EngineError, messageOf } from '../../base/error.ts';
import { scopeOf, type AddressScope } from './address.ts';
import { proxyAuthorization, proxyFor, type ProxySettings } from './proxy.ts';

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
  /** Until headers arrive; also until a proxy has made its tunnel. */
  readonly responseMs: number;
  /** Until headers arrive of a request that writes, from the last bytes that were sent on. */
  readonly storeMs: number;
  /** Without any byte of a body. */
  readonly idleMs: number;
}

/** 30 s for headers, 60 s of silence; a registry that stores gigabytes elsewhere gets 5 min. */
export const DEFAULT_TIMEOUTS: TransportTimeouts = {
  responseMs: 30_000,
  storeMs: 300_000,
  idleMs: 60_000,
};

/** What the client calls itself. */
const PROGRAM = 'carve';
/** Bytes of a body that are sent at once. */
const PIECE_BYTES = 64 * 1024;

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'the name does not exist',
  EAI_AGAIN: 'the name cannot be resolved now',
  EHOSTUNREACH: 'the host is unreachable',
  ENETUNREACH: 'the network is unreachable',
  ETIMEDOUT: 'the connection timed out',
  EPIPE: 'the connection was closed',
  ERR_SOCKET_CLOSED: 'the connection was closed',
};

/** Code of a Node error, or the empty text. */
function codeOf(error: unknown): string {
  return typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'string'
    ? error.code
    : '';
}

/** Alerts of a server that looked at the client's certificate, or missed it. */
const CLIENT_CERTIFICATE = /ALERT_(?:BAD_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA|UNSUPPORTED_CERT)/;
const TLS_ERROR = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|HOSTNAME|EPROTO|ERR_SSL/;

function connectionError(url: URL, error: unknown): EngineError {
  const code = codeOf(error);
  if (CLIENT_CERTIFICATE.test(code)) {
    return new EngineError(
      'unavailable',
      `Cannot reach ${url.host}: it does not accept the client certificate, or wants one`,
      {
        operation: 'registry.connect',
        hint: 'Name "clientCertificate" and "clientKey" of this registry in the registry configuration',
        details: { isFinal: true, isTls: true },
        cause: error,
      },
    );
  }
  if (TLS_ERROR.test(code)) {
    return new EngineError(
      'unavailable',
      `Cannot reach ${url.host}: its TLS certificate is not accepted (${messageOf(error)})`,
      {
        operation: 'registry.connect',
        hint: 'Name its authority as "ca" of this registry in the registry configuration, or mark the registry "insecure"',
        details: { isFinal: true, isTls: true },
        cause: error,
      },
    );
  }
  return new EngineError(
    'unavailable',
    `Cannot reach ${url.host}: ${CAUSES[code] ?? messageOf(error)}`,
    {
      operation: 'registry.connect',
      details: code === 'ENOTFOUND' || code === 'ECONNREFUSED' ? { isFinal: true, code } : { code },
      cause: error,
    },
  );
}

function addressDenied(url: URL, address: string): EngineError {
  return new EngineError(
    'denied',
    `Cannot reach ${url.host}: a registry may not send carve to ${address}`,
    {
      operation: 'registry.connect',
      hint: 'This address was named by the registry (a redirect or a token server), and lies in a network the registry is not in',
    },
  );
}

/** A resolver that refuses addresses the request may not reach. */
function guardedLookup(request: HttpRequest): LookupFunction {
  return (hostname, options, callback) => {
    dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const refused = addresses.find(
        (found) => request.mayConnect?.(scopeOf(found.address)) === false,
      );
      if (refused !== undefined)
        return callback(addressDenied(request.url, refused.address), '', 0);
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

/** What a tunnel needs: who asks, by which proxy, for how long. */
interface TunnelRequest {
  readonly request: HttpRequest;
  readonly proxy: URL;
  readonly timeoutMs: number;
}

/** A TLS connection through a CONNECT tunnel. */
async function tunnel({ request, proxy, timeoutMs }: TunnelRequest): Promise<tls.TLSSocket> {
  const target = `${request.url.hostname}:${portOf(request.url)}`;
  const ask = http.request({
    host: proxy.hostname,
    port: portOf(proxy),
    method: 'CONNECT',
    path: target,
    headers: { Host: target, 'User-Agent': PROGRAM, ...proxyAuthorization(proxy) },
  });
  const { promise, resolve, reject } = Promise.withResolvers<tls.TLSSocket>();
  let socket: Duplex | undefined;
  const fail = (url: URL, error: Error): void => {
    ask.destroy();
    socket?.destroy();
    reject(sendError({ ...request, url }, error));
  };
  const timer = setTimeout(() => fail(proxy, timedOut()), timeoutMs);
  const onAbort = (): void => fail(proxy, new Error('aborted'));
  request.signal?.addEventListener('abort', onAbort, { once: true });
  ask.once('error', (error) => fail(proxy, error));
  ask.once('connect', (response, opened) => {
    socket = opened;
    if (response.statusCode !== 200) {
      fail(proxy, new Error(`the proxy answered ${String(response.statusCode)}`));
      return;
    }
    const name = serverName(request.url);
    const secure = tls.connect({ ...tlsOptions(request.tls), socket: opened, ...name });
    secure.once('error', (error: Error) => fail(request.url, error));
    secure.once('secureConnect', () => resolve(secure));
  });
  ask.end();
  try {
    if (request.signal?.aborted === true) onAbort();
    return await promise;
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener('abort', onAbort);
  }
}

function timedOut(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

function headersOf(response: http.IncomingMessage): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

/** Settings of a transport. */
export interface TransportOptions {
  /** The daemon's, read once from its environment in `wiring.ts`. */
  readonly proxies?: ProxySettings;
  readonly timeouts?: TransportTimeouts;
}

/** Sends requests by `node:http`; keeps idle connections until `close`. */
class HttpTransport implements Transport {
  readonly #proxies: ProxySettings;
  readonly #timeouts: TransportTimeouts;
  readonly #plainAgent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  readonly #secureAgents = new Map<string, https.Agent>();

  constructor(options: TransportOptions) {
    this.#proxies = options.proxies ?? {};
    this.#timeouts = options.timeouts ?? DEFAULT_TIMEOUTS;
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    const call = await this.#open(request);
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    const { responseMs, storeMs } = this.#timeouts;
    const isReading = request.method === 'GET' || request.method === 'HEAD';
    const timer = setTimeout(() => call.destroy(timedOut()), isReading ? responseMs : storeMs);
    const body = request.body === undefined ? undefined : streamOf(request.body);
    // A slow line is no silence.
    const onSent = (): void => void timer.refresh();
    call.once('response', (response) => {
      body?.off('data', onSent);
      clearTimeout(timer);
      this.#watchSilence(request.url, response);
      resolve({ status: response.statusCode ?? 0, headers: headersOf(response), body: response });
    });
    call.once('error', (error) => {
      clearTimeout(timer);
      reject(sendError(request, error));
    });
    // An answer may come before all is sent; then nobody reads the rest.
    call.once('close', () => body?.off('data', onSent).destroy());
    if (body === undefined) call.end();
    else {
      body.once('error', (error) => call.destroy(error));
      body.on('data', onSent);
      body.pipe(call);
    }
    return await promise;
  }

  close(): void {
    this.#plainAgent.destroy();
    for (const agent of this.#secureAgents.values()) agent.destroy();
  }

  #watchSilence(url: URL, response: http.IncomingMessage): void {
    const { idleMs } = this.#timeouts;
    response.setTimeout(idleMs, () => {
      response.destroy(
        new EngineError(
          'unavailable',
          `Cannot read from ${url.host}: nothing came for ${idleMs / 1000} s`,
        ),
      );
    });
  }

  async #open(request: HttpRequest): Promise<http.ClientRequest> {
    const { url } = request;
    if (request.mayConnect?.(scopeOf(url.hostname)) === false)
      throw addressDenied(url, url.hostname);
    const proxy = proxyFor(this.#proxies, url);
    const headers: Readonly<Record<string, string>> = {
      Host: url.host,
      // Some registries turn away who does not say what it is.
      'User-Agent': PROGRAM,
      ...request.headers,
    };
    const base: http.RequestOptions = {
      method: request.method,
      host: url.hostname.replaceAll(/^\[|\]$/g, ''),
      port: portOf(url),
      path: `${url.pathname}${url.search}`,
      headers,
      // The operator chose the proxy: only what the registry names is guarded.
      ...(proxy === undefined ? { lookup: guardedLookup(request) } : {}),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    };
    if (url.protocol === 'http:') {
      const via =
        proxy === undefined
          ? {}
          : {
              host: proxy.hostname,
              port: portOf(proxy),
              path: url.href,
              headers: { ...headers, ...proxyAuthorization(proxy) },
            };
      return http.request({ ...base, ...via, agent: this.#plainAgent });
    }
    if (proxy !== undefined) {
      const timeoutMs = this.#timeouts.responseMs;
      const socket = await tunnel({ request, proxy, timeoutMs });
      return https.request({ ...base, createConnection: () => socket });
    }
    return https.request({
      ...base,
      ...tlsOptions(request.tls),
      ...serverName(url),
      agent: this.#secureAgent(request.tls),
    });
  }

  #secureAgent(settings: TlsSettings): https.Agent {
    const key = JSON.stringify(settings);
    let agent = this.#secureAgents.get(key);
    if (agent === undefined) {
      agent = new https.Agent({ keepAlive: true, maxSockets: 32, ...tlsOptions(settings) });
      this.#secureAgents.set(key, agent);
    }
    return agent;
  }
}

/** Bytes go out in pieces, so that it is seen how far they are. */
function streamOf(body: Uint8Array | Readable): Readable {
  if (!(body instanceof Uint8Array)) return body;
  const pieces = function* (): Generator<Uint8Array> {
    for (let at = 0; at < body.length; at += PIECE_BYTES) yield body.subarray(at, at + PIECE_BYTES);
  };
  return Readable.from(pieces(), { objectMode: false });
}

function sendError(request: HttpRequest, error: Error): EngineError {
  if (request.signal?.aborted === true)
    return new EngineError('cancelled', 'The operation was cancelled', { cause: error });
  return error instanceof EngineError ? error : connectionError(request.url, error);
}

/** Make a transport. Close it. */
export function createTransport(options: TransportOptions = {}): Transport {
  return new HttpTransport(options);
}
