/**
 * Names for containers whose client gave none: `adjective_surname`, with a
 * digit when that is taken, then the short id.
 * Source: engine-api facts 1.5.
 */

import { ADJECTIVES, SURNAMES } from './name-words.ts';

/** Tries before the short id is used; the last ones add a digit. */
const TRIES = 6;

/** A free name. `randomHex`: random hex digits, at least 32. */
export function generateName(options: {
  readonly randomHex: () => string;
  readonly isFree: (name: string) => boolean;
  readonly fallback: string;
}): string {
  const { randomHex, isFree, fallback } = options;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const hex = randomHex();
    const adjective = pick(ADJECTIVES, hex.slice(0, 8));
    const surname = pick(SURNAMES, hex.slice(8, 16));
    const digit = attempt < TRIES / 2 ? '' : String(Number.parseInt(hex.slice(16, 24), 16) % 10);
    const name = `${adjective}_${surname}${digit}`;
    if (isFree(name)) return name;
  }
  return fallback;
}

function pick(words: readonly string[], hex: string): string {
  return words[Number.parseInt(hex, 16) % words.length] ?? '';
}
