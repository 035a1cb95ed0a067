/**
 * `npm run build`: `dist/carve`, one executable with the runtime, the engine
 * and the chisel inside; and `dist/carve.cjs` with `dist/chisel` beside it, the
 * same program for Node.js.
 *
 * **Invariant:** the same sources and tools give the same bytes, wherever the
 * checkout is (docs/decisions/0006).
 */

import { copyFileSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { runChild } from './child.ts';
import { ROOT, TOOLS } from './tools.ts';

/** The entry of the single file: it alone knows that the chisel is inside. */
const SINGLE_ENTRY = `import chisel from './chisel' with { type: 'file' };
import { main } from '../src/bin.ts';

void main(process.argv.slice(2), { kind: 'embedded', path: chisel });
`;

/** The entry for Node.js: the chisel lies beside it. (The bundler would make a constant of `__dirname`.) */
const NODE_ENTRY = `import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { main } from '../src/bin.ts';

const folder = dirname(realpathSync(process.argv[1] ?? ''));
void main(process.argv.slice(2), { kind: 'file', path: join(folder, 'chisel') });
`;

/** A worker thread starts with a file of its own; it lies in the bundle where it lies below `src/`. */
const WORKER = 'layers/unpack-worker';

/** Nothing in the directory where somebody runs carve may change how it runs. */
const NO_AUTOLOAD = ['dotenv', 'bunfig', 'tsconfig', 'package-json'].map(
  (name) => `--no-compile-autoload-${name}`,
);

async function bundle(flags: readonly string[]): Promise<void> {
  const argv = [TOOLS.bun, 'build', '--root=./src', ...flags];
  const { code, output } = await runChild(argv, { env: { BUN_OPTIONS: '' } });
  if (code !== 0) throw new Error(`bun build ended with ${code}:\n${output.trim()}`);
}

function writeEntry(name: string, text: string): string {
  writeFileSync(join(ROOT, 'build', name), text);
  return `./build/${name}`;
}

/** Builds everything; throws a text that says what went wrong. */
async function build(): Promise<void> {
  const dist = join(ROOT, 'dist');
  mkdirSync(dist, { recursive: true });
  await buildSingle(dist);
  // The bundler would write the path of this checkout; nothing in this bundle goes by it.
  const nowhere = `--define=import.meta.url="file:///carve.cjs"`;
  const node = ['--target=node', '--format=cjs', nowhere];
  await bundle([
    ...node,
    writeEntry('node.ts', NODE_ENTRY),
    `--outfile=${join(dist, 'carve.cjs')}`,
  ]);
  const worker = join(dist, `${WORKER}.cjs`);
  await bundle([...node, `./src/${WORKER}.ts`, `--outfile=${worker}`]);
  copyFileSync(join(ROOT, 'build', 'chisel'), join(dist, 'chisel'));
}

async function buildSingle(dist: string): Promise<void> {
  // Its own folder, because the name of the file is part of its contents.
  const part = join(dist, 'part');
  try {
    // In parts: a command reads the modules that it uses, not the engine's.
    const how = [
      '--compile',
      '--bytecode',
      '--format=esm',
      '--minify',
      '--splitting',
      ...NO_AUTOLOAD,
    ];
    const entries = [writeEntry('single.ts', SINGLE_ENTRY), `./src/${WORKER}.ts`];
    await bundle([...how, ...entries, `--outfile=${join(part, 'carve')}`]);
    renameSync(join(part, 'carve'), join(dist, 'carve'));
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

function describe(name: string): string {
  const megabytes = statSync(join(ROOT, 'dist', name)).size / 1_000_000;
  return `dist/${name}  ${megabytes.toFixed(1)} MB`;
}

try {
  await build();
  console.log(`carve ${manifest.version}`);
  for (const name of ['carve', 'carve.cjs', 'chisel']) console.log(`  ${describe(name)}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
