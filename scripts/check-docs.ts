/**
 * Fails on an exported symbol without a doc comment, on a numeric field whose
 * name and doc have no unit, on a wire type without its `Source:`, and on a
 * module without a header comment.
 *
 * It reads the declarations that the TypeScript compiler emits: one member a
 * line, comments kept, so no parser of our own can disagree with the language.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './child.ts';
import { type Finding, formatFindings, isSource, readTree, type SourceTree } from './findings.ts';
import { ROOT, TOOLS } from './tools.ts';

const CHECKED = ['src', 'scripts', 'bench'] as const;

const EXPORTED =
  /^export (?:declare )?(?:abstract )?(function|const|let|class|interface|type) ([\w$]+)/;
const LOCAL = /^(?:declare )?(?:abstract )?(function|const|let|class|interface|type) ([\w$]+)/;
const EXPORT_LIST = /^export (?:type )?\{([^}]*)\};$/;
const FIELD = /^\s+(?:static )?(?:readonly )?(['"\w$-]+)\??: (.+);$/;
const NUMERIC =
  /^(?:readonly )?\(?(?:number|bigint)\)?(?:\[\])?(?: \| (?:number|bigint|null|undefined|string))*$/;

/** Last words of a name that say what is counted. */
const UNIT_NAME =
  /(?:Bytes|Ms|Us|Ns|Seconds|Minutes|Hours|Days|Percent|Permille|Ratio|Count|Number|Index|Fd|Pid|Uid|Gid|Port|Code|Ticks|Rows|Columns|Lines|Mode|Flags|Mask|Version|Errno|Signal|Major|Minor|Bits|Slot|Line|Op|Priority|Status)$/;
const UNIT_WORD =
  /^(?:pid|ppid|id|kind|number|seq|priority|nice|retries|steps|uid|gid|fd|port|count|index|rows|columns|major|minor|errno|mode|umask|line|slot|signal|bytes|flags|code|status|(?:num_|N)\w+)$/;
/** Words of a doc that say what is counted. */
const UNIT_DOC =
  /\b(?:bytes?|[KMG]iB|characters?|digits?|bits?|milliseconds?|microseconds?|nanoseconds?|seconds?|minutes?|hours?|days?|ms|us|ns|µs|ticks|epoch|percent|per|counts?|number of|numbers?|how many|exit (?:code|status)|status|signals?|pids?|uids?|gids?|ports?|fds?|descriptors?|index|offset|weight|shares|cpus?|rows?|columns?|lines?|mode|flags?|masks?|versions?|errno|ids?|prefix length|length|times|attempts|retries|failures|priority|score|major|minor|slots?|opcode|operation|ratio|factor|level)\b|%|\d\s?(?:\.\.|–)\s?\d|CAP_\*|1 <</i;

/** Findings of one emitted declaration file; `source` is the text it was emitted from. */
export function docFindings(
  file: string,
  declarations: string,
  source: string,
): readonly Finding[] {
  const findings: Finding[] = [];
  const add = (name: string, message: string): number =>
    findings.push({ file, line: lineOf(source, name), message });
  if (!/^(?:#!.*\n)?\/\*\*/.test(source)) {
    add('', 'has no header comment: say what this module is, its invariant and its source');
  }
  const header = headerOf(source);
  const lines = declarations.split('\n');
  const exported = listedExports(lines);
  const documented = new Set<string>();
  lines.forEach((text, at) => {
    const doc = docBefore(lines, at);
    const name = exportedName(text, exported);
    if (name !== undefined) {
      if (doc === '' && !documented.has(name))
        add(name, `${name} is exported without a doc comment`);
      documented.add(name);
      const isType = /\b(?:interface|type) /.test(text);
      if (isType && file.startsWith('src/spec/') && !`${header}${doc}`.includes('Source:')) {
        add(
          name,
          `${name} is a type of src/spec without its "Source:" (specification and section)`,
        );
      }
    }
    const field = fieldWithoutUnit(text, doc);
    if (field !== undefined) add(field, `${field} is a number without a unit in its name or doc`);
  });
  return findings;
}

function headerOf(source: string): string {
  return /^(?:#!.*\n)?(\/\*\*[\s\S]*?\*\/)/.exec(source)?.[1] ?? '';
}

/** Names in `export { a, b as c };`: those are declared elsewhere in the file. */
function listedExports(lines: readonly string[]): ReadonlySet<string> {
  const names = lines.flatMap((text) => EXPORT_LIST.exec(text)?.[1]?.split(',') ?? []);
  return new Set(
    names.map((name) => name.trim().split(' ')[0] ?? '').filter((name) => name !== ''),
  );
}

function exportedName(text: string, listed: ReadonlySet<string>): string | undefined {
  const direct = EXPORTED.exec(text)?.[2];
  if (direct !== undefined) return direct;
  const local = LOCAL.exec(text)?.[2];
  return local !== undefined && listed.has(local) ? local : undefined;
}

/** Text of the doc comment that ends on the line above, or an empty string. */
function docBefore(lines: readonly string[], at: number): string {
  let start = at - 1;
  if (lines[start]?.trimEnd().endsWith('*/') !== true) return '';
  while (start >= 0 && lines[start]?.includes('/**') !== true) start--;
  return lines.slice(start, at).join('\n');
}

function fieldWithoutUnit(text: string, doc: string): string | undefined {
  const field = FIELD.exec(text);
  const name = field?.[1];
  if (name === undefined || !NUMERIC.test(field?.[2] ?? '')) return undefined;
  const hasUnit = UNIT_NAME.test(name) || UNIT_WORD.test(name) || UNIT_DOC.test(doc);
  return hasUnit ? undefined : name;
}

/** Line where a name is declared in the source, or 0. */
function lineOf(source: string, name: string): number {
  if (name === '') return 0;
  const word = name.replaceAll(/[^\w$-]/g, '').replaceAll('$', String.raw`\$`);
  const lines = source.split('\n');
  const declares = new RegExp(String.raw`\b(?:function|const|let|class|interface|type) ${word}\b`);
  const mentions = new RegExp(String.raw`(?<![\w$])['"]?${word}['"]?\??:`);
  const at = lines.findIndex((text) => declares.test(text));
  return 1 + (at === -1 ? lines.findIndex((text) => mentions.test(text)) : at);
}

/** Declarations of the checked folders, as the compiler emits them. */
async function emitDeclarations(root: string): Promise<SourceTree> {
  mkdirSync(join(root, 'build'), { recursive: true });
  const folder = mkdtempSync(join(root, 'build', 'declarations-'));
  const flags = '--noEmit false --declaration --emitDeclarationOnly --noEmitOnError false';
  try {
    await runChild([TOOLS.tsc, '-p', root, ...flags.split(' '), '--outDir', folder]);
    return readTree(folder, CHECKED, (path) => path.endsWith('.d.ts'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The check over a checkout; a source without declarations is a finding, never a pass. */
export async function checkDocs(root: string = ROOT): Promise<readonly Finding[]> {
  const declarations = await emitDeclarations(root);
  const findings: Finding[] = [];
  for (const [file, source] of readTree(root, CHECKED, isSource)) {
    const emitted = declarations.get(file.replace(/\.ts$/, '.d.ts'));
    if (emitted === undefined) {
      findings.push({
        file,
        line: 0,
        message: 'has no declarations: the compiler did not read it',
      });
    } else {
      findings.push(...docFindings(file, emitted, source));
    }
  }
  return findings;
}

if (import.meta.main) {
  const findings = await checkDocs();
  process.stdout.write(formatFindings(findings));
  process.exitCode = findings.length === 0 ? 0 : 1;
}
