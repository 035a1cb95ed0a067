/**
 * JSON as the engine sends it: integers too large for a number become bigint
 * and leave again as they came. The one place where an answer gets its type.
 *
 * Source: Docker Engine API (nanosecond times, counters).
 */

import { EngineError } from '../base/error.ts';

/** `JSON.parse` of ECMAScript 2026, whose reviver sees the source text of a primitive. */
type Reviver = (
  ...args: readonly [key: string, value: unknown, context: { readonly source?: string }]
) => unknown;

/** `JSON` of ECMAScript 2026, which the compiler's library does not know yet; every supported runtime has it. */
const modernJson = JSON as unknown as {
  readonly parse: (text: string, reviver: Reviver) => unknown;
  readonly rawJSON: (text: string) => unknown;
};

/** Reads JSON; an integer beyond 2^53 becomes a bigint. Throws `corrupt`. */
export function parseJson(text: string): unknown {
  try {
    // Sixteen digits in a row are rare; without them the reviver would be a waste.
    if (!/\d{16}/.test(text)) return JSON.parse(text);
    return modernJson.parse(text, (_key, value, context) =>
      typeof value === 'number' &&
      !Number.isSafeInteger(value) &&
      context.source !== undefined &&
      /^-?\d+$/.test(context.source)
        ? BigInt(context.source)
        : value,
    );
  } catch (cause) {
    throw new EngineError('corrupt', 'Cannot read the response of the engine: it is not JSON', {
      cause,
    });
  }
}

/** Writes JSON; bigints as plain integers. `indent`: spaces a level, none for one line. */
export function formatJson(value: unknown, indent = 0): string {
  return JSON.stringify(
    value,
    (_key, item: unknown) =>
      typeof item === 'bigint' ? modernJson.rawJSON(item.toString()) : item,
    indent,
  );
}

/** An answer of the engine, trusted to be of the type the API gives it. */
export function decodeAs<T>(value: unknown): T {
  return value as T;
}
