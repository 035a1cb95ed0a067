/**
 * Meaning of the `filters` parameter that several operations share. A request
 * names keys with values; keys AND, values of one key OR, except `label` and
 * `label!`, whose values must all hold.
 *
 * Source: Engine API, `filters` of the list, prune and events endpoints.
 */

import { EngineError } from '../base/error.ts';
import { parseTimeNs } from '../spec/time.ts';
import type { Filters } from './engine.ts';

/** Errors: `invalid` for a key the operation does not know, in Docker's words. */
export function checkFilterKeys(filters: Filters, known: ReadonlySet<string>): void {
  for (const key of Object.keys(filters)) {
    if (!known.has(key)) throw new EngineError('invalid', `invalid filter '${key}'`);
  }
}

/** Values of one key; empty when it is not in the request. */
export function filterValues(filters: Filters, key: string): readonly string[] {
  return Object.hasOwn(filters, key) ? (filters[key] ?? []) : [];
}

/** True when the key is absent or one of its values fits. */
export function matchesAny(
  filters: Filters,
  key: string,
  fits: (value: string) => boolean,
): boolean {
  const values = filterValues(filters, key);
  return values.length === 0 || values.some(fits);
}

/** True when all values of `label` hold and none of `label!`. */
export function matchesLabels(filters: Filters, labels: Readonly<Record<string, string>>): boolean {
  const holds = (value: string): boolean => hasLabel(labels, value);
  return (
    filterValues(filters, 'label').every(holds) && !filterValues(filters, 'label!').some(holds)
  );
}

/** `key` or `key=value`. */
export function hasLabel(labels: Readonly<Record<string, string>>, text: string): boolean {
  const at = text.indexOf('=');
  const key = at < 0 ? text : text.slice(0, at);
  if (!Object.hasOwn(labels, key)) return false;
  return at < 0 || labels[key] === text.slice(at + 1);
}

/** A filter's boolean. Errors: `invalid`. */
export function parseFilterBoolean(key: string, text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new EngineError('invalid', `invalid filter '${key}=${text}'`);
}

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/**
 * A moment as clients give it: seconds since the epoch with fraction, RFC 3339,
 * a date, or a duration back from now (`10m`, `1h30m`).
 * Returns nanoseconds since the epoch. Errors: `invalid`.
 */
export function parseMoment(text: string, nowNs: bigint): bigint {
  const seconds = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (seconds !== null) {
    const [, whole = '0', fraction = ''] = seconds;
    return BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
  }
  const backNs = parseDurationNs(text);
  if (backNs !== undefined) return nowNs - backNs;
  const withZone = /(?:Z|z|[+-]\d\d:\d\d)$/.test(text) ? text : `${completeTime(text)}Z`;
  try {
    return parseTimeNs(withZone);
  } catch (cause) {
    const shown = JSON.stringify(text.slice(0, 100));
    const words = `failed to parse value as time or duration: ${shown}`;
    throw new EngineError('invalid', words, { cause });
  }
}

function completeTime(text: string): string {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return `${text}T00:00:00`;
  if (/T\d\d$/.test(text)) return `${text}:00:00`;
  return /T\d\d:\d\d$/.test(text) ? `${text}:00` : text;
}

function parseDurationNs(text: string): bigint | undefined {
  if (!/^(?:\d{1,12}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let totalNs = 0;
  for (const [, number = '0', unit = 's'] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    totalNs += Number(number) * (UNIT_NS[unit] ?? 0);
  }
  return BigInt(Math.round(totalNs));
}
