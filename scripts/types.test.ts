import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runChild } from './child.ts';
import { plantProject } from './planted.ts';
import { ROOT, TOOLS } from './tools.ts';

/** Strict flag → a text that only this flag refuses, and the error it gives. */
const PLANTED: Readonly<Record<string, { readonly text: string; readonly error: string }>> = {
  strict: { text: 'export function f(x) {\n  return x;\n}\n', error: 'TS7006' },
  exactOptionalPropertyTypes: {
    text: 'export const x: { readonly a?: number } = { a: undefined };\n',
    error: 'TS2375',
  },
  noUncheckedIndexedAccess: {
    text: 'export const f = (x: readonly number[]): number => x[0];\n',
    error: 'TS2322',
  },
  noPropertyAccessFromIndexSignature: {
    text: 'export const f = (x: Record<string, number>): number | undefined => x.a;\n',
    error: 'TS4111',
  },
  noImplicitOverride: {
    text: 'class A {\n  a(): void {}\n}\nexport class B extends A {\n  a(): void {}\n}\n',
    error: 'TS4114',
  },
  noImplicitReturns: {
    text: 'export function f(x: boolean): number | undefined {\n  if (x) return 1;\n}\n',
    error: 'TS7030',
  },
  noFallthroughCasesInSwitch: {
    text: 'export function f(x: number): number {\n  let y = 0;\n  switch (x) {\n    case 1:\n      y = 1;\n    default:\n      y += 2;\n  }\n  return y;\n}\n',
    error: 'TS7029',
  },
  noUnusedLocals: { text: 'const x = 1;\nexport {};\n', error: 'TS6133' },
  noUnusedParameters: { text: 'export function f(x: number): void {}\n', error: 'TS6133' },
  verbatimModuleSyntax: {
    text: "import { StatOptions } from 'node:fs';\nexport type X = StatOptions;\n",
    error: 'TS1484',
  },
  erasableSyntaxOnly: { text: 'export enum X {\n  a,\n}\n', error: 'TS1294' },
  allowUnreachableCode: {
    text: 'export function f(): number {\n  return 1;\n  return 2;\n}\n',
    error: 'TS7027',
  },
  lib: { text: 'export const x: unknown = document;\n', error: 'TS2584' },
};

test('tsc refuses a planted violation of every strict flag', async () => {
  const config = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')) as {
    compilerOptions: Record<string, unknown>;
  };
  const files = Object.entries(PLANTED).map(([flag, { text }]): [string, string] => [
    `src/${flag}.ts`,
    text,
  ]);
  using project = plantProject(Object.fromEntries(files));
  const { output, code } = await runChild([TOOLS.tsc, '-p', '.'], { cwd: project.folder });
  assert.notEqual(code, 0);
  for (const [flag, { error }] of Object.entries(PLANTED)) {
    assert.ok(flag in config.compilerOptions, `tsconfig.json says nothing of ${flag}`);
    const line = output.split('\n').find((one) => one.startsWith(`src/${flag}.ts`)) ?? 'no error';
    assert.match(line, new RegExp(error), flag);
  }
});

test('the formatter refuses a file in another format and accepts its own', async () => {
  const config = JSON.parse(readFileSync(join(ROOT, 'biome.json'), 'utf8')) as { vcs: unknown };
  using project = plantProject({
    'biome.json': JSON.stringify({ ...config, vcs: { enabled: false } }),
    'src/bad.ts': 'export const x: string = "a"\n',
    'src/good.ts': "export const x: string = 'a';\n",
  });
  const format = (file: string): ReturnType<typeof runChild> =>
    runChild([TOOLS.biome, 'format', file], { cwd: project.folder });
  const bad = await format('src/bad.ts');
  assert.equal(bad.code, 1, bad.output);
  const good = await format('src/good.ts');
  assert.equal(good.code, 0, good.output);
});
