/**
 * The query of a request, with Docker's idea of booleans and numbers. Pure.
 *
 * Source: Docker Engine API; engine-api facts 1.3 and 1.5.
 */

import { EngineError } from '../base/error.ts';

const falseTexts: ReadonlySet<string> = new Set(['', '0', 'no', 'false', 'none']);

/** Decoded `key=value` pairs; the first value of a key counts unless all are asked for. */
export class Query {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  /** `text` is what follows the `?`. Errors: `invalid` for bad percent-encoding. */
  constructor(text: string) {
    this.#values = parsePairs(text);
  }

  /** First value; `undefined` when absent. */
  text(key: string): string | undefined {
    return this.#values.get(key)?.[0];
  }

  /** Every value, in order. */
  all(key: string): readonly string[] {
    return this.#values.get(key) ?? [];
  }

  /** First value; `undefined` when absent or empty. */
  nonEmpty(key: string): string | undefined {
    const value = this.text(key);
    return value === '' ? undefined : value;
  }

  /** Empty, 0, no, false and none (in any case) are false, everything else is true. */
  boolean(key: string, absent = false): boolean {
    const value = this.text(key);
    return value === undefined ? absent : !falseTexts.has(value.trim().toLowerCase());
  }

  /** A whole number; `undefined` when absent or empty. Errors: `invalid`. */
  integer(key: string): number | undefined {
    const value = this.nonEmpty(key);
    if (value === undefined) return undefined;
    const number = /^[+-]?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (Number.isNaN(number)) {
      throw new EngineError('invalid', `Invalid value ${quote(value)} for ${key}: not a number`);
    }
    return number;
  }

  /** Every value of `key` that is JSON. Errors: `invalid`. */
  json(key: string): readonly unknown[] {
    return this.all(key)
      .filter((value) => value !== '')
      .map((value) => parseJsonParameter(key, value));
  }
}

/** Errors: `invalid`. */
export function parseJsonParameter(key: string, value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    throw new EngineError('invalid', `Invalid value ${quote(value)} for ${key}: not JSON`);
  }
}

/** Percent-decoding of one component. Errors: `invalid` for bad encoding and control characters. */
export function decodeComponent(text: string): string {
  let decoded = text;
  if (text.includes('%')) {
    try {
      decoded = decodeURIComponent(text);
    } catch {
      throw new EngineError('invalid', `Invalid percent-encoding in ${quote(text)}`);
    }
  }
  if (hasControlCharacter(decoded)) {
    throw new EngineError('invalid', `Invalid character in ${quote(decoded)}`);
  }
  return decoded;
}

function parsePairs(text: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>();
  if (text === '') return values;
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const key = decodeField(equals === -1 ? pair : pair.slice(0, equals));
    const value = equals === -1 ? '' : decodeField(pair.slice(equals + 1));
    const list = values.get(key);
    if (list === undefined) values.set(key, [value]);
    else list.push(value);
  }
  return values;
}

function decodeField(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    throw new EngineError('invalid', `Invalid percent-encoding in ${quote(text)}`);
  }
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
