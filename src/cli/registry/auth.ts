/**
 * Credentials for registries, from the configuration file and the programs it
 * names, as the engine takes them.
 *
 * Source: docker's `config.json` (auths, credsStore, credHelpers); Docker
 * Engine API `X-Registry-Auth`.
 */

import type { AuthConfig } from '../../client/system.ts';
import { DEFAULT_DOMAIN } from '../../spec/reference.ts';
import { recordOf, type ClientConfig } from '../config/config.ts';

/** The key Docker Hub's credentials are kept under. */
export const dockerHubKey = 'https://index.docker.io/v1/';

/** The configuration's key of a registry. */
export function registryKey(domain: string): string {
  return domain === DEFAULT_DOMAIN || domain === 'index.docker.io' ? dockerHubKey : domain;
}

/** The program that keeps the credentials of `key`; `undefined`: the file itself. */
export function helperFor(config: ClientConfig, key: string): string | undefined {
  const helper = recordOf(config.raw['credHelpers'])[key] ?? config.raw['credsStore'];
  return typeof helper === 'string' && helper !== '' ? helper : undefined;
}

/** The credentials of a registry; an empty object when there are none. Throws what a credential helper reports. */
export async function findAuth(config: ClientConfig, domain: string): Promise<AuthConfig> {
  const key = registryKey(domain);
  const helper = helperFor(config, key);
  if (helper === undefined) return storedAuth(config, key);
  const { readHelperCredentials } = await import('../credential-helper.ts');
  const found = await readHelperCredentials(helper, key);
  if (found === undefined) return {};
  const { Username: username, Secret: secret } = found;
  return username === '<token>'
    ? { identitytoken: secret, serveraddress: key }
    : { username, password: secret, serveraddress: key };
}

function storedAuth(config: ClientConfig, key: string): AuthConfig {
  const auths = recordOf(config.raw['auths']);
  // The key itself before old spellings of it.
  const name = Object.hasOwn(auths, key)
    ? key
    : Object.keys(auths).find((candidate) => sameRegistry(candidate, key));
  if (name === undefined) return {};
  const entry = recordOf(auths[name]);
  const { auth, identitytoken, registrytoken } = entry;
  const [username, password] = typeof auth === 'string' ? decodePair(auth) : [];
  return {
    ...(username === undefined || username === '' ? {} : { username, password: password ?? '' }),
    ...(typeof identitytoken === 'string' ? { identitytoken } : {}),
    ...(typeof registrytoken === 'string' ? { registrytoken } : {}),
    serveraddress: name,
  };
}

/** Old files keep registries as URLs. */
function sameRegistry(candidate: string, key: string): boolean {
  if (candidate === key) return true;
  const host = (text: string): string => text.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return host(candidate) === host(key);
}

function decodePair(auth: string): readonly string[] {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? [] : [text.slice(0, colon), text.slice(colon + 1)];
}

/** Credentials as the header `X-Registry-Auth` has them. */
export function encodeAuth(auth: AuthConfig): string {
  return Buffer.from(JSON.stringify(auth)).toString('base64url');
}
