/** `key=value` texts, and the fields of comma separated options. Pure. */

import { EngineError } from '../../base/error.ts';

/** `['a=1', 'b']` → `{a: '1', b: ''}`; the last of a key wins. */
export function recordOfPairs(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const { key, value } = splitPair(pair);
      return [key, value ?? ''];
    }),
  );
}

/** A text cut at its first `=`; `value` is `undefined` without one. */
export function splitPair(pair: string): {
  readonly key: string;
  readonly value: string | undefined;
} {
  const equals = pair.indexOf('=');
  return equals < 0
    ? { key: pair, value: undefined }
    : { key: pair.slice(0, equals), value: pair.slice(equals + 1) };
}

/** Fields of a comma separated line; `"…"` keeps commas, `""` inside is a quote. Throws `invalid`. Source: RFC 4180. */
export function splitFields(line: string): readonly string[] {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^,"]*))(,|$)/y;
  for (;;) {
    const match = field.exec(line);
    if (match === null)
      throw new EngineError('invalid', `'${line}' has a quote in the wrong place`);
    fields.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
    if (match[3] === '') return fields;
  }
}
