/**
 * Limits of the C half: how much of each part there may be and what it may
 * include, what none may call, and which words none may know. Flags and
 * sanitizers are the Makefile's matter.
 */

import { CHISEL_PARTS, type ChiselPart, partOf } from './chisel-parts.ts';
import { type Finding, formatFindings, lineAt, readTree, type SourceTree } from './findings.ts';
import { ROOT } from './tools.ts';

/** One function from its `{` to its `}`, in lines. */
export const MAX_FUNCTION_LINES = 60;

/** Identifier → why the chisel does not use it. */
const FORBIDDEN_CALLS: Readonly<Record<string, string>> = {
  malloc: 'memory is static or one bounded mmap',
  calloc: 'memory is static or one bounded mmap',
  realloc: 'memory is static or one bounded mmap',
  alloca: 'memory is static or one bounded mmap',
  strdup: 'memory is static or one bounded mmap',
  getenv: 'the chisel never reads its environment',
  secure_getenv: 'the chisel never reads its environment',
  system: 'only execve(2) of what a plan names',
  popen: 'only execve(2) of what a plan names',
  execvp: 'the search path is the plan’s, not the environment’s',
  execlp: 'the search path is the plan’s, not the environment’s',
  printf: 'stdio costs memory in every monitor',
  fprintf: 'stdio costs memory in every monitor',
  sprintf: 'it does not know the size of its buffer',
  vsprintf: 'it does not know the size of its buffer',
  strcpy: 'it does not know the size of its buffer',
  strcat: 'it does not know the size of its buffer',
  gets: 'it does not know the size of its buffer',
  getpwnam: 'no name service: users are numbers here',
  getgrnam: 'no name service: users are numbers here',
  dlopen: 'nothing is loaded at run time',
};

/** Words of the layers above, looked for in code and strings, not in comments. */
const FOREIGN_WORDS = /\b(?:docker|oci|podman|containerd|dockerfile|hostconfig|registry)\w*/gi;

/** Generated, and everybody's. */
const GENERATED = 'plan.h';

/** All violations in a tree of `chisel/…` paths. */
export function chiselFindings(
  tree: SourceTree,
  parts: readonly ChiselPart[] = CHISEL_PARTS,
): readonly Finding[] {
  const findings: Finding[] = [];
  const linesOf = new Map<string, number>();
  for (const [file, text] of tree) {
    const name = file.slice('chisel/'.length);
    if (name === GENERATED) continue;
    const code = withoutComments(text);
    findings.push(...callFindings(file, code), ...wordFindings(file, code));
    findings.push(...lengthFindings(file, text));
    const part = partOf(name, parts);
    if (part === undefined) {
      const message = 'belongs to no part: scripts/chisel-parts.ts says what each is for';
      findings.push({ file, line: 0, message });
      continue;
    }
    linesOf.set(part.name, (linesOf.get(part.name) ?? 0) + countLines(code));
    findings.push(...includeFindings({ file, code, part, parts }));
  }
  for (const { name, maxLines } of parts) {
    const count = linesOf.get(name) ?? 0;
    if (count <= maxLines) continue;
    const message = `${count} lines of code in the part "${name}", at most ${maxLines}: what can be policy belongs to TypeScript`;
    findings.push({ file: 'chisel', line: 0, message });
  }
  return findings;
}

function countLines(code: string): number {
  return code.split('\n').filter((line) => line.trim() !== '').length;
}

/** Headers of parts that this one shall not know. */
function includeFindings({
  file,
  code,
  part,
  parts,
}: {
  readonly file: string;
  readonly code: string;
  readonly part: ChiselPart;
  readonly parts: readonly ChiselPart[];
}): readonly Finding[] {
  return [...code.matchAll(/^#include "([^"]+)"/gm)].flatMap((match) => {
    const header = match[1] ?? '';
    const owner = partOf(header, parts)?.name;
    const isAllowed =
      header === GENERATED || owner === part.name || part.includes.includes(owner ?? '');
    if (isAllowed) return [];
    const message = `"${part.name}" includes ${header} of "${owner ?? 'nobody'}"`;
    return [{ file, line: lineAt(code, match.index), message }];
  });
}

/** The text with comments blanked; offsets and lines stay. */
export function withoutComments(text: string): string {
  const token = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  const blank = (match: string): string =>
    match.startsWith('/') ? match.replaceAll(/[^\n]/g, ' ') : match;
  return text.replaceAll(token, blank);
}

function callFindings(file: string, code: string): readonly Finding[] {
  const names = Object.keys(FORBIDDEN_CALLS).join('|');
  const withoutStrings = code.replaceAll(/"(?:\\.|[^"\\\n])*"/g, (text) => ' '.repeat(text.length));
  const calls = withoutStrings.matchAll(new RegExp(String.raw`(?<![\w.>])(${names})\s*\(`, 'g'));
  return [...calls].map((match) => ({
    file,
    line: lineAt(code, match.index),
    message: `calls ${match[1]}: ${FORBIDDEN_CALLS[match[1] ?? '']}`,
  }));
}

function wordFindings(file: string, code: string): readonly Finding[] {
  return [...code.matchAll(FOREIGN_WORDS)].map((match) => ({
    file,
    line: lineAt(code, match.index),
    message: `says "${match[0]}": the chisel knows the kernel's ideas only`,
  }));
}

/** A function starts at a `{` that ends a line at the margin's declaration and ends at a `}` at the margin. */
function lengthFindings(file: string, text: string): readonly Finding[] {
  const findings: Finding[] = [];
  const lines = text.split('\n');
  let start = -1;
  lines.forEach((line, at) => {
    const opens =
      /^[\w\s*]+\b\w+\([^;]*\)\s*\{$/.test(line) || line === '{' || /^\s+.*\)\s*\{$/.test(line);
    if (start === -1 && opens && !/^\s+(?:if|for|while|switch)\b/.test(line)) start = at;
    if (!line.startsWith('}') || start === -1) return;
    const length = at - start + 1;
    if (length > MAX_FUNCTION_LINES) {
      const message = `a function of ${length} lines, at most ${MAX_FUNCTION_LINES}`;
      findings.push({ file, line: start + 1, message });
    }
    start = -1;
  });
  return findings;
}

/** The check over this checkout. */
export function checkChisel(): readonly Finding[] {
  const isC = (path: string): boolean => /\.[ch]$/.test(path) && !path.includes('/fuzz/');
  return chiselFindings(readTree(ROOT, ['chisel'], isC));
}

if (import.meta.main) {
  const findings = checkChisel();
  process.stdout.write(formatFindings(findings));
  process.exitCode = findings.length === 0 ? 0 : 1;
}
