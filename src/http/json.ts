/**
 * JSON as Docker's clients read it: bigint as a plain number with all its
 * digits, one newline after the value, `<>&` as they are.
 *
 * Source: engine-api facts 1.3; ECMAScript proposal "JSON.parse source text access".
 */

/** In both runtimes, not yet in TypeScript's library. */
interface JsonWithRaw {
  rawJSON(text: string): object;
}
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library type lags behind the runtimes
const json = JSON as unknown as JsonWithRaw;

/** One value, without the newline. Numbers of any size keep their digits. */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value);
}

/** As {@link encodeJson}, for values that hold bigints: about twice as slow. */
export function encodeBigJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? json.rawJSON(item.toString()) : item,
  );
}
