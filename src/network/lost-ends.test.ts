import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seatOn } from '../../test/fakes/network.ts';
import type { NetworkedEndpoint } from './fabric.ts';
import { LostEnds } from './lost-ends.ts';

const on = (...links: readonly string[]): readonly NetworkedEndpoint[] =>
  links.map((hostLink) => seatOn(hostLink));

test('only who misses a link twice in a row is told of, and not again while it is being looked after', async () => {
  const ends = new LostEnds();
  const heard: string[] = [];
  const pending = Promise.withResolvers<undefined>();
  ends.tell(async (id) => {
    heard.push(id);
    await pending.promise;
  });
  const seats = [
    ['whole', on('v1')],
    ['begins', on('v2')],
    ['lost', on('v1', 'v3')],
    ['child', on('')],
  ] as const;
  ends.look(seats, new Set(['v1']));
  assert.deepEqual(heard, []);
  ends.look(seats, new Set(['v1', 'v2']));
  assert.deepEqual(heard, ['lost']);
  ends.look(seats, new Set(['v1', 'v2']));
  assert.deepEqual(heard, ['lost']);
  pending.resolve(undefined);
  await new Promise(setImmediate);
  ends.look(seats, new Set(['v1', 'v2']));
  assert.deepEqual(heard, ['lost', 'lost']);
});
