/**
 * Ids of containers and execs: 64 lower-case hex digits, random.
 * Source: Engine API; Docker's rule that an id's short form is never a number.
 */

import type { ContainerId } from './brand.ts';
import { EngineError } from './error.ts';

const ID = /^[0-9a-f]{64}$/;
const ALL_DIGITS = /^[0-9]{12}/;

/** `randomHex` gives 64 random lower-case hex digits. */
export function makeId(randomHex: () => string): ContainerId {
  for (;;) {
    const id = randomHex();
    if (!ALL_DIGITS.test(id)) return parseContainerId(id);
  }
}

/** True for 64 lower-case hex digits. */
export function isContainerId(text: string): text is ContainerId {
  return ID.test(text);
}

/** Errors: `invalid`. */
export function parseContainerId(text: string): ContainerId {
  if (isContainerId(text)) return text;
  throw new EngineError('invalid', `Invalid container id ${JSON.stringify(text.slice(0, 80))}`);
}

/** First 12 digits, as people see them. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
