/**
 * The functions a format may call. Pure.
 *
 * Source: Go `text/template`, "Functions"; docker's own: json, join, split,
 * lower, upper, title, pad, truncate.
 */

import { formatJson } from '../../../client/decode.ts';
import { neutraliseJson } from '../safe.ts';
import { formatError } from './lexer.ts';
import { formatPrintf } from './printf.ts';
import { areEqual, compareValues, isRecord, isTruthy, plainText, typeName } from './value.ts';

/** A function of templates. */
export type TemplateFunction = (...args: readonly unknown[]) => unknown;

/** By name; `and` and `or` are the evaluator's, as they do not always look at all arguments. */
export const templateFunctions: ReadonlyMap<string, TemplateFunction> = new Map<
  string,
  TemplateFunction
>([
  ['json', (value) => neutraliseJson(formatJson(value ?? null))],
  [
    'join',
    (list, separator) => listOf(list, 'join').map(plainText).join(textOf(separator, 'join')),
  ],
  ['split', (text, separator) => textOf(text, 'split').split(textOf(separator, 'split'))],
  ['lower', (text) => textOf(text, 'lower').toLowerCase()],
  ['upper', (text) => textOf(text, 'upper').toUpperCase()],
  [
    'title',
    (text) =>
      textOf(text, 'title').replace(/(?<![\p{L}\p{N}_'])\p{L}/gu, (letter) => letter.toUpperCase()),
  ],
  [
    'pad',
    (text, left, right) => pad(textOf(text, 'pad'), countOf(left, 'pad'), countOf(right, 'pad')),
  ],
  [
    'truncate',
    (text, length) =>
      Array.from(textOf(text, 'truncate')).slice(0, countOf(length, 'truncate')).join(''),
  ],
  ['len', lengthOf],
  ['index', (value, ...keys) => keys.reduce(indexOf, value)],
  ['slice', sliceOf],
  ['not', (value) => !isTruthy(value)],
  ['eq', (first, ...others) => others.some((other) => areEqual(first, other))],
  ['ne', (a, b) => !areEqual(a, b)],
  ['lt', (a, b) => compareValues(a, b) < 0],
  ['le', (a, b) => compareValues(a, b) <= 0],
  ['gt', (a, b) => compareValues(a, b) > 0],
  ['ge', (a, b) => compareValues(a, b) >= 0],
  ['print', (...values) => printValues(values)],
  ['println', (...values) => `${values.map(plainText).join(' ')}\n`],
  ['printf', (format, ...values) => formatPrintf(textOf(format, 'printf'), values)],
  ['urlquery', (...values) => encodeURIComponent(printValues(values)).replaceAll('%20', '+')],
]);

function textOf(value: unknown, name: string): string {
  if (typeof value !== 'string') throw formatError(`${name} needs a text, not ${typeName(value)}`);
  return value;
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw formatError(`${name} needs a list, not ${typeName(value)}`);
  return value;
}

/** Longest padding, so that a format cannot fill the memory. */
const countMax = 1_000_000;

function countOf(value: unknown, name: string): number {
  const count = Number(value);
  if (
    (typeof value !== 'number' && typeof value !== 'bigint') ||
    !Number.isInteger(count) ||
    count < 0 ||
    count > countMax
  ) {
    throw formatError(`${name} needs a whole number from 0 to ${String(countMax)}`);
  }
  return count;
}

function pad(text: string, left: number, right: number): string {
  return text === '' ? text : ' '.repeat(left) + text + ' '.repeat(right);
}

function lengthOf(value: unknown): number {
  if (value === null || value === undefined) return 0;
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isRecord(value)) return Object.keys(value).length;
  throw formatError(`len needs a list, a map or a text, not ${typeName(value)}`);
}

/** An item of a list, or a value of a map: the empty text where a map has none. */
function indexOf(value: unknown, key: unknown): unknown {
  if (isRecord(value)) {
    const name = String(key);
    return Object.hasOwn(value, name) ? value[name] : '';
  }
  if (value === null || value === undefined) throw formatError('index of nothing');
  const list = typeof value === 'string' ? [...Buffer.from(value)] : listOf(value, 'index');
  const at = countOf(key, 'index');
  if (at >= list.length) throw formatError(`index out of range: ${String(at)}`);
  return list[at];
}

function sliceOf(value: unknown, ...bounds: readonly unknown[]): unknown {
  const [from = 0, to] = bounds.map((bound) => countOf(bound, 'slice'));
  const source = typeof value === 'string' ? value : listOf(value, 'slice');
  if (from > (to ?? source.length) || (to ?? 0) > source.length)
    throw formatError('slice index out of range');
  return source.slice(from, to);
}

/** As `fmt.Sprint`: a space only between two operands that are no texts. */
function printValues(values: readonly unknown[]): string {
  return values
    .map((value, index) => {
      const isSpaced =
        index > 0 && typeof value !== 'string' && typeof values[index - 1] !== 'string';
      return (isSpaced ? ' ' : '') + plainText(value);
    })
    .join('');
}
