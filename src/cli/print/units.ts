/**
 * Sizes and times as people read them, in the forms docker's users know. Pure.
 *
 * Source: the texts of docker's tables: `1.84GB`, `512MiB`, `About an hour`.
 */

const decimalUnits: readonly string[] = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];
const binaryUnits: readonly string[] = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** Bytes in powers of 1000 with three digits: `72.8MB`. */
export function formatSize(bytes: number): string {
  return scale(bytes, 1000, { digits: 3, units: decimalUnits });
}

/** Bytes in powers of 1000 with four digits: `72.81MB`. */
export function formatExactSize(bytes: number): string {
  return scale(bytes, 1000, { digits: 4, units: decimalUnits });
}

/** Bytes in powers of 1024 with four digits: `7.668GiB`. */
export function formatBinarySize(bytes: number): string {
  return scale(bytes, 1024, { digits: 4, units: binaryUnits });
}

function scale(
  bytes: number,
  base: number,
  form: { readonly digits: number; readonly units: readonly string[] },
): string {
  let value = bytes;
  let power = 0;
  while (formatDigits(value, form.digits) >= base && power < form.units.length - 1) {
    value /= base;
    power++;
  }
  return `${String(formatDigits(value, form.digits))}${form.units[power] ?? ''}`;
}

/** The number rounded to so many significant digits. */
function formatDigits(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** Steps of a duration: below `limit` seconds it is told in `unit` seconds. */
const steps: readonly {
  readonly limitSeconds: number;
  readonly unitSeconds: number;
  readonly word: string;
}[] = [
  { limitSeconds: minute, unitSeconds: 1, word: 'seconds' },
  { limitSeconds: 2 * minute, unitSeconds: 0, word: 'About a minute' },
  { limitSeconds: hour, unitSeconds: minute, word: 'minutes' },
  // From here whole hours, rounded, decide.
  { limitSeconds: 1.5 * hour, unitSeconds: 0, word: 'About an hour' },
  { limitSeconds: 2 * day - hour / 2, unitSeconds: hour, word: 'hours' },
  { limitSeconds: 14 * day - hour / 2, unitSeconds: day, word: 'days' },
  { limitSeconds: 60 * day - hour / 2, unitSeconds: 7 * day, word: 'weeks' },
  { limitSeconds: 730 * day - hour / 2, unitSeconds: 30 * day, word: 'months' },
  { limitSeconds: Number.POSITIVE_INFINITY, unitSeconds: 365 * day, word: 'years' },
];

/** A length of time in words: `5 minutes`, `About an hour`. */
export function formatDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  for (const { limitSeconds, unitSeconds, word } of steps) {
    if (seconds >= limitSeconds) continue;
    if (unitSeconds === 0) return word;
    // Hours are rounded, everything longer counts those rounded hours.
    const counted = unitSeconds < hour ? seconds : Math.round(seconds / hour) * hour;
    return `${String(Math.trunc(counted / unitSeconds))} ${word}`;
  }
  return '';
}

/** A time in seconds as docker's `CreatedAt`: `2026-11-23 16:04:36 +0000 UTC`, in the zone of this machine. */
export function formatTimestamp(epochSeconds: number): string {
  const date = new Date(epochSeconds * 1000);
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString();
  const sign = offset < 0 ? '-' : '+';
  const pad = (value: number): string => String(value).padStart(2, '0');
  const zone = `${sign}${pad(Math.trunc(Math.abs(offset) / 60))}${pad(Math.abs(offset) % 60)}`;
  return `${local.slice(0, 10)} ${local.slice(11, 19)} ${zone} ${zoneName(date)}`;
}

function zoneName(date: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC';
}

/** A time as RFC 3339 in the zone of this machine, as `docker history` and `inspect` list it. */
export function formatRfc3339(epochSeconds: number): string {
  const date = new Date(epochSeconds * 1000);
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19);
  if (offset === 0) return `${local}Z`;
  const pad = (value: number): string => String(value).padStart(2, '0');
  return `${local}${offset < 0 ? '-' : '+'}${pad(Math.trunc(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
}
