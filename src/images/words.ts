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

/** A word without its quotes and escapes. */
export function unquote(word: string): string {
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
    else result += character;
  }
  return result;
}
