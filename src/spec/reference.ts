/**
 * Image references as people type them: `debian`, `ghcr.io/a/b:1`, `x@sha256:…`.
 *
 * **Invariant:** a value of type `Reference` has passed the whole grammar; its
 * parts may go into a URL or a database key without another look.
 * Source: distribution reference grammar (github.com/distribution/reference),
 * OCI distribution-spec 1.1.1 "Pulling manifests".
 */
import type { Digest } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import { isDigest } from './digest.ts';

/** A parsed, normalised reference. */
export interface Reference {
  /** Registry, e.g. `docker.io`, `localhost:5000`; never empty. */
  readonly domain: string;
  /** Repository below the registry, e.g. `library/debian`. */
  readonly path: string;
  /** Tag as given; `undefined` when none was. */
  readonly tag?: string;
  /** Digest as given; `undefined` when none was. */
  readonly digest?: Digest;
}

/** Registry meant by a name without one. */
export const DEFAULT_DOMAIN = 'docker.io';
/** Tag meant by a name without tag and digest. */
export const DEFAULT_TAG = 'latest';
/** Longest repository name in characters, registry included. */
export const NAME_MAX = 255;

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const DOMAIN_LABEL = /^(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])$/;
const IPV6 = /^\[[A-Fa-f0-9:]+\]$/;
const HEX_64 = /^[a-f0-9]{64}$/;

/** Text → reference. Errors: `invalid`, in the words Docker's clients know. */
export function parseReference(text: string): Reference {
  // Longer than any valid reference (name + tag + sha512 digest): refuse before looking closer.
  if (text.length > 1024) throw invalidReference('it is too long');
  if (HEX_64.test(text)) {
    throw new EngineError(
      'invalid',
      `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`,
    );
  }
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) throw invalidReference();
  const { name, tag } = splitTag(at < 0 ? text : text.slice(0, at));
  const { domain, path } = splitDomain(name);
  checkName(domain, path, name);
  return {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** As {@link parseReference}, `undefined` instead of an error. */
export function tryParseReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

function splitTag(text: string): { readonly name: string; readonly tag?: string } {
  const colon = text.lastIndexOf(':');
  if (colon <= text.lastIndexOf('/')) return { name: text };
  const tag = text.slice(colon + 1);
  if (!TAG.test(tag)) throw invalidReference();
  return { name: text.slice(0, colon), tag };
}

function splitDomain(name: string): { readonly domain: string; readonly path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain = looksLikeDomain(first);
  const domain = isDomain ? first : DEFAULT_DOMAIN;
  const path = isDomain ? name.slice(slash + 1) : name;
  const registry = domain === 'index.docker.io' ? DEFAULT_DOMAIN : domain;
  const hasOwner = path.includes('/');
  return {
    domain: registry,
    path: registry === DEFAULT_DOMAIN && !hasOwner ? `library/${path}` : path,
  };
}

function looksLikeDomain(component: string): boolean {
  return (
    /[.:[]/.test(component) || component === 'localhost' || component.toLowerCase() !== component
  );
}

function checkName(domain: string, path: string, name: string): void {
  const components = path.split('/');
  if (components.some((component) => !PATH_COMPONENT.test(component))) {
    if (components.every((component) => PATH_COMPONENT.test(component.toLowerCase()))) {
      throw new EngineError(
        'invalid',
        `invalid reference format: repository name (${name}) must be lowercase`,
      );
    }
    throw invalidReference();
  }
  if (!isDomainName(domain)) throw invalidReference();
  if (domain.length + 1 + path.length > NAME_MAX) {
    throw new EngineError(
      'invalid',
      `repository name must not be more than ${NAME_MAX} characters`,
    );
  }
}

function isDomainName(domain: string): boolean {
  const port = /:([0-9]+)$/.exec(domain);
  const host = port === null ? domain : domain.slice(0, port.index);
  if (port !== null && Number(port[1]) > 65535) return false;
  return IPV6.test(host) || host.split('.').every((label) => DOMAIN_LABEL.test(label));
}

function invalidReference(why?: string): EngineError {
  return new EngineError(
    'invalid',
    why === undefined ? 'invalid reference format' : `invalid reference format: ${why}`,
  );
}

/** `tag: latest` where the reference names neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: DEFAULT_TAG }
    : reference;
}

/** Full repository name: `docker.io/library/debian`. */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** Full form with tag and digest where present: `docker.io/library/debian:12`. */
export function formatReference(reference: Reference): string {
  return suffixed(repositoryOf(reference), reference);
}

/** Repository as Docker prints it: `debian`, `user/app`, `ghcr.io/a/b`. */
export function familiarRepository(reference: Reference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return repositoryOf(reference);
  const { path } = reference;
  // `docker.io/a.b/c` cannot be shortened: `a.b` would be read as a registry.
  if (looksLikeDomain(path.slice(0, path.indexOf('/')))) return repositoryOf(reference);
  return path.startsWith('library/') && !path.slice(8).includes('/') ? path.slice(8) : path;
}

/** Short form with tag and digest where present: `debian:12`. */
export function formatFamiliar(reference: Reference): string {
  return suffixed(familiarRepository(reference), reference);
}

function suffixed(name: string, { tag, digest }: Reference): string {
  return `${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}
