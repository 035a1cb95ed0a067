/**
 * Limits of the C half: how much of it there may be, what it may not call, and
 * which words it may not know. Flags and sanitizers are the Makefile's matter.
 */

import { type Finding, formatFindings, lineAt, readTree, type SourceTree } from './findings.ts';
import { ROOT } from './tools.ts';

/** All of chisel/, generated header excepted, in lines: what it has today, to be lowered with it, never raised. */
export const MAX_TOTAL_LINES = 8500;
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

/** All violations in a tree of `chisel/…` paths. */
export function chiselFindings(tree: SourceTree): readonly Finding[] {
  const findings: Finding[] = [];
  let totalLines = 0;
  for (const [file, text] of tree) {
    if (file.endsWith('/plan.h')) continue;
    totalLines += text.split('\n').length - 1;
    const code = withoutComments(text);
    findings.push(...callFindings(file, code), ...wordFindings(file, code));
    findings.push(...lengthFindings(file, text));
  }
  if (totalLines > MAX_TOTAL_LINES) {
    const message = `${totalLines} lines of C, at most ${MAX_TOTAL_LINES}: what can be policy belongs to TypeScript`;
    findings.push({ file: 'chisel', line: 0, message });
  }
  return findings;
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
