import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WorkerPool } from './worker-pool.ts';

const MODULE = new URL('./unpack-worker.ts', import.meta.url);

test('WorkerPool gives a thread again once it is back, and a new one until then', async () => {
  const pool = new WorkerPool(MODULE);
  const first = pool.take();
  const second = pool.take();
  assert.notEqual(first, second);
  pool.giveBack(first);
  assert.equal(pool.take(), first);
  const ended = [once(first, 'exit'), once(second, 'exit')];
  pool.giveBack(first);
  pool.giveBack(second);
  pool.close();
  await Promise.all(ended);
});

test('WorkerPool gives no thread that has ended', async () => {
  const pool = new WorkerPool(MODULE);
  const gone = pool.take();
  pool.giveBack(gone);
  const exit = once(gone, 'exit');
  await gone.terminate();
  await exit;
  const next = pool.take();
  assert.notEqual(next, gone);
  pool.giveBack(next);
  const ended = once(next, 'exit');
  pool.close();
  await ended;
});
