/**
 * What the operator says about registries: mirrors, TLS, plain HTTP, blocks.
 * One file for every registry, default `/etc/carve/registries.json`. Pure.
 *
 *     {
 *       "registries": {
 *         "docker.io":        { "mirrors": [{ "url": "https://mirror.example", "pull": "all" }] },
 *         "*.corp.example":   { "ca": "/etc/ssl/corp.pem" },
 *         "127.0.0.1:5000":   { "insecure": true },
 *         "evil.example":     { "blocked": true }
 *       }
 *     }
 *
 * A key is a registry host as in references (`docker.io`, `host:port`), or
 * `*.domain` for every host below it; the most specific key wins.
 */

import { EngineError } from '../../base/error.ts';
import { quoteText } from '../../base/quote.ts';

/** A host that answers for another one. */
export interface MirrorSettings {
  /** Base URL, e.g. `https://mirror.example` or `http://127.0.0.1:5001/prefix`. */
  readonly url: string;
  /** Which references it may answer: all of them, or only those with, or without, a digest. */
  readonly pull: 'all' | 'digest' | 'tag';
}

/** Settings of one registry. */
export interface RegistrySettings {
  readonly mirrors: readonly MirrorSettings[];
  /** Plain HTTP, or HTTPS without verification, is accepted. */
  readonly insecure: boolean;
  /** Nothing is pulled from or pushed to it. */
  readonly blocked: boolean;
  /** Host paths of PEM files. */
  readonly ca?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
}

/** Settings by registry host or `*.domain`. */
export interface RegistryConfig {
  readonly registries: ReadonlyMap<string, RegistrySettings>;
}

/** No settings at all. */
export const EMPTY_REGISTRY_CONFIG: RegistryConfig = { registries: new Map() };

const DEFAULT_SETTINGS: RegistrySettings = { mirrors: [], insecure: false, blocked: false };

function invalid(where: string, problem: string): EngineError {
  return new EngineError('invalid', `Cannot read registry configuration: ${where} ${problem}`, {
    operation: 'registry.config',
  });
}

function asObject(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(where, 'must be an object');
  }
  return Object.fromEntries(Object.entries(value));
}

function refuseUnknown(
  object: Readonly<Record<string, unknown>>,
  known: readonly string[],
  where: string,
): void {
  const unknown = Object.keys(object).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw invalid(where, `has an unknown key ${quoteText(unknown)} (known: ${known.join(', ')})`);
}

function flagOf(value: unknown, where: string): boolean {
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw invalid(where, 'must be true or false');
  return value;
}

function pathOf(value: unknown, where: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !value.startsWith('/'))
    throw invalid(where, 'must be an absolute path');
  return value;
}

function parseMirror(value: unknown, where: string): MirrorSettings {
  const object = asObject(typeof value === 'string' ? { url: value } : value, where);
  refuseUnknown(object, ['url', 'pull'], where);
  const url = object['url'];
  if (typeof url !== 'string' || !/^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/.test(url)) {
    throw invalid(
      `${where}.url`,
      'must be an http or https URL without credentials, query or fragment',
    );
  }
  const pull = object['pull'] ?? 'all';
  if (pull !== 'all' && pull !== 'digest' && pull !== 'tag')
    throw invalid(`${where}.pull`, 'must be all, digest or tag');
  return { url: url.replace(/\/+$/, ''), pull };
}

function parseSettings(value: unknown, where: string): RegistrySettings {
  const object = asObject(value, where);
  refuseUnknown(
    object,
    ['mirrors', 'insecure', 'blocked', 'ca', 'clientCertificate', 'clientKey'],
    where,
  );
  const mirrors = object['mirrors'] ?? [];
  if (!Array.isArray(mirrors)) throw invalid(`${where}.mirrors`, 'must be a list');
  const ca = pathOf(object['ca'], `${where}.ca`);
  const clientCertificate = pathOf(object['clientCertificate'], `${where}.clientCertificate`);
  const clientKey = pathOf(object['clientKey'], `${where}.clientKey`);
  if ((clientCertificate === undefined) !== (clientKey === undefined)) {
    throw invalid(where, 'needs clientCertificate and clientKey together');
  }
  return {
    mirrors: mirrors.map((mirror, index) => parseMirror(mirror, `${where}.mirrors[${index}]`)),
    insecure: flagOf(object['insecure'], `${where}.insecure`),
    blocked: flagOf(object['blocked'], `${where}.blocked`),
    ...(ca === undefined ? {} : { ca }),
    ...(clientCertificate === undefined || clientKey === undefined
      ? {}
      : { clientCertificate, clientKey }),
  };
}

/** Parse the file's text. Errors: `invalid`, naming the key. */
export function parseRegistryConfig(text: string): RegistryConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new EngineError('invalid', 'Cannot read registry configuration: the file is not JSON', {
      cause: error,
    });
  }
  const root = asObject(value, 'the file');
  refuseUnknown(root, ['registries'], 'the file');
  const entries = Object.entries(asObject(root['registries'] ?? {}, 'registries')).map(
    ([host, settings]): readonly [string, RegistrySettings] => {
      if (!/^(\*\.)?[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:]+\](:\d{1,5})?$/.test(host)) {
        throw invalid(`registries[${quoteText(host)}]`, 'is not a registry host');
      }
      return [host.toLowerCase(), parseSettings(settings, `registries[${quoteText(host)}]`)];
    },
  );
  return { registries: new Map(entries) };
}

/** Settings for a registry host as in references; defaults when nothing is said of it. */
export function settingsFor(config: RegistryConfig, host: string): RegistrySettings {
  const lower = host.toLowerCase();
  const exact = config.registries.get(lower);
  if (exact !== undefined) return exact;
  for (let dot = lower.indexOf('.'); dot !== -1; dot = lower.indexOf('.', dot + 1)) {
    const wild = config.registries.get(`*${lower.slice(dot)}`);
    if (wild !== undefined) return wild;
  }
  return DEFAULT_SETTINGS;
}
