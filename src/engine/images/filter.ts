/** Filters of `images` and `image prune`. Source: Engine API, `filters`; engine-api facts 1.4. */

import { EngineError } from '../../base/error.ts';
import type { ImageRecord, ImageStore } from '../../images/store.ts';
import type { Filters } from '../engine.ts';
import {
  checkFilterKeys,
  filterValues,
  matchesLabels,
  parseFilterBoolean,
  parseMoment,
} from '../filters.ts';
import { createdNs, familiar } from './describe.ts';

const LIST_KEYS: ReadonlySet<string> = new Set([
  'before',
  'since',
  'dangling',
  'label',
  'label!',
  'reference',
  'until',
]);
const PRUNE_KEYS: ReadonlySet<string> = new Set(['dangling', 'label', 'label!', 'until']);

type Accept = (image: ImageRecord) => boolean;

/** The names of an image that a list shows. */
export interface ShownNames {
  /** Full names. */
  readonly tags: readonly string[];
  /** Full names. */
  readonly digests: readonly string[];
}

/** What the filter of a list looks at. */
export interface ImageListFilter {
  readonly filters: Filters;
  /** Show images that have no name and that others were made from. */
  readonly all: boolean;
  /** Others were made from it. */
  readonly hasChildren: (image: ImageRecord) => boolean;
  /** Nanoseconds since the epoch. */
  readonly nowNs: bigint;
}

/**
 * The names an image is shown with, `undefined` for one that is not shown. A
 * pattern of names also takes away the names of an image that do not fit.
 * Errors: `invalid`; `not-found` for `before` and `since`.
 */
export function compileImageFilter(
  images: Pick<ImageStore, 'get'>,
  request: ImageListFilter,
): (image: ImageRecord) => ShownNames | undefined {
  const { filters, all, hasChildren } = request;
  checkFilterKeys(filters, LIST_KEYS);
  const before = filterValues(filters, 'before').map((ref) => madeNsOf(images.get(ref)));
  const since = filterValues(filters, 'since').map((ref) => madeNsOf(images.get(ref)));
  const [dangling] = filterValues(filters, 'dangling').map((text) =>
    parseFilterBoolean('dangling', text),
  );
  const globs = filterValues(filters, 'reference').map(compileGlob);
  const common = compileCommon(filters, request.nowNs);
  const isShown = (image: ImageRecord, { tags, digests }: ShownNames): boolean => {
    if (dangling === true && (tags.length > 0 || hasChildren(image))) return false;
    if (tags.length + digests.length > 0) return true;
    return (all || !hasChildren(image)) && dangling !== false && globs.length === 0;
  };
  return (image) => {
    const madeNs = madeNsOf(image);
    const isInTime =
      before.every((limitNs) => madeNs < limitNs) && since.every((limitNs) => madeNs > limitNs);
    if (!isInTime || !common(image)) return undefined;
    const fits = (name: string): boolean =>
      globs.length === 0 || formsOf(name).some((form) => globs.some((glob) => glob(form)));
    const names = { tags: image.tags.filter(fits), digests: image.digests.filter(fits) };
    return isShown(image, names) ? names : undefined;
  };
}

/** Nanoseconds since the epoch; 0 when the image does not say. */
function madeNsOf(image: ImageRecord): bigint {
  return createdNs(image.config.created);
}

/** Errors: `invalid`. */
export function compilePruneFilter(
  filters: Filters,
  nowNs: bigint,
): { readonly danglingOnly: boolean; readonly accept: Accept } {
  checkFilterKeys(filters, PRUNE_KEYS);
  const dangling = filterValues(filters, 'dangling').map((text) =>
    parseFilterBoolean('dangling', text),
  );
  return { danglingOnly: !dangling.includes(false), accept: compileCommon(filters, nowNs) };
}

function compileCommon(filters: Filters, nowNs: bigint): Accept {
  const untils = filterValues(filters, 'until').map((text) => parseMoment(text, nowNs));
  return (image) =>
    matchesLabels(filters, image.config.config?.Labels ?? {}) &&
    untils.every((limitNs) => madeNsOf(image) <= limitNs);
}

/** A name as people type it, with and without its tag or digest. */
function formsOf(full: string): readonly string[] {
  const name = familiar(full);
  const cut = name.includes('@') ? name.indexOf('@') : name.lastIndexOf(':');
  return cut > name.lastIndexOf('/') ? [name, name.slice(0, cut)] : [name];
}

/** `*`, `?` and `[a-z]` within one path component. Source: Go `path.Match`. Errors: `invalid`. */
function compileGlob(glob: string): (name: string) => boolean {
  let source = '';
  for (const part of glob.match(/\[[^\]]*\]|\\?[\s\S]/g) ?? []) {
    if (part === '*') source += '[^/]*';
    else if (part === '?') source += '[^/]';
    else if (part.startsWith('[') && part.length > 2) source += part;
    else source += part.replace(/^\\/, '').replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  }
  try {
    const pattern = new RegExp(`^${source}$`);
    // A registry's IPv6 address looks like a set of characters.
    return (name) => name === glob || pattern.test(name);
  } catch {
    throw new EngineError('invalid', `invalid filter 'reference=${glob}'`);
  }
}
