/**
 * Fails on an import that the layer table forbids, on I/O in a pure folder, on
 * a reserved module outside its places, on a barrel, a default export, a
 * cycle, and on anything of Bun in `src/`. Type-only imports count: they tie
 * folders together as much as any other.
 */

import { posix } from 'node:path';
import {
  type Finding,
  formatFindings,
  isSource,
  lineAt,
  readTree,
  type SourceTree,
} from './findings.ts';
import { type Import, importsOf } from './imports.ts';
import {
  COMPUTING_MODULES,
  COMPUTING_NAMES,
  CONTRACT,
  IMPLEMENTATION,
  LAYERS,
  OPEN_FILES,
  OUTSIDE,
  PLANNED,
  PURE,
  RESERVED,
  TOP_FILES,
} from './layers.ts';
import { ROOT } from './tools.ts';

/** All violations in a tree of `src/…` paths. */
export function layerFindings(tree: SourceTree): readonly Finding[] {
  const findings = [...folderFindings(tree)];
  for (const [file, text] of tree) {
    findings.push(...textFindings(file, text));
    for (const one of importsOf(text)) {
      const message = importMessage(file.slice('src/'.length), one);
      if (message !== undefined) findings.push({ file, line: one.line, message });
    }
  }
  return [...findings, ...cycleFindings(tree)];
}

/** The folder of a path below `src/`, or the file's name at the top. */
function layerOf(path: string): string {
  return path.split('/')[0] ?? path;
}

function folderFindings(tree: SourceTree): readonly Finding[] {
  const present = new Set([...tree.keys()].map((file) => layerOf(file.slice('src/'.length))));
  const findings: Finding[] = [];
  const report = (message: string): number =>
    findings.push({ file: 'scripts/layers.ts', line: 0, message });
  for (const name of present) {
    if (LAYERS[name] === undefined && !TOP_FILES.includes(name)) {
      report(`src/${name} is not in the layer table: say what it may import`);
    }
    if (PLANNED.includes(name)) report(`src/${name} exists now: remove it from PLANNED`);
  }
  for (const name of Object.keys(LAYERS)) {
    if (!present.has(name) && !PLANNED.includes(name)) {
      report(`src/${name} is in the layer table but has no source: remove it or restore it`);
    }
  }
  return findings;
}

function importMessage(path: string, one: Import): string | undefined {
  const { specifier } = one;
  if (specifier.startsWith('.')) {
    return localMessage(path, posix.join(posix.dirname(path), specifier));
  }
  if (specifier.startsWith('node:')) return nodeMessage(path, one);
  if (specifier === 'bun' || specifier.startsWith('bun:')) {
    return `imports ${specifier}: src/ uses node:* modules only, so that Node.js can run it too`;
  }
  return `imports the package ${specifier}: a dependency of src/ needs a decision record and a place in check-layers.ts`;
}

function localMessage(path: string, target: string): string | undefined {
  const from = layerOf(path);
  const to = layerOf(target);
  if (target.startsWith('..')) {
    return OUTSIDE.get(path) === target ? undefined : `imports ${target}, which is outside src/`;
  }
  if (TOP_FILES.includes(from)) return undefined;
  if (TOP_FILES.includes(to)) return `imports ${to}: nobody imports the top files`;
  const layer = LAYERS[from];
  if (from === to || layer === undefined) return undefined;
  const isOpen = OPEN_FILES.some(({ by, files }) => by === from && files.test(target));
  if (!isOpen && !layer.mayImport.includes(to)) {
    return `${path} -> ${target}: ${from} may not import ${to}, because ${layer.because}`;
  }
  return contractMessage(path, target);
}

/** The engine and builds know stores by their contracts only. */
function contractMessage(path: string, target: string): string | undefined {
  const from = layerOf(path);
  const to = layerOf(target);
  if (from === 'engine' && IMPLEMENTATION.test(target)) {
    return `${path} -> ${target}: the engine uses contracts; only wiring.ts names an implementation`;
  }
  if (from === 'build' && !['base', 'spec'].includes(to) && !CONTRACT.test(target)) {
    return `${path} -> ${target}: build uses the contract files of ${to} only`;
  }
  return undefined;
}

function nodeMessage(path: string, { specifier, names }: Import): string | undefined {
  const computing = COMPUTING_NAMES[specifier];
  if (names.length > 0 && names.every((name) => computing?.has(name) === true)) return undefined;
  const isShared = OPEN_FILES.some(({ files }) => files.test(path));
  const pure = isShared ? path : PURE.find((folder) => path.startsWith(`${folder}/`));
  if (pure !== undefined && !COMPUTING_MODULES.has(specifier)) {
    return `${path} -> ${specifier}: ${pure} is pure, its code does no I/O`;
  }
  if (TOP_FILES.includes(path)) return undefined;
  for (const { modules, places, because } of RESERVED) {
    if (!modules.includes(specifier)) continue;
    const isPlace = places.some((place) =>
      place.endsWith('/') ? path.startsWith(place) : path === place,
    );
    if (!isPlace) return `${path} -> ${specifier}: ${because} (${places.join(', ')})`;
  }
  return undefined;
}

/** Rules on the text itself: reason per pattern; `isExempt` names the file that may. */
const TEXT_RULES: readonly {
  readonly pattern: RegExp;
  readonly message: string;
  readonly exempt?: string;
}[] = [
  {
    pattern: /^export\s+default\b/m,
    message: 'has a default export: a file exports its main thing by name',
  },
  {
    pattern: /^export\s+(?:type\s+)?(?:\*|\{[^}]*\})\s*(?:as\s+\w+\s*)?from\b/m,
    message: 'passes on the exports of another file: import from where a thing is',
    exempt: 'src/index.ts',
  },
  {
    pattern: /^(?!\s*(?:\*|\/)).*(?<![\w.])Bun\.\w/m,
    message: 'uses Bun.*: src/ uses node:* modules only, so that Node.js can run it too',
  },
  {
    pattern: /^(?!\s*(?:\*|\/)).*(?:await|return|=>|=|\()\s*import\(\s*(?!['"])\S/m,
    message: 'imports a module by a name made at run time: no check can follow it',
  },
];

function textFindings(file: string, text: string): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { pattern, message, exempt } of TEXT_RULES) {
    const match = file === exempt ? null : pattern.exec(text);
    if (match !== null) findings.push({ file, line: lineAt(text, match.index + 1), message });
  }
  return findings;
}

/** One finding per cycle, told as the way around. */
function cycleFindings(tree: SourceTree): readonly Finding[] {
  const findings: Finding[] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const start = way.indexOf(file);
    if (start !== -1) {
      const cycle = [...way.slice(start), file].join(' -> ');
      findings.push({ file, line: 0, message: `import cycle: ${cycle}` });
      return;
    }
    if (done.has(file)) return;
    for (const { specifier } of importsOf(tree.get(file) ?? '')) {
      if (specifier.startsWith('.')) {
        visit(posix.join(posix.dirname(file), specifier), [...way, file]);
      }
    }
    done.add(file);
  };
  for (const file of tree.keys()) visit(file, []);
  return findings;
}

/** The check over this checkout. */
export function checkLayers(): readonly Finding[] {
  return layerFindings(readTree(ROOT, ['src'], isSource));
}

if (import.meta.main) {
  const findings = checkLayers();
  process.stdout.write(formatFindings(findings));
  process.exitCode = findings.length === 0 ? 0 : 1;
}
