/**
 * The `printf` of formats. Pure.
 *
 * Source: Go `fmt`, the verbs that make sense for the engine's answers.
 */

import { formatError } from './lexer.ts';
import { plainText } from './value.ts';

/** One verb: flags, width, precision, letter. */
const verb = /%([-+ 0#]*)(\d{1,4})?(?:\.(\d{1,4}))?(.)/gsu;

interface Verb {
  readonly flags: string;
  /** Characters, at least. */
  readonly width: number;
  /** Characters of a text, decimals of a number. */
  readonly precision: number | undefined;
  readonly letter: string;
}

/** `format` with its verbs replaced by `values`, in order. Too few or too many are marked in the text, as Go does. */
export function formatPrintf(format: string, values: readonly unknown[]): string {
  let used = 0;
  const text = format.replace(verb, (_all, ...match: readonly (string | undefined)[]) => {
    const [flags = '', width, precision, letter = ''] = match;
    if (letter === '%') return '%';
    if (used >= values.length) return `%!${letter}(MISSING)`;
    const read = formatters[letter];
    if (read === undefined) throw formatError(`printf does not know %${letter}`);
    const spec = {
      flags,
      width: Number(width ?? 0),
      precision: precision === undefined ? undefined : Number(precision),
      letter,
    };
    return fill(read(values[used++], spec), spec);
  });
  const extra = values.slice(used);
  return extra.length === 0 ? text : `${text}%!(EXTRA ${extra.map(plainText).join(', ')})`;
}

const cut = (value: unknown, { precision }: Verb): string => {
  const text = plainText(value);
  return precision === undefined ? text : Array.from(text).slice(0, precision).join('');
};

const hexadecimal = (value: unknown): string =>
  typeof value === 'string' ? Buffer.from(value).toString('hex') : wholeNumber(value).toString(16);

const formatters: Readonly<Record<string, ((value: unknown, spec: Verb) => string) | undefined>> = {
  v: cut,
  s: cut,
  q: (value) => JSON.stringify(plainText(value)),
  t: (value) => String(value === true),
  d: (value, spec) => signed(wholeNumber(value).toString(), spec),
  x: hexadecimal,
  X: (value) => hexadecimal(value).toUpperCase(),
  o: (value) => wholeNumber(value).toString(8),
  f: (value, spec) => signed(Number(value).toFixed(spec.precision ?? 6), spec),
  g: (value, spec) => signed(String(Number(value)), spec),
};

function wholeNumber(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  throw formatError('printf needs a whole number');
}

function signed(text: string, { flags }: Verb): string {
  return flags.includes('+') && !text.startsWith('-') ? `+${text}` : text;
}

function fill(text: string, { flags, width }: Verb): string {
  const missing = width - Array.from(text).length;
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (flags.includes('0') && /^[+-]?\d/.test(text))
    return text.replace(/^[+-]?/, (sign) => sign + '0'.repeat(missing));
  return ' '.repeat(missing) + text;
}
