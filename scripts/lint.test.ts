import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runChild } from './child.ts';
import { plantProject } from './planted.ts';
import { LINT_ENV, lintArgv, ROOT } from './tools.ts';

/** Body of `count` statements. */
const lines = (count: number): string =>
  'let n = 0;\n' + 'n += 1;\n'.repeat(count) + 'export { n };\n';

/** One violation for every rule of .oxlintrc.json. */
const PLANTED: Readonly<Record<string, string>> = {
  'typescript/no-floating-promises': 'const f = async (): Promise<void> => {};\nf();\n',
  'typescript/no-misused-promises':
    'const f = async (): Promise<void> => {};\n[1].forEach(async () => {\n  await f();\n});\n',
  'typescript/await-thenable': 'await 1;\n',
  'typescript/return-await':
    'const f = async (): Promise<number> => 1;\nexport async function g(): Promise<number> {\n  try {\n    return f();\n  } catch {\n    return 0;\n  }\n}\n',
  'typescript/only-throw-error': "throw 'text';\n",
  'typescript/use-unknown-in-catch-callback-variable':
    'await Promise.reject(new Error()).catch((error) => error);\n',
  'typescript/prefer-promise-reject-errors': "await Promise.reject('text');\n",
  'typescript/switch-exhaustiveness-check':
    "export function f(kind: 'a' | 'b'): void {\n  switch (kind) {\n    case 'a':\n  }\n}\n",
  'typescript/no-explicit-any': 'export const x: any = 1;\n',
  'typescript/no-unsafe-argument':
    "const f = (text: string): string => text;\nf(JSON.parse('1'));\n",
  'typescript/no-unsafe-assignment': "const x = JSON.parse('1');\nexport { x };\n",
  'typescript/no-unsafe-call': "JSON.parse('1')();\n",
  'typescript/no-unsafe-member-access': "JSON.parse('1').x;\n",
  'typescript/no-unsafe-return':
    "export const f = (): unknown[] => {\n  return JSON.parse('1');\n};\n",
  'typescript/no-unsafe-type-assertion': 'export const f = (x: unknown): string => x as string;\n',
  'typescript/no-non-null-assertion': 'export const f = (x?: string): string => x!;\n',
  'typescript/no-unnecessary-condition':
    'export function f(x: object): void {\n  if (x !== undefined) return;\n}\n',
  'typescript/strict-boolean-expressions':
    'export const f = (x: number): string => (x ? "a" : "b");\n',
  'typescript/consistent-type-imports':
    "import { Stats } from 'node:fs';\nexport type X = Stats;\n",
  'typescript/no-deprecated':
    '/** @deprecated */\nconst old = (): number => 1;\nexport const x: number = old();\n',
  'typescript/ban-ts-comment': '// @ts-ignore\nexport const x: number = 1;\n',
  'typescript/explicit-module-boundary-types': 'export function f() {\n  return 1;\n}\n',
  'import/no-default-export': 'export default 1;\n',
  'import/no-cycle': "import { b } from './b.ts';\nexport const a: number = b;\n",
  'oxc/no-barrel-file': "export * from './leaf.ts';\n",
  'unicorn/filename-case': 'export const x: number = 1;\n',
  'eslint/no-param-reassign': 'export function f(x: number): void {\n  x = 2;\n}\n',
  'eslint/no-shadow': 'const x = 1;\nexport const f = (x: number): number => x;\nf(x);\n',
  'eslint/no-console': 'console.log(1);\n',
  'eslint/eqeqeq': 'export const f = (x: number): boolean => x == 1;\n',
  'eslint/no-var': 'var x = 1;\nexport { x };\n',
  'eslint/prefer-const': 'let x = 1;\nexport { x };\n',
  'eslint/max-lines': lines(400),
  'eslint/max-lines-per-function': `export function f(): void {\n${lines(70).replace('export { n };', '')}}\n`,
  'eslint/max-params':
    'export const f = (a: number, b: number, c: number, d: number): number => a + b + c + d;\n',
  'eslint/max-depth':
    'export function f(x: boolean): void {\n  if (x) {\n    while (x) {\n      for (;;) {\n        if (x) return;\n      }\n    }\n  }\n}\n',
  'eslint/complexity': `export function f(x: number): void {\n${'  if (x === 1) return;\n'.repeat(13)}}\n`,
  'eslint/no-restricted-imports': "import 'bun';\n",
  'eslint/no-unused-vars': 'const unused = 1;\n',
};

const SUPPORT: Readonly<Record<string, string>> = {
  'src/import-no-cycle/b.ts':
    "import { a } from './planted-here.ts';\nexport const b: number = a;\n",
  'src/oxc-no-barrel-file/leaf.ts': 'export const leaf: number = 1;\n',
  'src/clean.ts':
    "import assert from 'node:assert/strict';\n\nexport function half(count: number): number {\n  assert.ok(count > 0);\n  return count / 2;\n}\n",
};

const folderOf = (rule: string): string => rule.replace('/', '-');

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
}

/** `eslint(no-var)` → `eslint/no-var`. */
const ruleOf = ({ code }: Diagnostic): string => code.replace('(', '/').replace(')', '');

async function lintPlanted(): Promise<readonly Diagnostic[]> {
  const files = Object.entries(PLANTED).map(([rule, text]): [string, string] => {
    const name = rule === 'unicorn/filename-case' ? 'PlantedHere.ts' : 'planted-here.ts';
    return [`src/${folderOf(rule)}/${name}`, text];
  });
  using project = plantProject({ ...Object.fromEntries(files), ...SUPPORT });
  const argv = lintArgv('src', '-f', 'json', '-c', join(ROOT, '.oxlintrc.json'));
  const { stdout } = await runChild(argv, { cwd: project.folder, env: LINT_ENV });
  return (JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics;
}

test('lint reports a planted violation of every rule and nothing in clean code', async () => {
  const config = JSON.parse(readFileSync(join(ROOT, '.oxlintrc.json'), 'utf8')) as {
    rules: Record<string, unknown>;
  };
  const found = await lintPlanted();
  const missed = Object.keys(PLANTED).filter(
    (rule) =>
      !found.some((one) => ruleOf(one) === rule && one.filename.includes(`/${folderOf(rule)}/`)),
  );
  assert.deepEqual(missed, [], 'rules that did not report their violation');
  const untested = Object.keys(config.rules).filter((rule) => PLANTED[rule] === undefined);
  assert.deepEqual(untested, [], 'rules of the configuration without a planted violation');
  assert.deepEqual(
    found.filter((one) => one.filename.endsWith('clean.ts')),
    [],
  );
});
