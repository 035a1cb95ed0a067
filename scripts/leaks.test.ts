import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { findLeaks, leaksBetween, readSystemState } from './leaks.ts';

test('leaksBetween() names what is new and forgives what is gone', () => {
  assert.deepEqual(leaksBetween(new Set(['a', 'b']), new Set(['b', 'd', 'c'])), ['c', 'd']);
});

test('findLeaks() reports a planted directory and a planted process, and waits for an ending one', async () => {
  const before = readSystemState();
  const folder = mkdtempSync(join(tmpdir(), 'carve-leak-'));
  const child = spawn('sleep', ['60'], { argv0: 'carve-monitor', stdio: 'ignore' });
  const disguised = spawn('sh', ['-c', 'read line', 'chisel host', 'chisel', 'host'], {
    stdio: 'pipe',
  });
  try {
    const planted = `temporary directory ${basename(folder)}`;
    const process = `process ${disguised.pid} `;
    const isFound = (leaks: readonly string[]): boolean =>
      leaks.includes(planted) && leaks.some((leak) => leak.startsWith(process));
    // A busy machine may not have run the program yet.
    let leaks = await findLeaks(before, 0);
    for (const end = performance.now() + 5_000; !isFound(leaks) && performance.now() < end; )
      leaks = await findLeaks(before, 0);
    assert.ok(isFound(leaks), `${planted}, ${process}:\n${leaks.join('\n')}`);
  } finally {
    rmSync(folder, { recursive: true });
    disguised.stdin.end();
    child.kill();
    await once(child, 'close');
  }
  const rest = await findLeaks(before);
  assert.ok(!rest.some((leak) => leak.includes(String(disguised.pid))), rest.join('\n'));
});
