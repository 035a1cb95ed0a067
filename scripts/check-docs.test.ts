import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDocs, docFindings } from './check-docs.ts';
import { plantProject } from './planted.ts';

const HEADER = '/** A module. */\n';
const messagesOf = (file: string, declarations: string): readonly string[] =>
  docFindings(file, declarations, HEADER + declarations).map((one) => one.message);

test('docs report an exported symbol without a doc comment', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['export declare function f(): void;', 'f'],
    ['export declare const x: string;', 'x'],
    ['export interface I {\n}', 'I'],
    ['export type T = string;', 'T'],
    ['export declare abstract class C {\n}', 'C'],
    ['declare const y: string;\nexport { y };', 'y'],
  ];
  for (const [text, name] of rows) {
    const [message] = messagesOf('src/base/x.ts', text);
    assert.equal(message, `${name} is exported without a doc comment`, text);
    assert.deepEqual(messagesOf('src/base/x.ts', `/** It is. */\n${text}`), [], text);
  }
});

test('docs want one comment for all overloads of a function', () => {
  const text =
    '/** Adds. */\nexport declare function f(a: string): void;\nexport declare function f(a: boolean): void;';
  assert.deepEqual(messagesOf('src/base/x.ts', text), []);
});

test('docs report a numeric field whose name and doc have no unit', () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ['    readonly size: number;', true],
    ['    readonly size?: number | undefined;', true],
    ['    readonly size: bigint;', true],
    ['    readonly size: readonly number[];', true],
    ['    /** How big it is. */\n    readonly size: number;', true],
    ['    /** Bytes on disk. */\n    readonly size: number;', false],
    ['    readonly sizeBytes: number;', false],
    ['    readonly timeoutMs?: number;', false],
    ['    readonly pid: number;', false],
    ['    readonly name: string;', false],
    ['    size(): number;', false],
  ];
  for (const [line, isReported] of rows) {
    const text = `/** It is. */\nexport interface I {\n${line}\n}`;
    const expected = isReported ? ['size is a number without a unit in its name or doc'] : [];
    assert.deepEqual(messagesOf('src/base/x.ts', text), expected, line);
  }
});

test('docs report a type of src/spec without its source, in its doc or the header', () => {
  const text = '/** It is. */\nexport interface I {\n}';
  assert.equal(messagesOf('src/spec/x.ts', text).length, 1);
  assert.deepEqual(messagesOf('src/spec/x.ts', text.replace('is.', 'is. Source: OCI.')), []);
  assert.deepEqual(docFindings('src/spec/x.ts', text, `/** Source: OCI. */\n${text}`), []);
});

test('docs report a module without a header comment', () => {
  assert.match(
    docFindings('src/base/x.ts', '', 'export {};\n')[0]?.message ?? '',
    /no header comment/,
  );
});

test('docs read what the compiler emits for a whole project', async () => {
  using project = plantProject({
    'src/base/x.ts':
      '/** A module. */\nconst inner = { size: 1 };\nexport const outer: typeof inner = inner;\n',
    'src/base/y.ts': '/** A module. */\n\n/** Documented. */\nexport const y: string = "";\n',
  });
  const findings = await checkDocs(project.folder);
  assert.deepEqual(
    findings.map((one) => `${one.file}:${one.line} ${one.message}`),
    [
      'src/base/x.ts:2 size is a number without a unit in its name or doc',
      'src/base/x.ts:3 outer is exported without a doc comment',
    ],
  );
});
