/**
 * The keys that leave an attached console without ending it. Pure.
 *
 * On a partial match the bytes are held back: they may be the beginning of the
 * sequence; on a mismatch they go on to the process, none lost, none twice.
 *
 * Source: engine-api facts 3.3; Docker's default is ctrl-p, ctrl-q.
 */

import { EngineError } from '../../base/error.ts';

/** ctrl-p, ctrl-q. */
export const defaultDetachKeys: Uint8Array = Uint8Array.of(0x10, 0x11);

const controlKey = /^ctrl-([a-z@[\\\]^_])$/;

/** `ctrl-p,ctrl-q` → bytes; empty or `undefined`: the default. Errors: `invalid`. */
export function parseDetachKeys(text: string | undefined): Uint8Array {
  if (text === undefined || text === '') return defaultDetachKeys;
  const keys = text.split(',').flatMap((key) => parseKey(key, text));
  return Uint8Array.from(keys);
}

function parseKey(key: string, text: string): readonly number[] {
  const control = controlKey.exec(key.length === 6 ? key.toLowerCase() : key);
  // ctrl-a is 1, ctrl-@ is 0: the low five bits of the character.
  if (control !== null) return [(control[1] ?? '').toUpperCase().charCodeAt(0) & 0x1f];
  if (/^.$/su.test(key)) return [...Buffer.from(key)];
  throw new EngineError('invalid', `Invalid escape keys (${text.slice(0, 80)}) provided`);
}

/** What became of some typed bytes. */
export interface DetachResult {
  /** For the process; what was held back before comes first. */
  readonly bytes: Uint8Array;
  /** The sequence was typed: nothing after it is passed on. */
  readonly isDetached: boolean;
}

/** Watches typed bytes for the sequence. */
export class DetachWatch {
  readonly #keys: Uint8Array;
  /** How many bytes of the sequence were typed, and are held back. */
  #matched = 0;

  /** An empty sequence never matches. */
  constructor(keys: Uint8Array = defaultDetachKeys) {
    this.#keys = keys;
  }

  /** The next typed bytes. */
  push(input: Uint8Array): DetachResult {
    const keys = this.#keys;
    // The common case costs one search: no key of the sequence is near.
    if (this.#matched === 0 && (keys.length === 0 || !input.includes(keys[0] ?? 0))) {
      return { bytes: input, isDetached: false };
    }
    const bytes = Buffer.alloc(input.length + this.#matched);
    let length = 0;
    for (const byte of input) {
      while (this.#matched > 0 && byte !== keys[this.#matched]) {
        length = this.#release(bytes, length);
      }
      if (byte === keys[this.#matched]) {
        this.#matched += 1;
        if (this.#matched === keys.length) {
          return { bytes: bytes.subarray(0, length), isDetached: true };
        }
      } else {
        bytes[length] = byte;
        length += 1;
      }
    }
    return { bytes: bytes.subarray(0, length), isDetached: false };
  }

  /** What is held back; there is no more input. */
  flush(): Uint8Array {
    const held = this.#keys.slice(0, this.#matched);
    this.#matched = 0;
    return held;
  }

  /** A mismatch: let go of as much as can no longer begin the sequence. */
  #release(bytes: Buffer, length: number): number {
    const keys = this.#keys;
    let kept = this.#matched - 1;
    while (kept > 0 && !startsWithOwnEnd(keys, this.#matched, kept)) kept -= 1;
    const count = this.#matched - kept;
    bytes.set(keys.subarray(0, count), length);
    this.#matched = kept;
    return length + count;
  }
}

/** The last `count` of the first `matched` keys are also the first `count`. */
function startsWithOwnEnd(keys: Uint8Array, matched: number, count: number): boolean {
  for (let index = 0; index < count; index += 1) {
    if (keys[matched - count + index] !== keys[index]) return false;
  }
  return true;
}
