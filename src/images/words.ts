/**
 * Words of a Dockerfile line: split at blanks outside quotes, quotes and
 * backslashes taken away afterwards. Source: Dockerfile reference "ENV", "LABEL".
 */

/** Words with their quotes; `undefined` when a quote is not closed. */
export function splitWords(text: string): readonly string[] | undefined {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const character = text[i] ?? '';
    if (character === '\\' && quote !== "'") {
      word += character + (text[++i] ?? '');
    } else if (quote === '' && /\s/.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else {
      if (character === quote) quote = '';
      else if (quote === '' && (character === '"' || character === "'")) quote = character;
      word += character;
    }
  }
  if (quote !== '') return undefined;
  if (word !== '') words.push(word);
  return words;
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
