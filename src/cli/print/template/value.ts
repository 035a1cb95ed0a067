/**
 * Values of a template: what is true, how they compare, how they look as text.
 * Pure. Data is what JSON gives, maps keep no order but their keys'.
 *
 * Source: Go `text/template` and `fmt` (`%v`).
 */

import { neutraliseText } from '../safe.ts';
import { formatError } from './lexer.ts';

/** False for nothing, zero, and all that is empty. */
export function isTruthy(value: unknown): boolean {
  if (
    value === null ||
    value === undefined ||
    value === false ||
    value === '' ||
    value === 0 ||
    value === 0n
  )
    return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

/** True for a JSON object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text of a value, harmless for a terminal. */
export function formatValue(value: unknown): string {
  return neutraliseText(plainText(value));
}

/** The text of a value as it is. */
export function plainText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '<no value>';
  // JSON's null is nearly always an empty list in the engine's answers.
  if (value === null) return '[]';
  if (Array.isArray(value)) return `[${value.map(plainText).join(' ')}]`;
  if (isRecord(value)) {
    const pairs = Object.keys(value)
      .toSorted()
      .map((key) => `${key}:${plainText(value[key])}`);
    return `map[${pairs.join(' ')}]`;
  }
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  return '<func>';
}

/** Negative, zero or positive; only numbers and texts have an order. */
export function compareValues(a: unknown, b: unknown): number {
  if (isNumeric(a) && isNumeric(b)) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  throw formatError(`cannot compare ${typeName(a)} and ${typeName(b)}`);
}

/** Equal values of one type; a number equals a bigint of the same size. */
export function areEqual(a: unknown, b: unknown): boolean {
  if (isNumeric(a) && isNumeric(b)) return compareValues(a, b) === 0;
  if (a === null || a === undefined || b === null || b === undefined)
    return (a ?? null) === (b ?? null);
  if (typeof a === 'object' || typeof b === 'object')
    throw formatError(`cannot compare ${typeName(a)} and ${typeName(b)}`);
  if (typeof a !== typeof b) throw formatError(`cannot compare ${typeName(a)} and ${typeName(b)}`);
  return a === b;
}

/** What messages call the type of a value. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'boolean') return 'a boolean';
  return isNumeric(value) ? 'a number' : 'a function';
}

function isNumeric(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}
