import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../base/error.ts';
import { interruptible } from './interruptible.ts';

const MIB = 1024 * 1024;

async function* chunks(count: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) {
    await Promise.resolve();
    // Written to, so that it costs memory.
    yield new Uint8Array(MIB).fill(index);
  }
}

test('interruptible() gives every chunk', async () => {
  const seen: number[] = [];
  for await (const chunk of interruptible(chunks(3), new AbortController().signal))
    seen.push(chunk[0] ?? -1);
  assert.deepEqual(seen, [0, 1, 2]);
});

test('interruptible() fails while its source is silent, and closes the source', async () => {
  const abort = new AbortController();
  let isClosed = false;
  const silent: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => undefined),
      return: () => {
        isClosed = true;
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  const first = interruptible(silent, abort.signal).next();
  abort.abort();
  await assert.rejects(first, (error) => isEngineError(error) && error.kind === 'cancelled');
  assert.equal(isClosed, true);
});

test('interruptible() fails at once when it was cancelled before', async () => {
  const all = interruptible(chunks(1), AbortSignal.abort());
  await assert.rejects(all.next(), (error) => isEngineError(error) && error.kind === 'cancelled');
});

test('interruptible() holds no chunk that it gave', async () => {
  const before = process.memoryUsage.rss();
  let bytes = 0;
  for await (const chunk of interruptible(chunks(768), new AbortController().signal))
    bytes += chunk.length;
  assert.equal(bytes, 768 * MIB);
  const grownMiB = (process.memoryUsage.rss() - before) / MIB;
  assert.ok(grownMiB < 400, `the process grew by ${Math.round(grownMiB)} MiB`);
});
