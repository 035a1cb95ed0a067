import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interleave, summarize } from './stats.ts';

test('summarize() gives median, minimum and nearest-rank p95', () => {
  assert.deepEqual(summarize([3]), { count: 1, median: 3, min: 3, p95: 3 });
  assert.deepEqual(summarize([4, 1, 3, 2]), { count: 4, median: 2.5, min: 1, p95: 4 });
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.deepEqual(summarize(hundred), { count: 100, median: 50.5, min: 1, p95: 95 });
  assert.throws(() => summarize([]), RangeError);
});

test('interleave() measures all in each round, in a turning order, without the warm-ups', async () => {
  const order: string[] = [];
  const contestant = (name: string): { name: string; once: () => Promise<number> } => ({
    name,
    once: () => {
      order.push(name);
      return Promise.resolve(order.length);
    },
  });
  const samples = await interleave([contestant('a'), contestant('b')], { runs: 2, warmups: 1 });
  assert.equal(order.join(''), 'abbaab');
  assert.deepEqual(samples.get('a'), [4, 5]);
  assert.deepEqual(samples.get('b'), [3, 6]);
});
