/**
 * `WWW-Authenticate` → challenges. Pure.
 *
 * Source: RFC 9110 §11.2–11.6; distribution token protocol ("Bearer" with
 * realm, service, scope, error).
 */

/** One challenge; `scheme` and parameter names are lower-case. */
export interface Challenge {
  readonly scheme: string;
  readonly params: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/;
/** No honest registry sends more; a longer header is ignored. */
const MAX_HEADER_CHARS = 16 * 1024;

/** Every challenge of a header, in order; malformed rests are dropped. Never throws. */
export function parseChallenges(header: string): readonly Challenge[] {
  const text = header.slice(0, MAX_HEADER_CHARS);
  const challenges: Challenge[] = [];
  let at = 0;

  const skip = (chars: string): void => {
    while (at < text.length && chars.includes(text.charAt(at))) at += 1;
  };
  const token = (): string => {
    const start = at;
    while (at < text.length && TOKEN.test(text.charAt(at))) at += 1;
    return text.slice(start, at);
  };
  const quoted = (): string => {
    let value = '';
    at += 1;
    while (at < text.length && text.charAt(at) !== '"') {
      if (text.charAt(at) === '\\') at += 1;
      value += text.charAt(at);
      at += 1;
    }
    at += 1;
    return value;
  };
  /** `name=value` at the cursor, or `undefined` with the cursor unmoved. */
  const parameter = (): readonly [string, string] | undefined => {
    const start = at;
    const name = token();
    skip(' \t');
    if (name === '' || text.charAt(at) !== '=') {
      at = start;
      return undefined;
    }
    at += 1;
    skip(' \t');
    const value = text.charAt(at) === '"' ? quoted() : token();
    return [name.toLowerCase(), value];
  };

  while (at < text.length) {
    skip(' \t,');
    const scheme = token();
    if (scheme === '') break;
    skip(' \t');
    const params = new Map<string, string>();
    for (;;) {
      skip(' \t,');
      const found = parameter();
      if (found === undefined) break;
      params.set(...found);
    }
    challenges.push({ scheme: scheme.toLowerCase(), params: Object.fromEntries(params) });
  }
  return challenges;
}
