import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chiselFindings,
  MAX_FUNCTION_LINES,
  MAX_TOTAL_LINES,
  withoutComments,
} from './check-chisel.ts';

const messagesOf = (text: string, file = 'chisel/x.c'): readonly string[] =>
  chiselFindings(new Map([[file, text]])).map((one) => `${one.line} ${one.message}`);

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

test('chisel limits report a function and a total that are too long', () => {
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
  const long = messagesOf('int x;\n'.repeat(MAX_TOTAL_LINES + 1));
  assert.match(long[0] ?? '', /lines of C, at most/);
  assert.deepEqual(messagesOf('int x;\n'.repeat(MAX_TOTAL_LINES + 1), 'chisel/plan.h'), []);
});

test('withoutComments() keeps strings, offsets and lines', () => {
  assert.equal(withoutComments('a /* b\nc */ "//d" // e\nf'), `a     \n     "//d"     \nf`);
});
