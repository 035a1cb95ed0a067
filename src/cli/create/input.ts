/** What a container's description is made from. */

import type { FlagTable } from '../flags/table.ts';
import type { CreateFlags } from './flags.ts';

/** A command line, and what it may look at beside itself. */
export interface CreateInput {
  readonly flags: CreateFlags;
  /** Names of the flags that were on the line. */
  readonly given: ReadonlySet<string>;
  readonly image: string;
  readonly command: readonly string[];
  /** Environment of the caller. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Directory of the caller, absolute. */
  readonly cwd: string;
  /** Reads a text file, relative to `cwd`. Throws `not-found`, `invalid`. */
  readonly readFile: (path: string) => string;
}

/** `-m, --memory`: how a message calls a flag of `table`. */
export function flagLabel(table: FlagTable, name: string): string {
  const short = table[name]?.short;
  return short === undefined ? `--${name}` : `-${short}, --${name}`;
}
