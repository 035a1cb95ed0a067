/**
 * Instants as text and back, without loss of nanoseconds.
 * Source: RFC 3339; Go's `time.RFC3339Nano` (trailing zeros dropped), which Docker's clients parse.
 */

import { EngineError } from '../base/error.ts';

/** An instant that never was. Source: Go's zero time, as Docker sends it. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

const NS_PER_S = 1_000_000_000n;

/** Nanoseconds since the epoch → RFC 3339 in UTC; 0 → `0001-01-01T00:00:00Z`. */
export function formatTimeNs(ns: bigint): string {
  if (ns === 0n) return ZERO_TIME;
  const seconds = ns / NS_PER_S - (ns % NS_PER_S < 0n ? 1n : 0n);
  const rest = ns - seconds * NS_PER_S;
  const base = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  if (rest === 0n) return `${base}Z`;
  return `${base}.${rest.toString().padStart(9, '0').replace(/0+$/, '')}Z`;
}

/** Nanoseconds since the epoch → RFC 3339 in UTC with nine digits of fraction: lines of it sort as text. */
export function formatFixedTimeNs(ns: bigint): string {
  const base = new Date(Number(ns / NS_PER_S) * 1000).toISOString().slice(0, 19);
  return `${base}.${(ns % NS_PER_S).toString().padStart(9, '0')}Z`;
}

/** RFC 3339 with any count of fraction digits (nanoseconds kept) → nanoseconds since the epoch. Errors: `invalid`. */
export function parseTimeNs(text: string): bigint {
  const match = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,18}))?(Z|z|[+-]\d\d:\d\d)$/.exec(
    text,
  );
  const [, date = '', time = '', fraction = '', zone = ''] = match ?? [];
  const ms = match === null ? Number.NaN : Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  if (Number.isNaN(ms))
    throw new EngineError(
      'invalid',
      `Cannot parse time ${JSON.stringify(text.slice(0, 64))}: not RFC 3339`,
    );
  return BigInt(ms) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}
