/**
 * What a command is: its flags as a table, its arguments, and what it does
 * with them. Commands are data until run; help, completion and documentation
 * are made from the same values.
 */

import type { Client } from '../client/client.ts';
import type { ClientConfig } from './config/config.ts';
import type { FailureStyle } from './exit.ts';
import { parseFlags } from './flags/parse.ts';
import type { FlagTable, Parsed } from './flags/table.ts';
import { argumentError } from './flags/usage-error.ts';
import type { Io } from './io.ts';

/** What a command may use. */
export interface Context {
  readonly io: Io;
  /** The engine; connects with the first call. */
  readonly client: Client;
  /** The user's configuration file; read when first asked. */
  config(): ClientConfig;
  /** The words that reach the command, e.g. `carve container run`. */
  readonly path: string;
  /** Prints the help of the command. */
  showHelp(): Promise<void>;
}

/** What an argument can name. */
export type ArgumentKind =
  | 'container'
  | 'running-container'
  | 'image'
  | 'network'
  | 'volume'
  | 'file';

/** What there is to say about a command. */
export interface CommandSpec<T extends FlagTable> {
  /** Follows the command's name, e.g. `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  readonly synopsis: string;
  /** Paragraphs, separated by an empty line. */
  readonly details?: string;
  readonly examples?: readonly string[];
  readonly flags: T;
  readonly args: {
    /** Count of arguments, at least. */
    readonly min: number;
    /** Count of arguments, at most; `undefined`: any. */
    readonly max?: number;
    /** What they name, for completion; a list: each in turn. */
    readonly completes?: ArgumentKind | readonly ArgumentKind[];
  };
  /** False: the first argument ends the flags. Default true. */
  readonly isInterspersed?: boolean;
  readonly failure?: FailureStyle;
}

/** A command of any flags. */
export interface Command {
  readonly spec: CommandSpec<FlagTable>;
  /** Reads `argv` and acts; gives the exit code. Throws what `main` prints. */
  run(context: Context, argv: readonly string[]): Promise<number>;
}

/** What a command line asks of a command; the exit code is 0 when it gives none. */
export type CommandBody<T extends FlagTable> = (
  context: Context,
  parsed: Parsed<T>,
) => Promise<number | undefined>;

/** Every command has it. */
export const helpFlag = { help: { kind: 'bool', help: 'Print this help' } } as const;

/** A command from its description and its deed. */
export function defineCommand<const T extends FlagTable>(
  spec: CommandSpec<T>,
  body: CommandBody<T>,
): Command {
  return {
    spec,
    run: async (context, argv) => {
      const table = { ...spec.flags, ...helpFlag };
      const parsed = parseFlags(table, argv, { isInterspersed: spec.isInterspersed ?? true });
      if (parsed.flags.help) {
        await context.showHelp();
        return 0;
      }
      checkCount(context.path, parsed.args.length, spec.args);
      return (await body(context, parsed)) ?? 0;
    },
  };
}

function checkCount(
  path: string,
  count: number,
  { min, max }: { readonly min: number; readonly max?: number },
): void {
  if (count >= min && (max === undefined || count <= max)) return;
  throw argumentError(`'${path}' ${countPhrase(min, max)}`);
}

function countPhrase(min: number, max: number | undefined): string {
  const words = (count: number): string => `${String(count)} argument${count === 1 ? '' : 's'}`;
  if (max === 0) return 'accepts no arguments';
  if (max === undefined) return `requires at least ${words(min)}`;
  if (min === max) return `requires ${words(min)}`;
  return min === 0
    ? `accepts at most ${words(max)}`
    : `requires at least ${String(min)} and at most ${words(max)}`;
}
