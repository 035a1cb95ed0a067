import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layerFindings } from './check-layers.ts';
import { importsOf } from './imports.ts';
import { LAYERS, PLANNED } from './layers.ts';

/** A tree that the check accepts: one file in every folder. */
function cleanTree(): Map<string, string> {
  const folders = Object.keys(LAYERS).filter((name) => !PLANNED.includes(name));
  return new Map(folders.map((name) => [`src/${name}/a.ts`, 'export const a: number = 1;\n']));
}

const findingsWith = (file: string, text: string): readonly string[] => {
  const tree = cleanTree().set(file, text);
  return layerFindings(tree).map((one) => `${one.file}:${one.line} ${one.message}`);
};

test('layers accept a clean tree', () => {
  assert.deepEqual(layerFindings(cleanTree()), []);
});

test('layers report every kind of violation at its line, with the reason', () => {
  const rows: readonly (readonly [string, string, RegExp])[] = [
    [
      'src/kernel/x.ts',
      "import { a } from '../engine/a.ts';\n",
      /x\.ts:1 .*kernel may not import engine, because the kernel half/,
    ],
    [
      'src/kernel/x.ts',
      "\nimport type { A } from '../engine/a.ts';\n",
      /x\.ts:2 .*kernel may not import engine/,
    ],
    [
      'src/kernel/x.ts',
      "import {\n  a,\n} from '../engine/a.ts';\n",
      /x\.ts:3 .*kernel may not import engine/,
    ],
    ['src/kernel/x.ts', "export type X = import('../engine/a.ts').A;\n", /may not import engine/],
    ['src/kernel/x.ts', "const x = await import('../engine/a.ts');\n", /may not import engine/],
    [
      'src/kernel/x.ts',
      "new Worker(new URL('../engine/a.ts', import.meta.url));\n",
      /may not import engine/,
    ],
    ['src/runtime/x.ts', "import { a } from '../snapshots/a.ts';\n", /meet as data in the engine/],
    ['src/images/x.ts', "import { a } from '../kernel/a.ts';\n", /images may not import kernel/],
    ['src/http/x.ts', "import { a } from '../images/a.ts';\n", /http may not import images/],
    [
      'src/engine/x.ts',
      "import { a } from '../content/disk.ts';\n",
      /only wiring\.ts names an implementation/,
    ],
    ['src/engine/x.ts', "import { a } from '../wiring.ts';\n", /nobody imports the top files/],
    ['src/base/x.ts', "import fs from 'node:fs';\n", /base is pure/],
    ['src/runtime/plan/x.ts', "import { connect } from 'node:net';\n", /runtime\/plan is pure/],
    ['src/engine/x.ts', "import { spawn } from 'node:child_process';\n", /few known places/],
    ['src/engine/x.ts', "process.getBuiltinModule('node:child_process');\n", /few known places/],
    ['src/engine/x.ts', "import { connect } from 'node:net';\n", /sockets belong to/],
    ['src/engine/x.ts', "import { isIP, connect } from 'node:net';\n", /sockets belong to/],
    ['src/engine/x.ts', "import { file } from 'bun';\n", /node:\* modules only/],
    ['src/engine/x.ts', 'export const x: unknown = Bun.file;\n', /uses Bun\.\*/],
    ['src/engine/x.ts', "import yaml from 'yaml';\n", /needs a decision record/],
    ['src/engine/x.ts', 'const x = await import(name);\n', /made at run time/],
    ['src/engine/x.ts', 'export default 1;\n', /default export/],
    ['src/engine/x.ts', "export { a } from './a.ts';\n", /passes on the exports/],
    ['src/engine/x.ts', "export * from './a.ts';\n", /passes on the exports/],
    ['src/engine/x.ts', "import { a } from '../../scripts/a.ts';\n", /outside src/],
    ['src/novel/x.ts', '', /novel is not in the layer table/],
  ];
  for (const [file, text, expected] of rows) {
    const found = findingsWith(file, text);
    assert.ok(
      found.some((one) => expected.test(one)),
      `${text.trim()} in ${file} gave ${JSON.stringify(found)}`,
    );
  }
});

test('layers accept what looks like a violation and is none', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['src/wiring.ts', "import { a } from './content/disk.ts';\nimport 'node:child_process';\n"],
    ['src/index.ts', "export { a } from './base/a.ts';\n"],
    ['src/kernel/chisel.ts', "import { spawn } from 'node:child_process';\nimport 'node:net';\n"],
    ['src/http/x.ts', "import http from 'node:http';\nimport { a } from '../engine/a.ts';\n"],
    ['src/engine/x.ts', "// import { a } from '../http/a.ts'\n * like Bun.file\n"],
    ['src/engine/x.ts', 'interface Images {\n  import(archive: string): void;\n}\n'],
    ['src/base/x.ts', "import { isIPv4, type SocketAddress } from 'node:net';\n"],
    ['src/cli/version.ts', "import manifest from '../../package.json' with { type: 'json' };\n"],
    ['src/spec/x.ts', "import { createHash } from 'node:crypto';\n"],
  ];
  for (const [file, text] of rows) assert.deepEqual(findingsWith(file, text), [], text);
});

test('layers report a cycle of type-only imports as the way around', () => {
  const tree = cleanTree()
    .set('src/engine/x.ts', "import type { Y } from './y.ts';\n")
    .set('src/engine/y.ts', "import type { X } from './x.ts';\n");
  const messages = layerFindings(tree).map((one) => one.message);
  assert.deepEqual(messages, [
    'import cycle: src/engine/x.ts -> src/engine/y.ts -> src/engine/x.ts',
  ]);
});

test('layers let the command line use the tar codec, which then must only compute', () => {
  const user = "import { a } from '../layers/tar-x.ts';\n";
  assert.deepEqual(findingsWith('src/cli/x.ts', user), []);
  assert.match(findingsWith('src/client/x.ts', user)[0] ?? '', /client may not import layers/);
  const codec = "import { open } from 'node:fs';\n";
  assert.match(
    findingsWith('src/layers/tar-x.ts', codec)[0] ?? '',
    /is pure, its code does no I\/O/,
  );
});

test('layers report a folder of the table that is gone', () => {
  const tree = cleanTree();
  tree.delete('src/http/a.ts');
  assert.match(
    layerFindings(tree)[0]?.message ?? '',
    /src\/http is in the layer table but has no source/,
  );
});

test('importsOf() finds every way to name a module, with type-only marked', () => {
  const text = [
    "import a, { type B } from './a.ts';",
    "import type { C } from './c.ts';",
    "import './side.ts';",
    "export * from './d.ts';",
    'const text = "from \'./not.ts\'";',
  ].join('\n');
  assert.deepEqual(
    importsOf(text).map((one) => [one.specifier, one.line, one.isType]),
    [
      ['./a.ts', 1, false],
      ['./c.ts', 2, true],
      ['./side.ts', 3, false],
      ['./d.ts', 4, false],
    ],
  );
});
