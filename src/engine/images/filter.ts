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
import { familiar } from './describe.ts';

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

/** Errors: `invalid`; `not-found` for `before` and `since`. `nowNs`: nanoseconds since the epoch. */
export function compileImageFilter(
  images: Pick<ImageStore, 'get'>,
  filters: Filters,
  nowNs: bigint,
): Accept {
  checkFilterKeys(filters, LIST_KEYS);
  const before = filterValues(filters, 'before').map((ref) => images.get(ref).addedAtMs);
  const since = filterValues(filters, 'since').map((ref) => images.get(ref).addedAtMs);
  const dangling = filterValues(filters, 'dangling').map((text) =>
    parseFilterBoolean('dangling', text),
  );
  const globs = filterValues(filters, 'reference').map(compileGlob);
  const common = compileCommon(filters, nowNs);
  return (image) =>
    common(image) &&
    before.every((limitMs) => image.addedAtMs < limitMs) &&
    since.every((limitMs) => image.addedAtMs > limitMs) &&
    dangling.every((wanted) => wanted === (image.tags.length === 0)) &&
    (globs.length === 0 || namesOf(image).some((name) => globs.some((glob) => glob(name))));
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
  const untils = filterValues(filters, 'until').map((text) =>
    Number(parseMoment(text, nowNs) / 1_000_000n),
  );
  return (image) =>
    matchesLabels(filters, image.config.config?.Labels ?? {}) &&
    untils.every((limitMs) => image.addedAtMs < limitMs);
}

/** Tags as people type them, with and without the tag. */
function namesOf(image: ImageRecord): readonly string[] {
  return [...image.tags, ...image.digests].flatMap((full) => {
    const name = familiar(full);
    const cut = name.includes('@') ? name.indexOf('@') : name.lastIndexOf(':');
    return cut > name.lastIndexOf('/') ? [name, name.slice(0, cut)] : [name];
  });
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
    return (name) => pattern.test(name);
  } catch {
    throw new EngineError('invalid', `invalid filter 'reference=${glob}'`);
  }
}
