/** The one place where names of flags become types: the parser made a value of its kind for every name of the table. */

import type { FlagTable, FlagValues, Parsed } from './table.ts';

/** The values of a parsed line, typed by its table. */
export function decodeParsed<T extends FlagTable>(line: {
  readonly values: Readonly<Record<string, unknown>>;
  readonly given: ReadonlySet<string>;
  readonly args: readonly string[];
}): Parsed<T> {
  return {
    flags: line.values as FlagValues<T>,
    given: line.given as ReadonlySet<keyof T & string>,
    args: line.args,
  };
}
