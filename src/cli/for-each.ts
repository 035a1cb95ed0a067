/** One action for each of several names: all are tried, each success and failure is told, in order. */

import type { Io } from './io.ts';
import { neutraliseText } from './print/safe.ts';
import { errorSentence } from './report.ts';

/** How many actions run at once. */
const CONCURRENCY = 16;

/**
 * Runs `action` for every name. Prints the name, or the text `action` gives,
 * for each that went well, the error for each that did not; gives the exit code.
 */
export async function forEachName(
  io: Io,
  names: readonly string[],
  action: (name: string) => Promise<string | void>,
): Promise<number> {
  return forEach(io, { names, concurrency: CONCURRENCY }, action);
}

/** As `forEachName`, one after the other: a later one may need what an earlier one does. */
export async function forEachInOrder(
  io: Io,
  names: readonly string[],
  action: (name: string) => Promise<string | void>,
): Promise<number> {
  return forEach(io, { names, concurrency: 1 }, action);
}

async function forEach(
  io: Io,
  { names, concurrency }: { readonly names: readonly string[]; readonly concurrency: number },
  action: (name: string) => Promise<string | void>,
): Promise<number> {
  const running: Promise<string | void>[] = [];
  let code = 0;
  for (const [index, name] of names.entries()) {
    for (let next = running.length; next < Math.min(names.length, index + concurrency); next++) {
      const started = action(names[next] ?? '');
      // Awaited below, in order; until then its failure is not unhandled.
      started.catch(() => undefined);
      running.push(started);
    }
    try {
      const text = (await running[index]) ?? name;
      if (text !== '') await io.stdout.write(`${neutraliseText(text)}\n`);
    } catch (error) {
      code = 1;
      await io.stderr.write(`${neutraliseText(errorSentence(error))}\n`);
    }
  }
  return code;
}
