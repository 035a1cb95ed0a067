/**
 * Where to ask for a repository: the registry itself or its mirrors, and by
 * which protocol. Pure.
 *
 * **Invariant:** plain HTTP is only ever a candidate for a loopback address or
 * a registry the operator marked `insecure`; nothing falls back to it silently.
 * Source: Docker's reference rules (docker.io is served by registry-1.docker.io).
 */

import { EngineError } from '../../base/error.ts';
import { DEFAULT_DOMAIN, type Reference } from '../../spec/reference.ts';
import { scopeOf } from './address.ts';
import {
  settingsFor,
  type MirrorSettings,
  type RegistryConfig,
  type RegistrySettings,
} from './config.ts';

/** One place that may answer. */
export interface Endpoint {
  /** Base URLs to try in order, without `/v2`; the second only when the first does not speak TLS. */
  readonly baseUrls: readonly string[];
  /** Host as in references; its credentials apply, never those of another. */
  readonly host: string;
  /** Repository path as this endpoint knows it. */
  readonly repository: string;
  readonly isMirror: boolean;
  readonly settings: RegistrySettings;
}

function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, '');
}

function isLoopback(host: string): boolean {
  const name = hostnameOf(host);
  return name === 'localhost' || scopeOf(name) === 'loopback';
}

/** Base URLs of a registry host. */
export function baseUrlsOf(host: string, settings: RegistrySettings): readonly string[] {
  if (host === DEFAULT_DOMAIN) return ['https://registry-1.docker.io'];
  const secure = `https://${host}`;
  return settings.insecure || isLoopback(host) ? [secure, `http://${host}`] : [secure];
}

function mirrorApplies(mirror: MirrorSettings, reference: Reference): boolean {
  if (mirror.pull === 'all') return true;
  return (reference.digest !== undefined) === (mirror.pull === 'digest');
}

/** Places to push `reference` to: the registry alone. Errors: `denied` when the operator blocked it. */
export function pushEndpoint(reference: Reference, config: RegistryConfig): Endpoint {
  const settings = settingsFor(config, reference.domain);
  if (settings.blocked) {
    throw new EngineError(
      'denied',
      `Cannot use registry ${reference.domain}: it is blocked by the registry configuration`,
    );
  }
  return {
    baseUrls: baseUrlsOf(reference.domain, settings),
    host: reference.domain,
    repository: reference.path,
    isMirror: false,
    settings,
  };
}

/** Places to pull `reference` from, mirrors first, the registry last. Errors: `denied` when the operator blocked it. */
export function pullEndpoints(reference: Reference, config: RegistryConfig): readonly Endpoint[] {
  const origin = pushEndpoint(reference, config);
  const mirrors = origin.settings.mirrors
    .filter((mirror) => mirrorApplies(mirror, reference))
    .map((mirror): Endpoint => {
      const url = new URL(mirror.url);
      return {
        baseUrls: [mirror.url],
        host: url.host,
        repository: reference.path,
        isMirror: true,
        settings: settingsFor(config, url.host),
      };
    });
  return [...mirrors, origin];
}

/** The same endpoint where the user said, for this once, that it need not be secure. A mirror stays as the operator set it. */
export function openedAs(endpoint: Endpoint, isInsecure: boolean | undefined): Endpoint {
  if (isInsecure !== true || endpoint.isMirror) return endpoint;
  const settings = { ...endpoint.settings, insecure: true };
  return { ...endpoint, settings, baseUrls: baseUrlsOf(endpoint.host, settings) };
}
