/**
 * Moments in `since` and `until` of logs and events. Pure.
 *
 * Source: engine-api facts 1.5: `sec[.nanos]`; the clients turn durations and
 * dates into that themselves. RFC 3339 is taken too, for people with curl.
 */

import { EngineError } from '../base/error.ts';
import { parseTimeNs } from '../spec/time.ts';
import type { Query } from './query.ts';

/** Nanoseconds since the epoch; `undefined` when absent or empty. Errors: `invalid`. */
export function parseMomentNs(query: Query, key: string): bigint | undefined {
  const text = query.nonEmpty(key);
  if (text === undefined) return undefined;
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (match !== null) {
    const [, sign, seconds = '0', fraction = ''] = match;
    const ns = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
    return sign === '-' ? -ns : ns;
  }
  try {
    return parseTimeNs(text);
  } catch {
    throw new EngineError(
      'invalid',
      `Invalid value ${JSON.stringify(text.slice(0, 80))} for ${key}: not seconds since the epoch`,
    );
  }
}
