/**
 * Where the next page of a list is, and the tag that stands in for the list of
 * an image's referrers. Pure.
 *
 * Source: RFC 8288; OCI distribution-spec 1.1.1 "Listing Tags", "Referrers Tag Schema".
 */

import { EngineError } from '../../base/error.ts';
import { splitDigest } from '../../spec/digest.ts';
import type { Digest } from '../../base/brand.ts';

/** The `next` target of a Link header. */
export function nextLink(header: string | undefined): string | undefined {
  return /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(header ?? '')?.[1];
}

/**
 * Path of the page after `target`, for the registry that was asked: one behind
 * a proxy often does not know its own name. `undefined`: that was the last.
 * Errors: `unavailable` for an address that is none.
 */
export function nextPage(header: string | undefined, target: string): string | undefined {
  const link = nextLink(header);
  if (link === undefined) return undefined;
  const url = URL.parse(link, `http://registry${target}`);
  const path = /\/v2\/.*$/.exec(url?.pathname ?? '')?.[0];
  if (url !== null && path !== undefined) return `${path}${url.search}`;
  throw new EngineError('unavailable', 'Cannot read a list: its next page has no usable address', {
    details: { isFinal: true },
  });
}

/** Tag under which a registry without the referrers API keeps the list. */
export function referrersTag(digest: Digest): string {
  const { algorithm, hex } = splitDigest(digest);
  return `${algorithm.slice(0, 32)}-${hex.slice(0, 64)}`;
}
