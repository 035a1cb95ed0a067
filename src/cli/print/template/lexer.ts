/**
 * A format's text as tokens. Pure. The language is the subset of Go's
 * templates that people use with `--format`.
 *
 * Source: Go `text/template`, "Actions" and "Text and spaces".
 */

import { EngineError } from '../../../base/error.ts';

/** A piece of an action. */
export interface Token {
  readonly kind: 'field' | 'dot' | 'variable' | 'word' | 'string' | 'number' | 'mark';
  /** A field's or variable's name without its sign, a string's value, a mark's characters. */
  readonly text: string;
  /** No space before it: `.A.B` is one chain, `.A .B` are two operands. */
  readonly isGlued: boolean;
}

/** A format cut at its actions. */
export type Segment =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly tokens: readonly Token[] };

/** A format that cannot be read. */
export function formatError(reason: string): EngineError {
  return new EngineError('invalid', `Cannot use the format: ${reason}`, {
    details: { source: 'format' },
  });
}

/** Cuts a format into texts and actions. Comments vanish; `{{-` and `-}}` trim the text beside them. Throws `invalid`. */
export function lexTemplate(format: string): readonly Segment[] {
  const segments: Segment[] = [];
  let at = 0;
  let isTrimmed = false;
  while (at < format.length) {
    const open = format.indexOf('{{', at);
    let text = format.slice(at, open < 0 ? format.length : open);
    if (isTrimmed) text = text.trimStart();
    const isTrimOpen = open >= 0 && /^\{\{-\s/.test(format.slice(open, open + 4));
    if (isTrimOpen) text = text.trimEnd();
    if (text !== '') segments.push({ kind: 'text', text });
    if (open < 0) break;
    const action = lexAction(format, open + (isTrimOpen ? 3 : 2));
    if (action.tokens !== undefined) segments.push({ kind: 'action', tokens: action.tokens });
    at = action.end;
    isTrimmed = action.isTrimClose;
  }
  return segments;
}

interface LexedAction {
  /** `undefined` for a comment. */
  readonly tokens: readonly Token[] | undefined;
  /** Where the text goes on. */
  readonly end: number;
  readonly isTrimClose: boolean;
}

const space = /\s*/y;
const close = /(?:\s-)?\}\}/y;
const comment = /\s*\/\*[\s\S]*?\*\/(?:\s-)?\}\}/y;
/** One alternative per kind; the order matters. */
const pieces = new RegExp(
  [
    String.raw`\.(?<field>[\p{L}_][\p{L}\p{N}_]*)`,
    String.raw`\$(?<variable>[\p{L}\p{N}_]*)`,
    String.raw`(?<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))`,
    String.raw`(?<word>[\p{L}_][\p{L}\p{N}_]*)`,
    String.raw`(?<string>"(?:[^"\\\n]|\\.)*")`,
    '`(?<raw>[^`]*)`',
    String.raw`'(?<char>[^'\\\n]|\\.[^']*)'`,
    String.raw`(?<mark>:=|[|(),=])`,
    String.raw`(?<dot>\.)`,
  ].join('|'),
  'uy',
);

/** `expression` at `at`; its own copy, as a sticky expression remembers where it was. */
function matchAt(expression: RegExp, text: string, at: number): RegExpExecArray | null {
  const own = new RegExp(expression);
  own.lastIndex = at;
  return own.exec(text);
}

function lexAction(format: string, start: number): LexedAction {
  const remark = matchAt(comment, format, start);
  if (remark !== null) {
    return {
      tokens: undefined,
      end: start + remark[0].length,
      isTrimClose: /\s-\}\}$/.test(remark[0]),
    };
  }
  const tokens: Token[] = [];
  for (let at = start; ; ) {
    const end = matchAt(close, format, at);
    if (end !== null)
      return {
        tokens,
        end: at + end[0].length,
        isTrimClose: end[0].startsWith('-') || end[0].length > 2,
      };
    const gap = matchAt(space, format, at)?.[0].length ?? 0;
    const afterGap = matchAt(close, format, at + gap);
    if (afterGap !== null)
      return { tokens, end: at + gap + afterGap[0].length, isTrimClose: false };
    if (at + gap >= format.length) throw formatError('an action "{{" is not closed');
    const match = matchAt(pieces, format, at + gap);
    if (match === null)
      throw formatError(`unexpected ${JSON.stringify(format[at + gap])} in an action`);
    tokens.push(tokenOf(match, gap === 0));
    at += gap + match[0].length;
  }
}

function tokenOf(match: RegExpExecArray, isGlued: boolean): Token {
  const groups = match.groups ?? {};
  const { field, variable, number, word, string, raw, char, mark } = groups;
  if (field !== undefined) return { kind: 'field', text: field, isGlued };
  if (variable !== undefined) return { kind: 'variable', text: variable, isGlued };
  if (number !== undefined) return { kind: 'number', text: number, isGlued };
  if (word !== undefined) return { kind: 'word', text: word, isGlued };
  if (string !== undefined) return { kind: 'string', text: unquote(string.slice(1, -1)), isGlued };
  if (raw !== undefined) return { kind: 'string', text: raw, isGlued };
  if (char !== undefined)
    return { kind: 'number', text: String(unquote(char).codePointAt(0) ?? 0), isGlued };
  if (mark !== undefined) return { kind: 'mark', text: mark, isGlued };
  return { kind: 'dot', text: '.', isGlued };
}

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** The value of a quoted string's inside. */
function unquote(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/gs,
    (_all, ...groups: readonly (string | undefined)[]) => {
      const [hex2, hex4, hex8, octal, letter] = groups;
      const hex = hex2 ?? hex4 ?? hex8;
      if (hex !== undefined)
        return String.fromCodePoint(Math.min(Number.parseInt(hex, 16), 0x10ffff));
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      return escapes[letter ?? ''] ?? letter ?? '';
    },
  );
}
