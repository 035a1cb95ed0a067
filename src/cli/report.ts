/** Errors as text for people: one sentence, a hint where there is one, nothing a terminal would obey. */

import { isEngineError, messageOf } from '../base/error.ts';
import { isDaemonError } from '../client/errors.ts';
import { isBrokenPipe } from './exit.ts';
import { isArgumentError, isUsageError } from './flags/usage-error.ts';
import type { Io } from './io.ts';
import { neutraliseText } from './print/safe.ts';

/** Where the error happened. */
export interface ErrorPlace {
  /** The command as called, e.g. `carve run`. */
  readonly path: string;
  /** Show causes and stacks. */
  readonly isDebug: boolean;
}

/** Prints an error that ends a command. Says nothing when the reader of the output left. */
export async function reportError(error: unknown, io: Io, place: ErrorPlace): Promise<void> {
  if (isBrokenPipe(error)) return;
  await io.stderr.write(`${neutraliseText(errorLines(error, place).join('\n'))}\n`);
}

function errorLines(error: unknown, { path, isDebug }: ErrorPlace): readonly string[] {
  const lines = [errorSentence(error)];
  if (isEngineError(error) && error.hint !== undefined) lines.push(error.hint);
  if (isUsageError(error) || isArgumentError(error)) lines.push(`See '${path} --help'.`);
  if (isDebug) lines.push(...causesOf(error));
  return lines;
}

/** The error in one sentence, as `docker` words those of the engine. */
export function errorSentence(error: unknown): string {
  if (!isEngineError(error)) return `Internal error: ${messageOf(error)}`;
  return isDaemonError(error) ? `Error response from daemon: ${error.message}` : error.message;
}

function causesOf(error: unknown): readonly string[] {
  const lines: string[] = [];
  for (let cause = error; cause instanceof Error && lines.length < 10; cause = cause.cause)
    lines.push(cause.stack ?? cause.message);
  return lines;
}
