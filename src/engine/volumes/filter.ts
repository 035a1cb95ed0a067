/** Which volumes a client wants. Source: Engine API `GET /volumes`, `filters`; moby volume service. */

import { EngineError } from '../../base/error.ts';
import type { VolumeRecord } from '../../volumes/store.ts';
import type { Filters } from '../engine.ts';
import { checkFilterKeys, filterValues, matchesAny, matchesLabels } from '../filters.ts';

const KEYS: ReadonlySet<string> = new Set(['dangling', 'driver', 'label', 'label!', 'name']);
/** Longest pattern, in characters. */
const PATTERN_MAX = 256;

/** A predicate; `isUsed`: a container has it. Errors: `invalid` for an unknown key or value. */
export function compileVolumeFilter(
  filters: Filters,
): (volume: VolumeRecord, isUsed: boolean) => boolean {
  checkFilterKeys(filters, KEYS);
  const isDangling = Object.hasOwn(filters, 'dangling')
    ? parseDangling(filterValues(filters, 'dangling'))
    : undefined;
  return (volume, isUsed) =>
    (isDangling === undefined || isDangling !== isUsed) &&
    matchesAny(filters, 'driver', (value) => volume.driver === value) &&
    matchesAny(filters, 'name', (value) => matchesName(volume.name, value)) &&
    matchesLabels(filters, volume.labels);
}

function parseDangling(values: readonly string[]): boolean {
  if (values.some((value) => value === 'true' || value === '1')) return true;
  if (values.some((value) => value === 'false' || value === '0')) return false;
  throw new EngineError('invalid', `invalid filter 'dangling=[${values.join(' ')}]'`);
}

/** The name itself, or a pattern somewhere in it; a pattern that is none matches nothing. */
function matchesName(name: string, value: string): boolean {
  if (name === value) return true;
  try {
    return new RegExp(value.slice(0, PATTERN_MAX)).test(name);
  } catch {
    return false;
  }
}
