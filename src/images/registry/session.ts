/**
 * Requests to one endpoint: protocol choice, credentials, redirects, retries,
 * error documents. Every method above it speaks in paths below `/v2/`.
 *
 * **Invariant:** an `Authorization` header goes to the endpoint's own origin
 * and nowhere else; a redirect is followed without it, only for reads, and only
 * to where {@link mayFollow} allows.
 *
 * Source: OCI distribution-spec 1.1.1; RFC 9110 §15.4.
 */

import { lookup } from 'node:dns/promises';
import type { Readable } from 'node:stream';
import { EngineError, isEngineError } from '../../base/error.ts';
import { mayFollow, scopeOf, type AddressScope } from './address.ts';
import { createAuthenticator, type Authenticator } from './auth.ts';
import { parseChallenges } from './challenge.ts';
import type { Credentials } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import { readBounded } from './read.ts';
import { isRetriableStatus, retryAfterMs, withRetries, type RetryClock, type RetryPolicy } from './retry.ts';
import type { HttpRequest, HttpResponse, TlsSettings, Transport } from './transport.ts';

/** Largest error document read, in bytes. */
const MAX_ERROR_BYTES = 64 * 1024;
/** Count of redirects followed for one request. */
const MAX_REDIRECTS = 8;

/** One request below the endpoint, or to a URL it gave (an upload location). */
export interface SessionRequest {
  readonly method: HttpRequest['method'];
  /** `/v2/…` with its query, or an absolute URL. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, or a function that opens the stream anew for each try. */
  readonly body?: Uint8Array | (() => Readable);
  /** Token scopes, e.g. `repository:library/debian:pull`. */
  readonly scopes: readonly string[];
  /** Statuses that are an answer; every other becomes an error. */
  readonly accept: readonly number[];
  /** What the user asked, for messages: `pull docker.io/library/debian:12`. */
  readonly action: string;
  readonly signal?: AbortSignal | undefined;
}

/** A conversation with one endpoint. */
export interface Session {
  readonly endpoint: Endpoint;
  /** Errors: `not-found`, `unauthorized`, `denied`, `unavailable`, `cancelled`, … as the registry's answer means. */
  send(request: SessionRequest): Promise<HttpResponse>;
}

/** What a session needs from outside. */
export interface SessionOptions {
  readonly transport: Transport;
  readonly endpoint: Endpoint;
  readonly tls: TlsSettings;
  readonly credentials: Credentials | undefined;
  readonly retry?: { readonly policy?: RetryPolicy; readonly clock?: RetryClock };
  readonly nowMs: () => number;
}

/** One error of a registry's error document. Source: OCI distribution-spec 1.1.1 "Error Codes". */
interface RegistryProblem {
  readonly code: string;
  readonly message: string;
}

/** The first problem an error document names. Never throws. */
export function problemOf(body: Uint8Array): RegistryProblem | undefined {
  try {
    const document: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    if (typeof document !== 'object' || document === null || !('errors' in document) || !Array.isArray(document.errors)) return undefined;
    const first: unknown = document.errors[0];
    if (typeof first !== 'object' || first === null) return undefined;
    const { code, message } = first as { readonly code?: unknown; readonly message?: unknown };
    return {
      code: typeof code === 'string' ? code.slice(0, 100) : 'UNKNOWN',
      message: typeof message === 'string' ? message.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(0, 500) : '',
    };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function statusError(request: SessionRequest, host: string, response: HttpResponse, problem: RegistryProblem | undefined, nowMs: number): EngineError {
  const { status } = response;
  const said = problem === undefined ? `status ${status}` : `${problem.message === '' ? problem.code : problem.message} (${problem.code})`;
  const message = `Cannot ${request.action}: ${host} answered ${said}`;
  const details = { status, ...(problem === undefined ? {} : { code: problem.code }) };
  if (status === 401) return new EngineError('unauthorized', `Cannot ${request.action}: ${host} refused the credentials`, { details, hint: `Run: carve login ${host}` });
  if (status === 403) return new EngineError('denied', message, { details });
  if (status === 404) return new EngineError('not-found', message, { details });
  if (isRetriableStatus(status)) {
    const asked = retryAfterMs(response.headers['retry-after'], nowMs);
    return new EngineError('unavailable', message, { details: { ...details, ...(asked === undefined ? {} : { retryAfterMs: asked }) } });
  }
  return new EngineError(status >= 500 ? 'unavailable' : 'invalid', message, { details: { ...details, isFinal: true } });
}

async function registryScope(hostname: string): Promise<AddressScope> {
  const bare = hostname.replace(/^\[|\]$/g, '');
  const literal = scopeOf(bare);
  if (literal !== 'public') return literal;
  try {
    return scopeOf((await lookup(bare)).address);
  } catch {
    // A name that cannot be resolved here may still be known to a proxy; then it is treated as public.
    return 'public';
  }
}

/** The server at the other end does not speak TLS at all (as opposed to speaking it with a bad certificate). */
function isNotTls(error: unknown): boolean {
  if (!isEngineError(error)) return false;
  const cause: unknown = error.cause;
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
  return /EPROTO|WRONG_VERSION|ERR_SSL|ECONNRESET|ECONNREFUSED|HTTP_REQUEST|PACKET_LENGTH/.test(code);
}

interface Origin {
  readonly base: string;
  readonly scope: AddressScope;
  readonly authenticator: Authenticator;
}

/** Open a session. Nothing is sent before the first request. */
export function createSession(options: SessionOptions): Session {
  const { transport, endpoint, tls, nowMs } = options;
  let origin: Promise<Origin> | undefined;

  const probe = async (base: string, signal: AbortSignal | undefined): Promise<void> => {
    const response = await transport.send({ method: 'GET', url: new URL(`${base}/v2/`), headers: {}, tls, signal });
    response.body.resume();
  };
  const chooseOrigin = async (signal: AbortSignal | undefined): Promise<Origin> => {
    let [base = '', ...others] = endpoint.baseUrls;
    for (const next of others) {
      try {
        await probe(base, signal);
        break;
      } catch (error) {
        if (!isNotTls(error) && !endpoint.settings.insecure) throw error;
        base = next;
      }
    }
    const url = new URL(base);
    const scope = await registryScope(url.hostname);
    const target = { origin: url.origin, scope, tls, credentials: options.credentials };
    return { base, scope, authenticator: createAuthenticator(transport, target, nowMs) };
  };
  const originOf = (signal: AbortSignal | undefined): Promise<Origin> => {
    origin ??= chooseOrigin(signal).catch((error: unknown) => {
      origin = undefined;
      throw error;
    });
    return origin;
  };

  /** Send, following redirects of reads. */
  const exchange = async (at: Origin, request: SessionRequest, first: URL, authorization: string | undefined): Promise<HttpResponse> => {
    let url = first;
    for (let hops = 0; ; hops += 1) {
      const isOwn = url.origin === new URL(at.base).origin;
      const headers = { ...request.headers, ...(isOwn && authorization !== undefined ? { Authorization: authorization } : {}) };
      const response = await transport.send({
        method: request.method,
        url,
        headers,
        ...(request.body === undefined ? {} : { body: typeof request.body === 'function' ? request.body() : request.body }),
        tls: isOwn ? tls : { isVerified: tls.isVerified },
        ...(isOwn ? {} : { mayConnect: (scope: AddressScope) => mayFollow(scope, at.scope) }),
        signal: request.signal,
      });
      const isRedirect = [301, 302, 303, 307, 308].includes(response.status);
      if (!isRedirect || request.accept.includes(response.status)) return response;
      response.body.resume();
      url = redirectTarget(request, response, url, hops);
    }
  };

  const once = async (request: SessionRequest): Promise<HttpResponse> => {
    const at = await originOf(request.signal);
    const url = request.target.startsWith('/') ? new URL(`${at.base}${request.target}`) : new URL(request.target);
    let response = await exchange(at, request, url, at.authenticator.known(request.scopes));
    if (response.status === 401 && url.origin === new URL(at.base).origin) {
      response.body.resume();
      const challenges = parseChallenges(response.headers['www-authenticate'] ?? '');
      const header = await at.authenticator.answer(challenges, request.scopes, request.signal);
      response = await exchange(at, request, url, header);
    }
    if (request.accept.includes(response.status)) return response;
    const body = await readBounded(response.body, MAX_ERROR_BYTES, `the answer of ${url.host}`).catch(() => new Uint8Array());
    throw statusError(request, endpoint.host, response, problemOf(body), nowMs());
  };

  return {
    endpoint,
    send: (request) => withRetries(() => once(request), { ...options.retry, signal: request.signal }),
  };
}

function redirectTarget(request: SessionRequest, response: HttpResponse, from: URL, hops: number): URL {
  const fail = (why: string): EngineError =>
    new EngineError('unavailable', `Cannot ${request.action}: ${from.host} redirects ${why}`, { details: { isFinal: true } });
  if (request.method !== 'GET' && request.method !== 'HEAD') throw fail('a write');
  if (hops >= MAX_REDIRECTS) throw fail(`more than ${MAX_REDIRECTS} times`);
  const url = URL.parse(response.headers['location'] ?? '', from.href);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) throw fail('to nowhere');
  if (url.username !== '' || url.password !== '') throw fail('to an address with credentials');
  if (from.protocol === 'https:' && url.protocol === 'http:') throw fail(`from TLS to plain HTTP (${url.host})`);
  return url;
}
