/** The driver of the chisel's host: answers, failures, cancellation, respawn. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import { openChisel } from '../../src/kernel/chisel.ts';
import type { Plan } from '../../src/kernel/plan/op.ts';
import { CHISEL_PATH } from './monitor-fixture.ts';

const O_DIRECTORY = 0o200000;

async function withDir(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'carve-chisel-'));
  try {
    await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

test('apply gives the data of reads, also when it takes many frames', async () => {
  await withDir(async (dir) => {
    await using chisel = await openChisel({ path: CHISEL_PATH });
    const content = Buffer.alloc(300_000, 'carve');
    await writeFile(join(dir, 'file'), content);
    const data = await chisel.apply([
      { op: 'open', slot: 0, path: dir, flags: O_DIRECTORY },
      { op: 'read', root: 0, path: 'file', maxBytes: 1_000_000 },
    ]);
    const view = Buffer.from(data);
    assert.equal(view.readUInt32LE(0), 0);
    assert.equal(view.readUInt32LE(4), content.byteLength);
    assert.ok(view.subarray(8).equals(content));
  });
});

test('a failing operation is an error with the kernel failure as its cause', async () => {
  await using chisel = await openChisel({ path: CHISEL_PATH });
  const plan: Plan = [
    { op: 'umask', mask: 0o22 },
    { op: 'open', slot: 0, path: '/no/such/directory', flags: O_DIRECTORY },
  ];
  await assert.rejects(chisel.apply(plan, { failure: 'Cannot look' }), (error) => {
    assert.ok(isEngineError(error));
    assert.match(error.message, /^Cannot look: open\("\/no\/such\/directory"\): ENOENT$/);
    assert.equal(error.details['index'], 1);
    assert.equal((error.cause as { readonly errno: string }).errno, 'ENOENT');
    return true;
  });
});

test('many plans at once get their own answers', async () => {
  await withDir(async (dir) => {
    await using chisel = await openChisel({ path: CHISEL_PATH });
    const names = Array.from({ length: 64 }, (_, index) => `file${index}`);
    await Promise.all(names.map((name) => writeFile(join(dir, name), name)));
    const answers = await Promise.all(
      names.map((path) =>
        chisel.apply([
          { op: 'open', slot: 0, path: dir, flags: O_DIRECTORY },
          { op: 'read', root: 0, path, maxBytes: 100 },
        ]),
      ),
    );
    const texts = answers.map((answer) => Buffer.from(answer).subarray(8).toString());
    assert.deepEqual(texts, names);
  });
});

test('a host that is killed fails what it worked on, and the next request has a new one', async () => {
  await using chisel = await openChisel({ path: CHISEL_PATH });
  const { hostPid } = chisel;
  assert.ok(hostPid !== undefined);
  process.kill(hostPid, 'SIGSTOP');
  const pending = chisel.apply([]);
  process.kill(hostPid, 'SIGKILL');
  await assert.rejects(pending, (error) => isEngineError(error) && error.kind === 'unavailable');
  assert.equal((await chisel.apply([])).byteLength, 0);
  assert.notEqual(chisel.hostPid, hostPid);
});

test('a cancelled apply rejects at once', async () => {
  await using chisel = await openChisel({ path: CHISEL_PATH });
  const isCancelled = (error: unknown): boolean =>
    isEngineError(error) && error.kind === 'cancelled';
  await assert.rejects(chisel.apply([], { signal: AbortSignal.abort() }), isCancelled);
  const abort = new AbortController();
  const pending = chisel.apply([], { signal: abort.signal });
  abort.abort();
  await assert.rejects(pending, isCancelled);
  assert.equal((await chisel.apply([])).byteLength, 0);
});

test('a chisel that cannot be run, or is another program, is unavailable', async () => {
  const isUnavailable = (error: unknown): boolean =>
    isEngineError(error) && error.kind === 'unavailable';
  await assert.rejects(openChisel({ path: '/no/such/chisel' }), isUnavailable);
  await assert.rejects(openChisel({ path: '/bin/false' }), isUnavailable);
});

test('after close nothing can be asked, and no process is left', async () => {
  const chisel = await openChisel({ path: CHISEL_PATH });
  const { hostPid } = chisel;
  await chisel.close();
  await chisel.close();
  await assert.rejects(
    chisel.apply([]),
    (error) => isEngineError(error) && error.kind === 'unavailable',
  );
  assert.throws(() => process.kill(hostPid ?? 0, 0));
});

test('a keeper has what an earlier plan opened; one that ended answers that it did', async () => {
  await withDir(async (dir) => {
    await writeFile(join(dir, 'file'), 'kept');
    await using chisel = await openChisel({ path: CHISEL_PATH });
    const keeper = chisel.openKeeper();
    const read: Plan = [
      { op: 'kept', slots: 1 },
      { op: 'read', root: 0, path: 'file', maxBytes: 10 },
    ];
    try {
      const before = Buffer.from(await keeper.apply(read, 'Cannot read'));
      assert.notEqual(before.readUInt32LE(0), 0, 'an empty slot is no directory');
      await keeper.apply([{ op: 'open', slot: 0, path: dir, flags: O_DIRECTORY }], 'Cannot open');
      const data = Buffer.from(await keeper.apply(read, 'Cannot read'));
      assert.equal(data.subarray(8).toString(), 'kept');
    } finally {
      await keeper.close();
    }
    assert.equal(keeper.isAlive, false);
    await assert.rejects(keeper.apply(read, 'Cannot read'), { kind: 'unavailable' });
  });
});
