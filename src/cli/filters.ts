/** `--filter key=value` as the API's filters. Pure. */

import type { Filters } from '../client/types.ts';
import { invalidValue } from './flags/parse.ts';

/** The filters of flags; several values of a key add up. Throws a usage error. */
export function readFilters(texts: readonly string[], flag: string = '-f, --filter'): Filters {
  const filters: Record<string, string[]> = {};
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (equals < 0) throw invalidValue(flag, text, 'write it as key=value');
    const key = text.slice(0, equals).trim().toLowerCase();
    if (key === '') throw invalidValue(flag, text, 'write it as key=value');
    // `label!=x`: the exclamation mark belongs to the key.
    (filters[key] ??= []).push(text.slice(equals + 1).trim());
  }
  return filters;
}
