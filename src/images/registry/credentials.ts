/**
 * Credentials a client hands to the engine for one registry. Pure.
 *
 * Source: Engine API "Authentication" (X-Registry-Auth, X-Registry-Config).
 */

import { EngineError } from '../../base/error.ts';
import { DEFAULT_DOMAIN } from '../../spec/reference.ts';
import type { Credentials } from '../remote.ts';

export type { Credentials };

/** Longest header looked at, in characters. */
const MAX_HEADER_CHARS = 1024 * 1024;

function textOf(object: object, key: string): string {
  const value: unknown = Object.entries(object).find(([name]) => name === key)?.[1];
  return typeof value === 'string' ? value : '';
}

/** Credentials in an `AuthConfig` object; `undefined` for anonymous. */
export function credentialsOf(config: unknown): Credentials | undefined {
  if (typeof config !== 'object' || config === null) return undefined;
  const registryToken = textOf(config, 'registrytoken');
  if (registryToken !== '') return { kind: 'registry-token', token: registryToken };
  const identityToken = textOf(config, 'identitytoken');
  if (identityToken !== '') return { kind: 'identity-token', token: identityToken };
  const username = textOf(config, 'username');
  const password = textOf(config, 'password');
  if (username !== '') {
    // Docker's clients mark an identity token by this user name.
    return username === '<token>'
      ? { kind: 'identity-token', token: password }
      : { kind: 'password', username, password };
  }
  const joined = Buffer.from(textOf(config, 'auth'), 'base64').toString('utf8');
  const colon = joined.indexOf(':');
  return colon <= 0
    ? undefined
    : { kind: 'password', username: joined.slice(0, colon), password: joined.slice(colon + 1) };
}

/**
 * Decode an X-Registry-Auth header: base64 of JSON, either alphabet, padded or
 * not. A value that is none means anonymous, as in Docker.
 */
export function decodeAuthHeader(header: string | undefined): Credentials | undefined {
  if (header === undefined || header === '' || header.length > MAX_HEADER_CHARS) return undefined;
  try {
    return credentialsOf(JSON.parse(Buffer.from(header, 'base64url').toString('utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Registry host in the address a client logs in to: `https://index.docker.io/v1/` and nothing mean Docker Hub. */
export function registryHostOf(serverAddress: string): string {
  const host = serverAddress.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '';
  return host === '' || host === 'index.docker.io' ? DEFAULT_DOMAIN : host;
}

/** Registry and credentials of a login. Errors: `invalid` when there are none. */
export function decodeLogin(config: unknown): {
  readonly host: string;
  readonly credentials: Credentials;
} {
  const credentials = credentialsOf(config);
  if (credentials === undefined || typeof config !== 'object' || config === null) {
    throw new EngineError('invalid', 'Cannot log in: a user name and a password are needed');
  }
  return { host: registryHostOf(textOf(config, 'serveraddress')), credentials };
}
