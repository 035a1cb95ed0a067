/**
 * Requests to one endpoint: credentials, redirects, retries, refusals. What
 * stands above it speaks in paths below `/v2/`.
 *
 * **Invariant:** an `Authorization` header goes to the endpoint's own origin
 * and nowhere else; a redirect is followed without it, and only to where
 * {@link mayFollow} allows; of a write only one that keeps method and body.
 *
 * Source: OCI distribution-spec 1.1.1; RFC 9110 §15.4.
 */

import type { Readable } from 'node:stream';
import { EngineError, isEngineError } from '../../base/error.ts';
import { mayFollow, type AddressScope } from './address.ts';
import { parseChallenges } from './challenge.ts';
import type { Endpoint } from './endpoint.ts';
import { findOrigin, type Origin, type OriginRequest } from './origin.ts';
import { readBounded } from './read.ts';
import { withRetries, type RetryOptions } from './retry.ts';
import { problemOf, statusError } from './status-error.ts';
import type { HttpRequest, HttpResponse, TlsSettings } from './transport.ts';

/** Largest error document read, in bytes. */
const MAX_ERROR_BYTES = 64 * 1024;
/** Count of redirects followed for one request. */
const MAX_REDIRECTS = 8;
/** Those that keep method and body. */
const KEEPING: ReadonlySet<number> = new Set([307, 308]);
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

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
  /** Status codes that are an answer; every other becomes an error. */
  readonly accept: readonly number[];
  /** What the user asked, for messages: `pull docker.io/library/debian:12`. */
  readonly action: string;
  readonly signal?: AbortSignal | undefined;
}

/** What a session needs from outside. */
export interface SessionOptions extends OriginRequest {
  readonly retry?: RetryOptions;
}

/** A conversation with one endpoint. Nothing is sent before the first request. */
export class Session {
  readonly endpoint: Endpoint;
  readonly #options: SessionOptions;
  #origin: Promise<Origin> | undefined;
  #hasAnswered = false;

  constructor(options: SessionOptions) {
    this.endpoint = options.endpoint;
    this.#options = options;
  }

  /** How its requests are tried again. */
  get retry(): RetryOptions {
    return this.#options.retry ?? {};
  }

  /** Errors: `not-found`, `unauthorized`, `denied`, `unavailable`, `cancelled`, … as the registry's answer means. */
  async send(request: SessionRequest): Promise<HttpResponse> {
    const attempt = async (): Promise<HttpResponse> => {
      try {
        const response = await this.#once(request);
        this.#hasAnswered = true;
        return response;
      } catch (error) {
        throw this.#hasAnswered ? withoutRefusal(error) : error;
      }
    };
    return await withRetries(attempt, { ...this.#options.retry, signal: request.signal });
  }

  /** The refresh token a login was given; empty: none. */
  async refreshToken(): Promise<string> {
    return (await this.#origin)?.authenticator.refreshToken() ?? '';
  }

  async #once(request: SessionRequest): Promise<HttpResponse> {
    const origin = await this.#reached(request.signal);
    const url = urlOf(request, origin.base);
    let response = await this.#exchange({
      ...request,
      origin,
      url,
      authorization: origin.authenticator.known(request.scopes),
    });
    if (response.status === 401 && url.origin === new URL(origin.base).origin) {
      response.body.resume();
      const challenges = parseChallenges(response.headers['www-authenticate'] ?? '');
      const authorization = await origin.authenticator.answer(
        challenges,
        request.scopes,
        request.signal,
      );
      response = await this.#exchange({ ...request, origin, url, authorization });
    }
    if (request.accept.includes(response.status)) return response;
    const body = await readBounded(
      response.body,
      MAX_ERROR_BYTES,
      `the answer of ${url.host}`,
    ).catch(() => new Uint8Array());
    const { status, headers } = response;
    const { host } = this.endpoint;
    throw statusError({
      action: request.action,
      host,
      status,
      headers,
      problem: problemOf(body),
      nowMs: this.#options.nowMs(),
    });
  }

  async #reached(signal: AbortSignal | undefined): Promise<Origin> {
    this.#origin ??= findOrigin(this.#options, signal).catch((error: unknown) => {
      this.#origin = undefined;
      throw error;
    });
    return await this.#origin;
  }

  /** Send, following redirects. */
  async #exchange(
    request: SessionRequest & {
      readonly origin: Origin;
      readonly url: URL;
      readonly authorization: string | undefined;
    },
  ): Promise<HttpResponse> {
    const own = new URL(request.origin.base).origin;
    let { url } = request;
    for (let hops = 0; ; hops += 1) {
      const isOwn = url.origin === own;
      const response = await this.#options.transport.send({
        method: request.method,
        url,
        headers: {
          ...request.headers,
          ...(isOwn && request.authorization !== undefined
            ? { Authorization: request.authorization }
            : {}),
        },
        ...(request.body === undefined
          ? {}
          : { body: typeof request.body === 'function' ? request.body() : request.body }),
        tls: isOwn ? this.#options.tls : strangersTls(this.#options.tls),
        ...(isOwn
          ? {}
          : { mayConnect: (scope: AddressScope) => mayFollow(scope, request.origin.scope) }),
        signal: request.signal,
      });
      if (!REDIRECTS.has(response.status) || request.accept.includes(response.status))
        return response;
      response.body.resume();
      if (hops >= MAX_REDIRECTS)
        throw redirectError(request, url, `more than ${MAX_REDIRECTS} times`);
      url = redirectTarget(request, url, response);
    }
  }
}

/** Nobody listens at an address that is wrong; one that answered before is restarting. */
function withoutRefusal(error: unknown): unknown {
  if (!isEngineError(error) || error.details['code'] !== 'ECONNREFUSED') return error;
  const { kind, message, operation, cause } = error;
  return new EngineError(kind, message, {
    details: { code: 'ECONNREFUSED' },
    cause,
    ...(operation === undefined ? {} : { operation }),
  });
}

function isWebAddress({ protocol, username, password }: URL): boolean {
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '';
}

/**
 * Where a request goes. Errors: `unavailable` for an address of the registry's
 * that is none, or that gives up the protection the registry itself has.
 */
function urlOf({ target, action }: SessionRequest, base: string): URL {
  if (target.startsWith('/')) return new URL(`${base}${target}`);
  const url = URL.parse(target);
  const isPlain = url?.protocol === 'http:' && base.startsWith('https:');
  if (url !== null && isWebAddress(url) && !isPlain) return url;
  const why = isPlain ? `from TLS to plain HTTP (${url.host})` : 'to an address that is none';
  throw new EngineError('unavailable', `Cannot ${action}: ${new URL(base).host} sends ${why}`, {
    details: { isFinal: true },
  });
}

function redirectError(request: SessionRequest, from: URL, why: string): EngineError {
  return new EngineError('unavailable', `Cannot ${request.action}: ${from.host} redirects ${why}`, {
    details: { isFinal: true },
  });
}

/** The authorities vouch for its storage too; the client certificate says who asks, and stays. */
function strangersTls({ ca, isVerified }: TlsSettings): TlsSettings {
  return { isVerified, ...(ca === undefined ? {} : { ca }) };
}

function redirectTarget(request: SessionRequest, from: URL, response: HttpResponse): URL {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!isRead && !KEEPING.has(response.status)) throw redirectError(request, from, 'a write');
  const url = URL.parse(response.headers['location'] ?? '', from.href);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw redirectError(request, from, 'to nowhere');
  if (url.username !== '' || url.password !== '')
    throw redirectError(request, from, 'to an address with credentials');
  if (from.protocol === 'https:' && url.protocol === 'http:') {
    throw redirectError(request, from, `from TLS to plain HTTP (${url.host})`);
  }
  return url;
}
