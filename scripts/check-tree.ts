/**
 * Small rules about the whole tree: the lock file names no registry, no test
 * is switched off or sleeps, no check is switched off without its reason, and
 * what is left open has an issue.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Finding, formatFindings, lineAt, readTree, type SourceTree } from './findings.ts';
import { ROOT } from './tools.ts';

interface TextRule {
  readonly pattern: RegExp;
  readonly message: string;
  /** Which files it is about. */
  readonly applies: (path: string) => boolean;
}

const isTest = (path: string): boolean => path.endsWith('.test.ts');
const isCode = (path: string): boolean => /\.(?:ts|mjs|c|h)$/.test(path);
/** The file with these patterns, and the tests that plant violations, would find themselves. */
const PLANTING: readonly string[] = [
  'scripts/check-tree.ts',
  'scripts/check-tree.test.ts',
  'scripts/lint.test.ts',
];

/** Each matches the offending text; built from parts where the pattern would match its own line. */
const RULES: readonly TextRule[] = [
  {
    pattern:
      /\b(?:test|it|describe|suite)\.(?:only|skip|todo)\b|[{,]\s*(?:only|skip|todo):\s*true/g,
    message: 'a test is focused or switched off: the run would look complete and is not',
    applies: isTest,
  },
  {
    pattern:
      /from 'node:timers\/promises'|\bawait (?:sleep|delay)\(|setTimeout\((?:resolve|done)\b/g,
    message: 'a test sleeps: await the event, or inject the clock',
    applies: (path) => isTest(path) && path.startsWith('src/'),
  },
  {
    pattern: /@ts-(?:ignore|nocheck|expect-error)/g,
    message: 'switches the type checker off: narrow the type instead',
    applies: (path) => path.endsWith('.ts'),
  },
  {
    pattern:
      /oxlint-disable(?!.*\s--\s\S)[^\n]*|eslint-disable[^\n]*|biome-ignore(?!.*: \S)[^\n]*/g,
    message: 'switches a rule off without " -- reason"',
    applies: isCode,
  },
  {
    pattern: /\b(?:TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/g,
    message: 'is left open without an issue: write TODO(#123)',
    applies: isCode,
  },
];

/** All violations of the text rules. */
export function treeFindings(tree: SourceTree): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [file, text] of tree) {
    if (PLANTING.includes(file)) continue;
    for (const { pattern, message, applies } of RULES) {
      if (!applies(file)) continue;
      for (const match of text.matchAll(pattern)) {
        findings.push({
          file,
          line: lineAt(text, match.index),
          message: `${match[0].trim()}: ${message}`,
        });
      }
    }
  }
  return findings;
}

/** Violations in the text of `package-lock.json`. */
export function lockFindings(text: string): readonly Finding[] {
  return [...text.matchAll(/"resolved":[^\n]*/g)].map((match) => ({
    file: 'package-lock.json',
    line: lineAt(text, match.index),
    message: 'names a registry: run npm with the .npmrc of this project, which leaves it out',
  }));
}

/** The check over this checkout. */
export function checkTree(): readonly Finding[] {
  const isText = (path: string): boolean => isCode(path) && !path.includes('fixtures/');
  const tree = readTree(ROOT, ['src', 'test', 'scripts', 'bench', 'chisel'], isText);
  return [
    ...treeFindings(tree),
    ...lockFindings(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')),
  ];
}

if (import.meta.main) {
  const findings = checkTree();
  process.stdout.write(formatFindings(findings));
  process.exitCode = findings.length === 0 ? 0 : 1;
}
