/**
 * Decoders of JSON bodies, as Go's are: unknown fields are dropped, `null` is
 * absent, a field's name may differ in case; but a value of the wrong type is an
 * error that names the field. Only what a decoder knows passes, so nothing a
 * client invents reaches the engine's records.
 *
 * Source: Go `encoding/json` Unmarshal, which Docker's clients were written against.
 */

import { EngineError } from '../../base/error.ts';
import { isRecord } from '../record.ts';

/** Turns a value (never `null` or `undefined`) into a `T`, or throws {@link ShapeError}. */
export type Decode<T> = (value: unknown) => T;

/** One decoder for each field of `T`. */
export type Fields<T> = { readonly [K in keyof T]-?: Decode<NonNullable<T[K]>> };

/** What a value should have been, and where it is. */
class ShapeError extends Error {
  readonly path: string[] = [];
}

/** Decode a whole body. Errors: `invalid`. */
export function decodeBody<T>(decode: Decode<T>, value: unknown): T {
  try {
    return decode(value);
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const where = error.path.length === 0 ? 'it' : error.path.join('.');
    throw new EngineError('invalid', `Invalid request body: ${where} must be ${error.message}`);
  }
}

/** A string. */
export const text: Decode<string> = (value) => {
  if (typeof value !== 'string') throw new ShapeError('a string');
  return value;
};

/** A boolean. */
export const boolean: Decode<boolean> = (value) => {
  if (typeof value !== 'boolean') throw new ShapeError('a boolean');
  return value;
};

/** A whole number. */
export const integer: Decode<number> = (value) => {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new ShapeError('an integer');
  return value;
};

/** Old clients send one word for a list of one. */
export const textOrTexts: Decode<readonly string[] | string> = (value) =>
  typeof value === 'string' ? value : texts(value);

/** One of a few words. */
export function word<const W extends string>(...words: readonly W[]): Decode<W> {
  return (value) => {
    const found = words.find((candidate) => candidate === value);
    if (found === undefined) throw new ShapeError(`one of ${words.map(quoted).join(', ')}`);
    return found;
  };
}

function quoted(candidate: string): string {
  return `'${candidate}'`;
}

/** A list. A `null` in it stands for the element's zero, which `item` decides about. */
export function list<T>(item: Decode<T>): Decode<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value)) throw new ShapeError('a list');
    return value.map((element: unknown, index) => within(String(index), () => item(element)));
  };
}

/** A list of strings. */
export const texts: Decode<readonly string[]> = list(text);

/** Names to values. */
export function map<T>(item: Decode<T>): Decode<Readonly<Record<string, T>>> {
  return (value) => {
    if (!isRecord(value)) throw new ShapeError('an object');
    // From entries: a key named __proto__ stays a key.
    return Object.fromEntries(
      Object.entries(value).map(([key, element]) => [key, within(key, () => item(element))]),
    );
  };
}

/** `null` stays `null`. */
export function nullable<T>(decode: Decode<T>): Decode<T | null> {
  return (value) => (value === null ? null : decode(value));
}

/** A value of an `{"80/tcp":{}}` set: what is in it does not matter. */
export const unit: Decode<object> = (value) => {
  if (value !== null && !isRecord(value)) throw new ShapeError('an object');
  return {};
};

/** An object with known fields. */
export function object<T extends object>(fields: Fields<T>): Decode<T> {
  const decoders = new Map<string, { readonly name: string; readonly decode: Decode<unknown> }>();
  for (const [name, decode] of Object.entries<Decode<unknown>>(fields)) {
    decoders.set(name, { name, decode });
    decoders.set(name.toLowerCase(), { name, decode });
  }
  return (value) => {
    if (!isRecord(value)) throw new ShapeError('an object');
    const result: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const element = value[key];
      const field = decoders.get(key) ?? decoders.get(key.toLowerCase());
      if (element === null || element === undefined || field === undefined) continue;
      result[field.name] = within(field.name, () => field.decode(element));
    }
    // Every field came from its decoder in `fields`, and every field of T may be absent.
    return result as T;
  };
}

function within<T>(step: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof ShapeError) error.path.unshift(step);
    throw error;
  }
}
