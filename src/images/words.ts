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
const VARIABLE = /\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*(?::?[-+][^{}]*)?\})/;
/** Inside double quotes only the quote, the dollar and the backslash are escaped. */
const IN_QUOTES = new RegExp(`\\\\(["$\\\\])|${VARIABLE.source}`, 'g');
const PIECE = new RegExp(
  `\\\\([\\s\\S]?)|'([^']*)'|"((?:\\\\[\\s\\S]|[^"\\\\])*)"|${VARIABLE.source}`,
  'g',
);

/** A word without its quotes and escapes, its variables in place; none without `variables`, and none in single quotes. */
export function unquote(word: string, variables?: Variables): string {
  return word.replaceAll(PIECE, (piece: string, ...groups: readonly (string | undefined)[]) => {
    const [escaped, single, double] = groups;
    return escaped ?? single ?? unquoteDouble(double, variables) ?? valueOf(piece, variables);
  });
}

function unquoteDouble(
  text: string | undefined,
  variables: Variables | undefined,
): string | undefined {
  return text?.replaceAll(
    IN_QUOTES,
    (piece: string, character?: string) => character ?? valueOf(piece, variables),
  );
}

/** Value of one variable with its dollar and braces. */
function valueOf(text: string, variables: Variables | undefined): string {
  if (variables === undefined) return text;
  const inner = text.replaceAll(/^\$\{?|\}$/g, '');
  const [, name = '', rule, other = ''] = /^(\w+)(:?[-+])?([\s\S]*)$/.exec(inner) ?? [];
  if (rule === undefined) return variables(name) ?? '';
  return ruledValue(variables(name), rule, unquote(other, variables));
}

/** Of `${A:-b}` an empty value is none, of `${A-b}` it is one. */
function ruledValue(value: string | undefined, rule: string, other: string): string {
  const set = rule.startsWith(':') && value === '' ? undefined : value;
  if (rule.includes('-')) return set ?? other;
  return set === undefined ? '' : other;
}
