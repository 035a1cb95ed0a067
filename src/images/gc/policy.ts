/**
 * Which images the engine may remove by itself, and when. One file, default
 * `/etc/carve/gc.json`; without it no image is ever removed. Pure.
 *
 *     {
 *       "every": "1h",
 *       "remove": {
 *         "untaggedAfter": "24h",
 *         "unusedAfter": "30d",
 *         "above": "20GB"
 *       },
 *       "keep": {
 *         "names": ["debian:*", "registry.example/base/*"],
 *         "labels": ["keep", "tier=base"],
 *         "usedWithin": "1h"
 *       }
 *     }
 *
 * A rule that is absent removes nothing. `above` is about all unpacked layers
 * and stored blobs: while they take more, the longest unused image goes.
 * A name without a tag means every tag; `*` stands for any characters but a
 * slash, `/*` at the end for every repository below, `*` alone for everything.
 */

import { EngineError } from '../../base/error.ts';
import { compileNames } from './names.ts';

/** See the module. */
export interface GcPolicy {
  /** Milliseconds between two collections. */
  readonly everyMs: number;
  readonly remove: {
    /** Milliseconds without use after which an image without a tag goes; `undefined`: never. */
    readonly untaggedAfterMs?: number;
    /** Milliseconds without use after which an image goes; `undefined`: never. */
    readonly unusedAfterMs?: number;
    /** Bytes that images may take; `undefined`: any. */
    readonly aboveBytes?: number;
  };
  readonly keep: {
    /** The pattern of the file that a full name fits; `undefined`: none. */
    readonly patternOf: (name: string) => string | undefined;
    /** `key` or `key=value`. */
    readonly labels: readonly string[];
    /** Milliseconds: what was used, pulled or tagged within is kept. */
    readonly usedWithinMs: number;
  };
}

const HOUR_MS = 3_600_000;
const DURATION_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: HOUR_MS,
  d: 24 * HOUR_MS,
};
const SIZES = ['b', 'kb', 'mb', 'gb', 'tb'];
const BINARY_SIZES = ['b', 'kib', 'mib', 'gib', 'tib'];

/** Removes nothing. */
export const KEEP_ALL_POLICY: GcPolicy = {
  everyMs: HOUR_MS,
  remove: {},
  keep: { patternOf: () => undefined, labels: [], usedWithinMs: HOUR_MS },
};

/** Parse the file's text. Errors: `invalid`, naming the key. */
export function parseGcPolicy(text: string): GcPolicy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new EngineError('invalid', 'Cannot read collection policy: the file is not JSON', {
      operation: 'gc.policy',
      cause,
    });
  }
  const root = objectOf(value, 'the file', ['every', 'remove', 'keep']);
  const remove = objectOf(root['remove'] ?? {}, 'remove', [
    'untaggedAfter',
    'unusedAfter',
    'above',
  ]);
  const keep = objectOf(root['keep'] ?? {}, 'keep', ['names', 'labels', 'usedWithin']);
  const untaggedAfterMs = durationOf(remove['untaggedAfter'], 'remove.untaggedAfter');
  const unusedAfterMs = durationOf(remove['unusedAfter'], 'remove.unusedAfter');
  const aboveBytes = bytesOf(remove['above'], 'remove.above');
  const everyMs = durationOf(root['every'], 'every') ?? HOUR_MS;
  if (everyMs < 1000) throw invalid('every', 'must be at least 1s');
  return {
    everyMs,
    remove: {
      ...(untaggedAfterMs === undefined ? {} : { untaggedAfterMs }),
      ...(unusedAfterMs === undefined ? {} : { unusedAfterMs }),
      ...(aboveBytes === undefined ? {} : { aboveBytes }),
    },
    keep: {
      patternOf: compileNames(textsOf(keep['names'], 'keep.names')),
      labels: textsOf(keep['labels'], 'keep.labels'),
      usedWithinMs: durationOf(keep['usedWithin'], 'keep.usedWithin') ?? HOUR_MS,
    },
  };
}

function invalid(where: string, problem: string): EngineError {
  return new EngineError('invalid', `Cannot read collection policy: ${where} ${problem}`, {
    operation: 'gc.policy',
  });
}

function objectOf(
  value: unknown,
  where: string,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(where, 'must be an object');
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw invalid(where, `has an unknown key "${unknown}" (known: ${known.join(', ')})`);
  return Object.fromEntries(Object.entries(value));
}

function durationOf(value: unknown, where: string): number | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? value : '';
  const [, count, unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)(s|m|h|d)$/.exec(text) ?? [];
  if (count === undefined) throw invalid(where, 'must be a duration like "90m", "24h" or "30d"');
  return Number(count) * (DURATION_MS[unit] ?? 0);
}

function bytesOf(value: unknown, where: string): number | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? value : '';
  const match = /^(\d{1,12}(?:\.\d{1,3})?) ?([kmgt]?i?b)$/i.exec(text);
  const unit = match?.[2]?.toLowerCase() ?? '';
  const decimal = SIZES.indexOf(unit);
  const binary = BINARY_SIZES.indexOf(unit);
  if (match === null || Math.max(decimal, binary) < 0)
    throw invalid(where, 'must be a size like "500MB", "20GB" or "1GiB"');
  return Number(match[1]) * (binary > 0 ? 1024 ** binary : 1000 ** decimal);
}

function textsOf(value: unknown, where: string): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalid(where, 'must be a list');
  return value.map((item: unknown, index) => {
    if (typeof item === 'string' && item !== '') return item;
    throw invalid(`${where}[${index}]`, 'must be text');
  });
}
