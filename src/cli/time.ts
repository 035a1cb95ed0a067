/**
 * Points in time as people write them. Pure.
 *
 * Source: docker's `--since`, `--until`: RFC 3339 (also shortened, then in the
 * zone of this machine), seconds since the epoch, or a duration back from now.
 */

import { isEngineError } from '../base/error.ts';
import { parseDuration } from './flags/values.ts';
import { invalidValue } from './flags/parse.ts';

/** The point in time as the API takes it: seconds since the epoch, with nine decimals. Throws a usage error that names `flag`. */
export function parseInstant(text: string, nowMs: number, flag: string): string {
  const seconds = /^(?<whole>\d{1,11})(?:\.(?<part>\d{1,9}))?$/.exec(text)?.groups;
  if (seconds !== undefined)
    return `${seconds['whole'] ?? ''}.${(seconds['part'] ?? '').padEnd(9, '0')}`;
  if (/^\d{4}-/.test(text)) return fromDate(text, flag);
  try {
    return formatSeconds(BigInt(Math.round(nowMs)) * 1_000_000n - BigInt(parseDuration(text)));
  } catch (error) {
    if (!isEngineError(error)) throw error;
    throw notATime(text, flag);
  }
}

function fromDate(text: string, flag: string): string {
  const match =
    /^(?<date>\d{4}(?:-\d\d){0,2})(?:T(?<time>\d\d(?::\d\d(?::\d\d)?)?)(?:\.(?<part>\d{1,9}))?)?(?<zone>Z|[+-]\d\d:\d\d)?$/.exec(
      text,
    );
  const { date = '', time = '00', part = '', zone = '' } = match?.groups ?? {};
  const full = `${date}${'-01'.repeat(3 - date.split('-').length)}T${time}${':00'.repeat(3 - time.split(':').length)}${zone}`;
  const ms = match === null ? Number.NaN : Date.parse(full);
  if (Number.isNaN(ms)) throw notATime(text, flag);
  return formatSeconds(BigInt(ms) * 1_000_000n + BigInt(part.padEnd(9, '0')));
}

function formatSeconds(ns: bigint): string {
  const digits = ns.toString().padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

function notATime(text: string, flag: string): Error {
  return invalidValue(
    flag,
    text,
    'write a time as 2026-11-23T16:00:00, a duration as 10m, or seconds since the epoch',
  );
}
