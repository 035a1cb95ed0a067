import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tee } from './tee.ts';

async function* numbers(count: number, onDone?: () => void): AsyncGenerator<Uint8Array> {
  try {
    for (let i = 0; i < count; i++) yield new Uint8Array([i]);
  } finally {
    onDone?.();
  }
}

async function read(source: AsyncIterable<Uint8Array>): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const chunk of source) found.push(chunk[0] ?? -1);
  return found;
}

test('both sides get every chunk in order', async () => {
  const tee = new Tee(numbers(100));
  const [first, second] = await Promise.all([read(tee.first), read(tee.second)]);
  assert.deepEqual(
    first,
    Array.from({ length: 100 }, (_, i) => i),
  );
  assert.deepEqual(second, first);
});

test('a fast side waits for a slow one', async () => {
  let given = 0;
  async function* source(): AsyncGenerator<Uint8Array> {
    for (; given < 10; given++) yield new Uint8Array([given]);
  }
  const tee = new Tee(source());
  const fast = read(tee.first);
  const slow = tee.second[Symbol.asyncIterator]();
  await slow.next();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(given <= 1);
  while ((await slow.next()).done !== true);
  assert.equal((await fast).length, 10);
});

test('an error of the source reaches both sides', async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array([1]);
    throw new Error('gone');
  }
  const tee = new Tee(failing());
  for (const result of await Promise.allSettled([read(tee.first), read(tee.second)]))
    assert.equal(result.status, 'rejected');
});

test('a side that stops releases the other and closes the source', async () => {
  let isClosed = false;
  const tee = new Tee(numbers(1000, () => (isClosed = true)));
  const other = read(tee.first);
  for await (const chunk of tee.second) if (chunk[0] === 3) break;
  await assert.rejects(other, /the other reader/);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isClosed, true);
});

test('fail() ends both sides, also while the source is silent', async () => {
  async function* silent(): AsyncGenerator<Uint8Array> {
    await new Promise(() => undefined);
    yield new Uint8Array();
  }
  const tee = new Tee(silent());
  const sides = Promise.allSettled([read(tee.first), read(tee.second)]);
  tee.fail(new Error('enough'));
  for (const result of await sides) assert.equal(result.status, 'rejected');
  await assert.rejects(read(tee.first), /enough/);
});
