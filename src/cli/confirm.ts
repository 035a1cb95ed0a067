/** A question before something is lost. */

import type { Io } from './io.ts';

/** Asks; true only for an answer that begins with y. No input is a no. */
export async function confirm(io: Io, warning: string): Promise<boolean> {
  await io.stdout.write(`WARNING! ${warning}\nGo on? [y/N] `);
  let answer = '';
  for await (const chunk of io.stdin.chunks()) {
    answer += Buffer.from(chunk).toString('utf8');
    if (answer.includes('\n')) break;
  }
  return /^\s*y(?:es)?\s*$/i.test(answer.split('\n')[0] ?? '');
}
