/**
 * Words of a Dockerfile line: split at blanks outside quotes, quotes and
 * backslashes taken away afterwards. Source: Dockerfile reference "ENV", "LABEL".
 */

/** A word, a run of blanks, or one character that fits neither: a quote that is not closed. */
const TOKEN = /\s+|(?:\\[\s\S]?|"(?:\\[\s\S]|[^"\\])*"|'[^']*'|[^\s\\"'])+|[\s\S]/g;

/** Words with their quotes; `undefined` when a quote is not closed. */
export function splitWords(text: string): readonly string[] | undefined {
  const tokens = text.match(TOKEN) ?? [];
  const words = tokens.filter((token) => token.trim() !== '');
  return words.some((word) => word === '"' || word === "'") ? undefined : words;
}

/** Value of a variable; `undefined`: not set. */
export type Variables = (name: string) => string | undefined;

/** A name alone, or in braces with what stands in for it: `$A`, `${A}`, `${A:-b}`, `${A:+b}`. */
const VARIABLE = /\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+])([^{}]*))?\})/y;

/** A word without its quotes and escapes, its variables in place; none without `variables`, and none in single quotes. */
export function unquote(word: string, variables?: Variables): string {
  let result = '';
  let quote = '';
  for (let i = 0; i < word.length; i++) {
    const character = word[i] ?? '';
    if (character === '\\' && quote !== "'") {
      const next = word[++i] ?? '';
      // Inside double quotes only the quote, the dollar and the backslash are escaped.
      result += quote === '"' && !/["$\\]/.test(next) ? `\\${next}` : next;
    } else if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === '$' && quote !== "'" && variables !== undefined) {
      const found = variableAt(word, i, variables);
      result += found?.value ?? character;
      i += (found?.length ?? 1) - 1;
    } else result += character;
  }
  return result;
}

function variableAt(
  word: string,
  start: number,
  variables: Variables,
): { readonly value: string; readonly length: number } | undefined {
  VARIABLE.lastIndex = start;
  const match = VARIABLE.exec(word);
  if (match === null) return undefined;
  const [{ length }, bare, braced = '', rule = '', other = ''] = match;
  const value = variables(bare ?? braced);
  const isSet = value !== undefined && (value !== '' || !rule.startsWith(':'));
  if (isSet === rule.endsWith('+') && rule !== '')
    return { value: unquote(other, variables), length };
  return { value: rule.endsWith('+') ? '' : (value ?? ''), length };
}
