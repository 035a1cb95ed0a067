/**
 * Texts of flag values ↔ numbers. Pure. Sizes, durations and decimals are read
 * as the tools people know read them.
 *
 * Source: the formats of docker's `--memory`, Go's `time.ParseDuration` and
 * `strconv.ParseBool`.
 */

import { EngineError } from '../../base/error.ts';

const trueWords: readonly string[] = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const falseWords: readonly string[] = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

/** Reads a boolean. Throws `invalid`. */
export function parseBool(text: string): boolean {
  if (trueWords.includes(text)) return true;
  if (falseWords.includes(text)) return false;
  throw new EngineError('invalid', 'must be true or false');
}

/** Reads a whole number. Throws `invalid`. */
export function parseInteger(text: string): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new EngineError('invalid', 'must be a whole number');
  return value;
}

/** Powers of 1024 by their letter. */
const sizeLetters = 'bkmgtp';

/** Reads a count of bytes: `512m`, `1.5g`, `1024`, `64KiB`. Throws `invalid`. */
export function parseBytes(text: string): number {
  const match = /^(?<number>\d+(?:\.\d+)?) ?(?<letter>[kmgtp])?(?:i?b)?$/i.exec(text);
  const { number, letter } = match?.groups ?? {};
  if (number === undefined) throw new EngineError('invalid', `invalid size: '${text}'`);
  const power = letter === undefined ? 0 : sizeLetters.indexOf(letter.toLowerCase());
  const bytes = Math.trunc(Number(number) * 1024 ** power);
  if (!Number.isSafeInteger(bytes))
    throw new EngineError('invalid', `invalid size: '${text}': too large`);
  return bytes;
}

/** Nanoseconds of each unit of a duration. */
const durationUnits: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Reads a duration such as `1h30m`, `1.5s` or `0` into nanoseconds. Throws `invalid`. */
export function parseDuration(text: string): number {
  const body = text.replace(/^[+-]/, '');
  const totalNs = body === '0' ? 0 : sumDuration(body);
  if (!Number.isSafeInteger(totalNs)) {
    throw new EngineError('invalid', `invalid duration '${text}': write it as 1h30m, 10s or 500ms`);
  }
  return text.startsWith('-') ? -totalNs : totalNs;
}

/** Nanoseconds; NaN when `body` is not a duration. */
function sumDuration(body: string): number {
  const durationPart = /(?<number>\d+\.?\d*|\.\d+)(?<unit>ns|us|µs|μs|ms|s|m|h)/y;
  let totalNs = 0;
  let at = 0;
  do {
    durationPart.lastIndex = at;
    const groups = durationPart.exec(body)?.groups;
    if (groups === undefined) return Number.NaN;
    totalNs += Number(groups['number']) * (durationUnits[groups['unit'] ?? ''] ?? Number.NaN);
    at = durationPart.lastIndex;
  } while (at < body.length);
  return Math.round(totalNs);
}

/** Reads a decimal such as `1.5` into billionths, exactly. Throws `invalid`. */
export function parseDecimal(text: string): number {
  const match = /^(?<whole>\d+)?(?:\.(?<part>\d*))?$/.exec(text);
  const { whole = '', part = '' } = match?.groups ?? {};
  if (match === null || (whole === '' && part === ''))
    throw new EngineError('invalid', `'${text}' is not a decimal number`);
  if (part.replace(/0+$/, '').length > 9)
    throw new EngineError('invalid', `'${text}' is too precise: at most nine decimals`);
  const billionths = Number(`${whole === '' ? '0' : whole}${part.slice(0, 9).padEnd(9, '0')}`);
  if (!Number.isSafeInteger(billionths)) throw new EngineError('invalid', `'${text}' is too large`);
  return billionths;
}
