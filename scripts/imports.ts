/**
 * Which modules a TypeScript text names. TypeScript 7 has no compiler API for
 * scripts, and the formatter keeps every import at the start of a line, so
 * three patterns see them all; strings built at run time are refused by
 * `check-layers.ts`.
 */

import { lineAt } from './findings.ts';

/** One module that a file names. */
export interface Import {
  readonly specifier: string;
  /** Line number, from 1. */
  readonly line: number;
  /** Erased at run time; it counts for layers all the same. */
  readonly isType: boolean;
  /** Names in the braces of a statement; empty where all of the module is taken. */
  readonly names: readonly string[];
}

/** `import … from 'x'`, `import 'x'`, `export … from 'x'` at the start of a line. */
const STATEMENT = /^(?:import|export)\s+(type\s)?(?:[^'"`;]*?\bfrom\s*)?(['"])([^'"\n]+)\2/gm;
/** `import('x')`, also in a type. */
const CALL = /\bimport\(\s*(['"])([^'"\n]+)\1/g;
/** Other ways to reach a module by name. */
const OTHER = /\b(?:require|getBuiltinModule|requireModule)\(\s*(['"])([^'"\n]+)\1/g;
/** The entry of a worker is an import too. */
const WORKER = /new URL\(\s*(['"])(\.[^'"\n]+)\1\s*,\s*import\.meta\.url/g;

/** Every module named in `text`, in order of line. */
export function importsOf(text: string): readonly Import[] {
  const found: Import[] = [];
  for (const match of text.matchAll(STATEMENT)) {
    found.push(makeImport(text, match, { group: 3, isType: match[1] !== undefined }));
  }
  for (const pattern of [CALL, OTHER, WORKER]) {
    for (const match of text.matchAll(pattern)) {
      if (!isInComment(text, match.index)) {
        found.push(makeImport(text, match, { group: 2, isType: false }));
      }
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

function makeImport(
  text: string,
  match: RegExpExecArray,
  how: { readonly group: number; readonly isType: boolean },
): Import {
  const end = match.index + match[0].length;
  const line = lineAt(text, end);
  return { specifier: match[how.group] ?? '', line, isType: how.isType, names: namesIn(match[0]) };
}

/** `import { a, type b as c } from` → `a`, `b`; anything but a list alone takes all of the module. */
function namesIn(statement: string): readonly string[] {
  const list = /^(?:import|export)\s+(?:type\s+)?\{([^}]*)\}/.exec(statement)?.[1] ?? '';
  const items = list.split(',').map(
    (item) =>
      item
        .trim()
        .replace(/^type\s+/, '')
        .split(' ')[0] ?? '',
  );
  return items.filter((item) => item !== '');
}

/** A line that starts as a comment does, or has `//` before the offset. */
function isInComment(text: string, offset: number): boolean {
  const start = text.lastIndexOf('\n', offset) + 1;
  const before = text.slice(start, offset);
  return /^\s*(?:\*|\/\*)/.test(before) || before.includes('//');
}
