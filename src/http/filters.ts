/**
 * The `filters` parameter, in both forms that clients send. Pure.
 *
 * Source: Docker Engine API; engine-api facts 1.4: `{"k":{"v":true}}` (Go
 * clients) and `{"k":["v"]}` (all others). What a key means is the engine's.
 */

import { EngineError } from '../base/error.ts';
import { isRecord } from './record.ts';
import type { Filters } from '../engine/engine.ts';
import { parseJsonParameter } from './query.ts';

/** `text`: the parameter, `undefined` or empty when there is none. Errors: `invalid`. */
export function parseFilters(text: string | undefined): Filters {
  if (text === undefined || text === '') return {};
  const value = parseJsonParameter('filters', text);
  if (value === null) return {};
  if (!isRecord(value)) throw invalidFilters('not an object');
  // From entries: a key named __proto__ stays a key.
  return Object.fromEntries(
    Object.entries(value).map(([key, values]) => [key, valuesOf(key, values)]),
  );
}

function valuesOf(key: string, values: unknown): readonly string[] {
  if (values === null) return [];
  if (Array.isArray(values)) {
    return values.map((value: unknown) => {
      // docker-py passes numbers and booleans through.
      if (typeof value === 'number' || typeof value === 'boolean') return String(value);
      if (typeof value === 'string') return value;
      throw invalidFilters(`values of ${key} must be strings`);
    });
  }
  if (!isRecord(values)) throw invalidFilters(`values of ${key} must be a list or an object`);
  return Object.entries(values)
    .filter(([, isOn]) => isOn !== false)
    .map(([value]) => value);
}

function invalidFilters(why: string): EngineError {
  return new EngineError('invalid', `Invalid filters: ${why}`);
}
