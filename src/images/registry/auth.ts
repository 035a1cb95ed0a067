/**
 * Answers to a registry's challenges: Basic, or Bearer tokens from its token
 * server, cached by what they allow.
 *
 * **Invariant:** credentials leave only for the registry they belong to or the
 * token server it names, over TLS unless the registry itself is spoken to in
 * plain HTTP by the operator's word; never by a redirect.
 *
 * Source: distribution token and OAuth2 protocols; weakness classes I4–I7.
 */

import { Buffer } from 'node:buffer';
import { EngineError } from '../../base/error.ts';
import { mayFollow, type AddressScope } from './address.ts';
import type { Challenge } from './challenge.ts';
import type { Credentials } from './credentials.ts';
import { readBounded } from './read.ts';
import type { HttpRequest, TlsSettings, Transport } from './transport.ts';

/** Largest answer of a token server in bytes. */
const MAX_TOKEN_BYTES = 1024 * 1024;
/** Lifetime when the server names none, in seconds. Source: token protocol. */
const DEFAULT_TOKEN_SECONDS = 60;
/** A token is renewed this many milliseconds before its end. */
const RENEW_EARLY_MS = 10_000;

/** One registry as the authenticator sees it. */
export interface AuthTarget {
  /** Origin of the registry, e.g. `https://registry.example`. */
  readonly origin: string;
  readonly scope: AddressScope;
  readonly tls: TlsSettings;
  readonly credentials: Credentials | undefined;
  /** Ask the token server for a refresh token too. */
  readonly isLogin?: boolean;
}

/** Makes `Authorization` headers. */
export interface Authenticator {
  /** The refresh token the token server gave to a login; empty: none so far. */
  refreshToken(): string;
  /** Header known to work for these scopes, without asking anyone; `undefined`: send without. */
  known(scopes: readonly string[]): string | undefined;
  /** Header that answers the challenges of a 401. Errors: `unauthorized`, `unavailable`. */
  answer(
    challenges: readonly Challenge[],
    scopes: readonly string[],
    signal?: AbortSignal,
  ): Promise<string>;
}

function basic(credentials: Extract<Credentials, { kind: 'password' }>): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

function unauthorized(target: AuthTarget, why: string): EngineError {
  const host = new URL(target.origin).host;
  return new EngineError('unauthorized', `Cannot log in to ${host}: ${why}`, {
    operation: 'registry.auth',
    hint:
      target.credentials === undefined
        ? `Run: carve login ${host}`
        : 'Check the user name and the password',
  });
}

/** The realm as a URL that credentials may be sent to. Errors: `denied`. */
function checkedRealm(realm: string, target: AuthTarget): URL {
  const url = URL.parse(realm, target.origin);
  const isPlain = url?.protocol === 'http:';
  if (url === null || (!isPlain && url.protocol !== 'https:') || url.username !== '') {
    throw new EngineError(
      'denied',
      `Cannot log in to ${target.origin}: its token server has no usable address`,
    );
  }
  if (isPlain && target.origin.startsWith('https:')) {
    throw new EngineError(
      'denied',
      `Cannot log in to ${target.origin}: its token server ${url.host} does not use TLS`,
    );
  }
  return url;
}

/** The POST of the OAuth2 protocol, for identity tokens. */
function refreshForm(token: string, service: string, scopes: readonly string[]): Uint8Array {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: 'carve',
    service,
    scope: scopes.join(' '),
    refresh_token: token,
  });
  return Buffer.from(form.toString());
}

/** A token of a registry's token server, and until when it is good. */
interface Token {
  readonly header: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
  /** Empty: none. */
  readonly refreshToken: string;
}

/** Make an authenticator of one registry. `nowMs`: milliseconds since the epoch. */
export function createAuthenticator(
  transport: Transport,
  target: AuthTarget,
  nowMs: () => number,
): Authenticator {
  const tokens = new Map<string, Token>();
  let basicHeader: string | undefined;
  let refreshToken = '';
  const keyOf = (scopes: readonly string[]): string => [...new Set(scopes)].toSorted().join(' ');

  return {
    refreshToken: () => refreshToken,
    known: (scopes) => {
      if (target.credentials?.kind === 'registry-token')
        return `Bearer ${target.credentials.token}`;
      const token = tokens.get(keyOf(scopes));
      const isGood = token !== undefined && token.expiresAtMs - RENEW_EARLY_MS > nowMs();
      return isGood ? token.header : basicHeader;
    },
    answer: async (challenges, scopes, signal) => {
      const bearer = challenges.find((challenge) => challenge.scheme === 'bearer');
      if (bearer !== undefined) {
        const asked = bearer.params['scope'];
        const wanted = scopes.length > 0 || asked === undefined ? scopes : asked.split(' ');
        const token = await fetchToken({
          transport,
          target,
          challenge: bearer,
          scopes: wanted,
          nowMs: nowMs(),
          signal,
        });
        tokens.set(keyOf(scopes), token);
        if (token.refreshToken !== '') ({ refreshToken } = token);
        return token.header;
      }
      const isBasic = challenges.some((challenge) => challenge.scheme === 'basic');
      if (isBasic && target.credentials?.kind === 'password') {
        basicHeader = basic(target.credentials);
        return basicHeader;
      }
      throw unauthorized(
        target,
        target.credentials === undefined
          ? 'it wants a user name and a password'
          : 'it offers no way to log in that carve knows',
      );
    },
  };
}

/** One question to a token server. */
interface TokenRequest {
  readonly transport: Transport;
  readonly target: AuthTarget;
  readonly challenge: Challenge;
  readonly scopes: readonly string[];
  readonly nowMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The GET of the token protocol; the POST of OAuth2 for an identity token. */
function tokenHttpRequest({
  target,
  challenge,
  scopes,
}: TokenRequest): Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'> {
  const url = checkedRealm(challenge.params['realm'] ?? '', target);
  const service = challenge.params['service'] ?? '';
  const { credentials } = target;
  if (credentials?.kind === 'identity-token') {
    return {
      method: 'POST',
      url,
      headers: { Accept: 'application/json', 'Content-Type': 'application/x-www-form-urlencoded' },
      body: refreshForm(credentials.token, service, scopes),
    };
  }
  if (service !== '') url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (credentials?.kind !== 'password')
    return { method: 'GET', url, headers: { Accept: 'application/json' } };
  url.searchParams.set('account', credentials.username);
  if (target.isLogin === true) {
    url.searchParams.set('offline_token', 'true');
    url.searchParams.set('client_id', 'carve');
  }
  return {
    method: 'GET',
    url,
    headers: { Accept: 'application/json', Authorization: basic(credentials) },
  };
}

async function fetchToken(request: TokenRequest): Promise<Token> {
  const { target } = request;
  const asked = tokenHttpRequest(request);
  const { host } = asked.url;
  const response = await request.transport.send({
    ...asked,
    tls: target.tls,
    mayConnect: (scope) => mayFollow(scope, target.scope),
    signal: request.signal,
  });
  const body = await readBounded(
    response.body,
    MAX_TOKEN_BYTES,
    `the answer of token server ${host}`,
  );
  if ([400, 401, 403].includes(response.status)) {
    throw unauthorized(
      target,
      target.credentials === undefined
        ? 'it does not give anonymous access'
        : 'user name or password is wrong',
    );
  }
  if (response.status !== 200) {
    throw new EngineError(
      'unavailable',
      `Cannot log in to ${target.origin}: token server ${host} answered ${response.status}`,
    );
  }
  return tokenOf(body, host, request.nowMs);
}

function tokenOf(body: Uint8Array, host: string, nowMs: number): Token {
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (error) {
    throw new EngineError(
      'unavailable',
      `Cannot log in: token server ${host} did not answer with JSON`,
      { cause: error },
    );
  }
  const token = textField(answer, 'token') ?? textField(answer, 'access_token');
  // A token goes into a header: control characters would end it.
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
    throw new EngineError('unavailable', `Cannot log in: token server ${host} gave no token`);
  }
  const lifetime = fieldOf(answer, 'expires_in');
  const seconds = typeof lifetime === 'number' && lifetime > 0 ? lifetime : DEFAULT_TOKEN_SECONDS;
  return {
    header: `Bearer ${token}`,
    expiresAtMs: nowMs + seconds * 1000,
    refreshToken: textField(answer, 'refresh_token') ?? '',
  };
}

function fieldOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([name]) => name === key)?.[1];
}

function textField(value: unknown, key: string): string | undefined {
  const found = fieldOf(value, key);
  return typeof found === 'string' && found !== '' ? found : undefined;
}
