/** Places are shared: bounds, and who gives way to whom. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairShare, type Place } from './fair-share.ts';

const nobody = (): void => assert.fail('nobody gives way');

test('an owner has at most its number of places, and gets them back', () => {
  const share = new FairShare({ totalCount: 10, eachCount: 2 });
  const first = share.enter('a', nobody);
  assert.ok(first !== undefined && share.enter('a', nobody) !== undefined);
  assert.equal(share.enter('a', nobody), undefined);
  assert.notEqual(share.enter('b', nobody), undefined);
  first.leave();
  first.leave();
  assert.equal(share.takenCount, 2);
  assert.notEqual(share.enter('a', nobody), undefined);
});

test('when all are taken the greediest gives its oldest to who has less', () => {
  const share = new FairShare({ totalCount: 4, eachCount: 4 });
  const evicted: number[] = [];
  const places: (Place | undefined)[] = [];
  for (let at = 0; at < 4; at += 1) places.push(share.enter('greedy', () => evicted.push(at)));
  assert.equal(share.enter('greedy', nobody), undefined);
  assert.notEqual(share.enter('b', nobody), undefined);
  assert.deepEqual(evicted, [0]);
  assert.notEqual(share.enter('b', nobody), undefined);
  assert.deepEqual(evicted, [0, 1]);
  assert.equal(share.enter('b', nobody), undefined, 'both have two');
  assert.notEqual(
    share.enter('c', () => undefined),
    undefined,
    'nobody has nothing',
  );
  places[0]?.leave();
  assert.equal(share.takenCount, 4, 'an evicted place is left only once');
});
