/**
 * The user's configuration file, the one docker has, so that logins and
 * formats are shared. It is only read here; `login` writes it through
 * `credentials.ts`.
 *
 * Source: docker's `config.json`: auths, credsStore, credHelpers, HttpHeaders,
 * detachKeys, psFormat, imagesFormat, networksFormat, statsFormat, proxies.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, messageOf } from '../../base/error.ts';

/** What carve uses of the file. */
export interface ClientConfig {
  /** Where it is, or would be. */
  readonly path: string;
  /** All of it, so that writing it back loses nothing. */
  readonly raw: Readonly<Record<string, unknown>>;
  readonly detachKeys: string | undefined;
  readonly httpHeaders: Readonly<Record<string, string>>;
  /** Formats of tables by command: `ps`, `images`, `networks`, `stats`, `volumes`. */
  formatOf(command: 'ps' | 'images' | 'networks' | 'stats' | 'volumes'): string | undefined;
  /** Proxy settings for containers of the engine at `host`, as environment variables. */
  proxyEnvironment(host: string): Readonly<Record<string, string>>;
}

/** Directory of the file: `--config`, CARVE_CONFIG, DOCKER_CONFIG, or `.docker` in the home directory. */
export function configDirectory(
  flag: string,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const given = [flag, env['CARVE_CONFIG'], env['DOCKER_CONFIG']].find(
    (path) => path !== undefined && path !== '',
  );
  if (given !== undefined) return given;
  const home = env['HOME'];
  return home === undefined || home === '' ? undefined : join(home, '.docker');
}

/** Reads the file; no file is an empty one. Throws `invalid` for one that is not JSON. */
export function readConfig(directory: string | undefined): ClientConfig {
  const path = directory === undefined ? '' : join(directory, 'config.json');
  return configOf(path, path === '' ? {} : readRecord(path));
}

function readRecord(path: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    // Most users have none; one that cannot be read is as good as none.
    if (error instanceof Error && 'code' in error) return {};
    throw error;
  }
  try {
    return recordOf(JSON.parse(text));
  } catch (error) {
    throw new EngineError('invalid', `Cannot read ${path}: ${messageOf(error)}`);
  }
}

function configOf(path: string, raw: Readonly<Record<string, unknown>>): ClientConfig {
  return {
    path,
    raw,
    detachKeys: textOf(raw['detachKeys']),
    httpHeaders: textsOf(raw['HttpHeaders']),
    formatOf: (command) => textOf(raw[`${command}Format`]),
    proxyEnvironment: (host) => {
      const proxies = recordOf(raw['proxies']);
      return proxyVariables(textsOf(proxies[host] ?? proxies['default']));
    },
  };
}

/** Variable of each proxy setting; each is set in upper and lower case. */
const proxyNames: Readonly<Record<string, string>> = {
  httpProxy: 'HTTP_PROXY',
  httpsProxy: 'HTTPS_PROXY',
  ftpProxy: 'FTP_PROXY',
  noProxy: 'NO_PROXY',
  allProxy: 'ALL_PROXY',
};

function proxyVariables(
  settings: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const [setting, name] of Object.entries(proxyNames)) {
    const value = settings[setting];
    if (value === undefined || value === '') continue;
    variables[name] = value;
    variables[name.toLowerCase()] = value;
  }
  return variables;
}

/** The value when it is an object, else an empty one. */
export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const [key, item] of Object.entries(recordOf(value)))
    if (typeof item === 'string') texts[key] = item;
  return texts;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
