import assert from 'node:assert/strict';
import { appendFileSync, closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Growth, readGrowing } from './growth.ts';

async function withFile(run: (path: string, fd: number) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'carve-growth-'));
  const path = join(folder, 'file');
  writeFileSync(path, '');
  const fd = openSync(path, 'r');
  try {
    await run(path, fd);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

test('readGrowing() reads what there is, waits, and ends when the writer says so', async () => {
  await withFile(async (path, fd) => {
    const growth = new Growth();
    const reader = readGrowing(fd, growth);
    appendFileSync(path, 'first');
    growth.advance(5);
    assert.equal(String((await reader.next()).value), 'first');
    const next = reader.next();
    appendFileSync(path, ' second, not announced');
    growth.advance(12);
    assert.equal(String((await next).value), ' second');
    const end = reader.next();
    growth.complete();
    assert.equal((await end).done, true);
  });
});

test('readGrowing() reads a whole file of many pieces', async () => {
  await withFile(async (path, fd) => {
    const content = Buffer.alloc(1_000_003, 'abcdefg');
    writeFileSync(path, content);
    const parts: Buffer[] = [];
    for await (const chunk of readGrowing(fd, Growth.whole(content.length)))
      parts.push(Buffer.from(chunk));
    assert.ok(parts.length > 1);
    assert.ok(Buffer.concat(parts).equals(content));
  });
});

test('readGrowing() ends at the end of a file that is shorter than announced', async () => {
  await withFile(async (path, fd) => {
    writeFileSync(path, 'short');
    const reader = readGrowing(fd, Growth.whole(100));
    assert.equal(String((await reader.next()).value), 'short');
    assert.equal((await reader.next()).done, true);
  });
});

test('readGrowing() fails with what the writer failed with, also while it waits', async () => {
  await withFile(async (_, fd) => {
    const growth = new Growth();
    const failure = new Error('the network is gone');
    const waiting = readGrowing(fd, growth).next();
    growth.fail(failure);
    await assert.rejects(waiting, failure);
    growth.complete();
    await assert.rejects(readGrowing(fd, growth).next(), failure);
  });
});

test('readGrowing() goes on where it was when the writer starts anew', async () => {
  await withFile(async (path, fd) => {
    const growth = new Growth();
    const reader = readGrowing(fd, growth);
    writeFileSync(path, 'abc');
    growth.advance(3);
    assert.equal(String((await reader.next()).value), 'abc');
    const next = reader.next();
    writeFileSync(path, '');
    growth.advance(0);
    writeFileSync(path, 'abcdef');
    growth.advance(6);
    growth.complete();
    assert.equal(String((await next).value), 'def');
    assert.equal((await reader.next()).done, true);
  });
});
