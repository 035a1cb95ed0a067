import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { formatCounts, parseJunit, parseTap, runSuite, sumCounts, withExitCode } from './suite.ts';
import { ROOT } from './tools.ts';

const MIXED = `import { test } from 'node:test';
import assert from 'node:assert/strict';
test('passes', () => {});
test('fails', () => assert.equal(1, 2));
test('is skipped', { skip: 'for a reason' }, () => {});
`;

async function countsOf(runtime: 'bun' | 'node', text: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'carve-suite-'));
  try {
    writeFileSync(join(folder, 'a.test.ts'), text);
    const files = [relative(ROOT, join(folder, 'a.test.ts'))];
    const limits = { testTimeoutMs: 2_000, timeoutMs: 10_000 };
    return formatCounts(await runSuite({ name: 'a', runtime, files, ...limits }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const runtime of ['bun', 'node'] as const) {
  test(`runSuite() counts what ${runtime} ran`, async () => {
    assert.equal(await countsOf(runtime, MIXED), '1 passed, 1 failed, 1 skipped');
  });

  test(`runSuite() counts a file that ${runtime} cannot load, and one without tests, as failures`, async () => {
    assert.match(await countsOf(runtime, "throw new Error('x');\n"), /^0 passed, 1 failed/);
    assert.match(await countsOf(runtime, 'export {};\n'), /failed/);
  });
}

test('counts come from the reports', () => {
  assert.deepEqual(parseJunit('<testsuites name="x" tests="5" failures="1" skipped="2">'), {
    passed: 2,
    failed: 1,
    skipped: 2,
  });
  const tap = '1..4\n# tests 6\n# pass 3\n# fail 1\n# cancelled 1\n# skipped 2\n# todo 0\n';
  assert.deepEqual(parseTap(tap), { passed: 3, failed: 2, skipped: 2 });
});

test('a runner that ends badly or reports nothing has a failure', () => {
  const none = { passed: 0, failed: 0, skipped: 0 };
  assert.equal(withExitCode(none, 0).failed, 1);
  assert.equal(withExitCode({ ...none, passed: 1 }, 1).failed, 1);
  assert.equal(withExitCode({ ...none, passed: 1 }, 0).failed, 0);
});

test('sumCounts() and formatCounts() make the closing line', () => {
  const sum = sumCounts([
    { passed: 1, failed: 2, skipped: 3 },
    { passed: 4, failed: 0, skipped: 0 },
  ]);
  assert.equal(formatCounts(sum), '5 passed, 2 failed, 3 skipped');
});
