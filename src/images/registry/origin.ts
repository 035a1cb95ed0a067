/**
 * Which base URL of an endpoint answers, and where in the network it lives.
 *
 * **Invariant:** the second candidate (plain HTTP) is tried only when the first
 * does not speak TLS at all, or the operator marked the registry `insecure`.
 */

import { lookup } from 'node:dns/promises';
import { isEngineError } from '../../base/error.ts';
import { scopeOf, type AddressScope } from './address.ts';
import { createAuthenticator, type Authenticator } from './auth.ts';
import type { Credentials } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import type { TlsSettings, Transport } from './transport.ts';

/** An endpoint that was reached. */
export interface Origin {
  /** Base URL without `/v2`. */
  readonly base: string;
  readonly scope: AddressScope;
  readonly authenticator: Authenticator;
}

/** What finding the origin needs. */
export interface OriginRequest {
  readonly transport: Transport;
  readonly endpoint: Endpoint;
  readonly tls: TlsSettings;
  readonly credentials: Credentials | undefined;
  /** Ask a token server for a refresh token too. */
  readonly isLogin?: boolean;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

const NOT_TLS =
  /EPROTO|WRONG_VERSION|ERR_SSL|ECONNRESET|ECONNREFUSED|HTTP_REQUEST|PACKET_LENGTH|SOCKET_CLOSED/;

/** The server at the other end does not speak TLS (as opposed to: speaks it with a certificate that is not accepted). */
function isNotTls(error: unknown): boolean {
  if (!isEngineError(error)) return false;
  const { cause } = error;
  return (
    typeof cause === 'object' &&
    cause !== null &&
    'code' in cause &&
    NOT_TLS.test(String(cause.code)) &&
    // Who sends an alert speaks TLS, and wants something else: never plain HTTP.
    !String(cause.code).includes('ALERT')
  );
}

async function scopeOfHost(hostname: string): Promise<AddressScope> {
  const bare = hostname.replaceAll(/^\[|\]$/g, '');
  const literal = scopeOf(bare);
  if (literal !== 'public') return literal;
  try {
    return scopeOf((await lookup(bare)).address);
  } catch {
    // A name only a proxy can resolve: treated as public, the scope with the fewest rights.
    return 'public';
  }
}

async function isReached(
  request: OriginRequest,
  base: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const url = new URL(`${base}/v2/`);
    const answer = await request.transport.send({
      method: 'GET',
      url,
      headers: {},
      tls: request.tls,
      signal,
    });
    answer.body.resume();
    return true;
  } catch (error) {
    if (isNotTls(error) || request.endpoint.settings.insecure) return false;
    throw error;
  }
}

/** The origin to talk to. A lone candidate is taken without asking it. Errors: those of the transport. */
export async function findOrigin(
  request: OriginRequest,
  signal: AbortSignal | undefined,
): Promise<Origin> {
  const { baseUrls } = request.endpoint;
  let base = baseUrls.at(-1) ?? '';
  for (const candidate of baseUrls.slice(0, -1)) {
    if (await isReached(request, candidate, signal)) {
      base = candidate;
      break;
    }
  }
  const url = new URL(base);
  const scope = await scopeOfHost(url.hostname);
  const { transport, tls, credentials, isLogin = false, nowMs } = request;
  return {
    base,
    scope,
    authenticator: createAuthenticator(
      transport,
      { origin: url.origin, scope, tls, credentials, isLogin },
      nowMs,
    ),
  };
}
