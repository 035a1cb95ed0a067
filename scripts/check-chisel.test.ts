import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chiselFindings, MAX_FUNCTION_LINES, withoutComments } from './check-chisel.ts';
import { CHISEL_PARTS, type ChiselPart } from './chisel-parts.ts';
import { ROOT } from './tools.ts';

const PARTS: readonly ChiselPart[] = [
  { name: 'inner', files: ['x.c', 'x.h'], maxLines: 100, includes: [] },
  { name: 'outer', files: ['y.c', 'y.h'], maxLines: 100, includes: ['inner'] },
];

const messagesOf = (text: string, file = 'chisel/x.c'): readonly string[] =>
  chiselFindings(new Map([[file, text]]), PARTS).map((one) => `${one.line} ${one.message}`);

test('chisel limits report calls that allocate, read the environment or trust a length', () => {
  assert.match(
    messagesOf('int f(void)\n{\n\tchar *p = malloc(n);\n}\n')[0] ?? '',
    /^3 calls malloc: memory is static/,
  );
  assert.match(messagesOf('\tx = getenv("PATH");\n')[0] ?? '', /never reads its environment/);
  assert.match(messagesOf('\tstrcpy(a, b);\n')[0] ?? '', /does not know the size/);
});

test('chisel limits accept such words in comments, strings and other names', () => {
  const rows = [
    '// malloc(n)',
    '/* as docker does */',
    'say("malloc(3)");',
    'my_malloc(n);',
    'o->system(x);',
  ];
  for (const row of rows) assert.deepEqual(messagesOf(`\t${row}\n`), [], row);
});

test('chisel limits report words of the layers above in code and strings', () => {
  assert.match(messagesOf('\tif (!strcmp(s, "docker")) return 0;\n')[0] ?? '', /says "docker"/);
  assert.match(messagesOf('struct oci_spec x;\n')[0] ?? '', /says "oci_spec"/);
});

test('chisel limits report a function and a part that are too long', () => {
  const body = '\tx++;\n'.repeat(MAX_FUNCTION_LINES);
  const styles = [
    'static int f(void)\n{\n',
    'static int f(void) {\n',
    'static int f(int a,\n\t     int b)\n{\n',
  ];
  for (const head of styles) {
    const found = messagesOf(`${head}${body}}\n`);
    assert.match(found[0] ?? '', /a function of \d+ lines, at most 60/, head);
    assert.deepEqual(messagesOf(`${head}\tx++;\n}\n`), [], head);
  }
  assert.deepEqual(messagesOf('int x;\n/* why */\n\n'.repeat(100)), []);
  const long = messagesOf('int x;\n'.repeat(101));
  assert.match(long[0] ?? '', /101 lines of code in the part "inner", at most 100/);
  assert.deepEqual(messagesOf('int x;\n'.repeat(101), 'chisel/plan.h'), []);
});

test('chisel limits report a file of no part, and a header that a part shall not know', () => {
  assert.match(messagesOf('int x;\n', 'chisel/z.c')[0] ?? '', /belongs to no part/);
  assert.deepEqual(messagesOf('#include "x.h"\n#include "plan.h"\n', 'chisel/y.c'), []);
  assert.deepEqual(messagesOf('int x;\n#include "y.h"\n'), ['2 "inner" includes y.h of "outer"']);
  assert.deepEqual(messagesOf('#include "z.h"\n'), ['1 "inner" includes z.h of "nobody"']);
});

test('every file of the chisel is in one part, and every part has files', () => {
  const names = CHISEL_PARTS.flatMap(({ files }) => files);
  assert.equal(new Set(names).size, names.length);
  const there = readdirSync(join(ROOT, 'chisel')).filter((name) => /\.[ch]$/.test(name));
  assert.deepEqual(names.toSorted(), there.filter((name) => name !== 'plan.h').toSorted());
});

test('withoutComments() keeps strings, offsets and lines', () => {
  assert.equal(withoutComments('a /* b\nc */ "//d" // e\nf'), `a     \n     "//d"     \nf`);
});
