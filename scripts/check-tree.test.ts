import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lockFindings, treeFindings } from './check-tree.ts';
import { checkTestKinds, strayTests } from './files.ts';

const messagesOf = (file: string, text: string): readonly string[] =>
  treeFindings(new Map([[file, text]])).map((one) => one.message);

test('tree rules report each planted violation', () => {
  const rows: readonly (readonly [string, string, RegExp])[] = [
    ['src/a.test.ts', "test.only('x', f);", /focused or switched off/],
    ['src/a.test.ts', "describe.skip('x', f);", /focused or switched off/],
    ['src/a.test.ts', "test('x', { skip: true }, f);", /focused or switched off/],
    ['src/a.test.ts', "test('x', { timeout: 1, todo: true }, f);", /focused or switched off/],
    ['src/a.test.ts', 'await sleep(100);', /a test sleeps/],
    ['src/a.test.ts', 'await new Promise((resolve) => setTimeout(resolve, 10));', /a test sleeps/],
    ['src/a.ts', '// @ts-ignore', /type checker off/],
    ['src/a.ts', '// @ts-expect-error because', /type checker off/],
    ['src/a.ts', '// oxlint-disable-next-line no-console', /without " -- reason"/],
    ['src/a.ts', '// eslint-disable-next-line no-console -- why', /without " -- reason"/],
    ['src/a.ts', '// biome-ignore format', /without " -- reason"/],
    ['chisel/a.c', '/* TODO later */', /without an issue/],
    ['scripts/a.mjs', '// FIXME', /without an issue/],
  ];
  for (const [file, text, expected] of rows)
    assert.match(messagesOf(file, text)[0] ?? '', expected, text);
});

test('tree rules accept what has its reason', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['src/a.test.ts', "test('x', { skip: missing('ip') }, f);"],
    ['src/a.test.ts', 'const timer = setTimeout(fail, 1000);'],
    ['src/a.ts', '// oxlint-disable-next-line no-console -- the one place that prints'],
    ['src/a.ts', '// TODO(#12): the v2 file'],
    ['test/kernel/a.test.ts', 'await new Promise((resolve) => setTimeout(resolve, 10));'],
  ];
  for (const [file, text] of rows) assert.deepEqual(messagesOf(file, text), [], text);
});

test('a test file in a folder that no kind runs is reported', () => {
  const paths = ['src/a.test.ts', 'test/kernel/b.test.ts', 'test/odd/c.test.ts', 'test/odd/d.ts'];
  assert.deepEqual(
    strayTests(paths).map((one) => one.file),
    ['test/odd/c.test.ts'],
  );
  assert.deepEqual(checkTestKinds(), []);
});

test('tree rules report a lock file that names a registry', () => {
  const lock =
    '{\n "a": {\n  "version": "1",\n  "resolved": "https://registry.example/a.tgz"\n }\n}\n';
  assert.equal(lockFindings(lock)[0]?.line, 4);
  assert.deepEqual(lockFindings('{ "version": "1" }'), []);
});
