/** What a check found, and the texts that checks read. */

import { type Dirent, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** One violation of a rule, with its reason. */
export interface Finding {
  /** Path relative to the checkout. */
  readonly file: string;
  /** Line number, from 1; 0 when the finding is about the whole file. */
  readonly line: number;
  /** One sentence: what is wrong and why it matters. */
  readonly message: string;
}

/** Path (relative, with `/`) → text. Checks take this instead of a folder, so that tests can plant a tree. */
export type SourceTree = ReadonlyMap<string, string>;

/** Reads the files below `folders` whose name `isWanted`; a folder that is not there has no files. */
export function readTree(
  root: string,
  folders: readonly string[],
  isWanted: (path: string) => boolean,
): SourceTree {
  const tree = new Map<string, string>();
  for (const folder of folders) collect({ root, tree, isWanted }, join(root, folder));
  return tree;
}

interface Collection {
  readonly root: string;
  readonly tree: Map<string, string>;
  readonly isWanted: (path: string) => boolean;
}

function collect(collection: Collection, folder: string): void {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    const name = relative(collection.root, path);
    if (entry.isDirectory()) {
      if (entry.name !== 'node_modules') collect(collection, path);
    } else if (entry.isFile() && collection.isWanted(name)) {
      collection.tree.set(name, readFileSync(path, 'utf8'));
    }
  }
}

function entriesOf(folder: string): readonly Dirent[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** True for a TypeScript source that is not a test. */
export function isSource(path: string): boolean {
  return path.endsWith('.ts') && !path.endsWith('.test.ts');
}

/** Line number (from 1) of an offset into a text. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1))
    line++;
  return line;
}

/** `file:line: message` per finding. */
export function formatFindings(findings: readonly Finding[]): string {
  return findings
    .map(({ file, line, message }) => `${file}${line > 0 ? `:${line}` : ''}: ${message}\n`)
    .join('');
}
