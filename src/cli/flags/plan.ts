/** `--plan` and `--format`: to print what a command would ask of the kernel, instead of doing it. */

import type { FlagTable } from './table.ts';
import { usageError } from './usage-error.ts';

/** For the flags of a command that can be planned. */
export const planFlags = {
  plan: { kind: 'bool', help: 'Print what would be done, and do nothing' },
  format: {
    kind: 'string',
    help: 'Write the plan of --plan this way',
    default: 'text',
    choices: ['text', 'json'],
  },
} as const satisfies FlagTable;

/** How to print a plan. */
export type PlanFormat = 'text' | 'json';

/** The format of the plan that is asked for; `undefined`: act. Throws a usage error for a format without a plan. */
export function wantedPlan(
  flags: { readonly plan: boolean; readonly format: string },
  given: ReadonlySet<string>,
): PlanFormat | undefined {
  if (flags.plan) return flags.format === 'json' ? 'json' : 'text';
  if (given.has('format')) {
    throw usageError('--format is for the plan of --plan: there is nothing else to write');
  }
  return undefined;
}
