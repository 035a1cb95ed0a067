import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, systemClock, within } from './clock.ts';
import { parseFailpoint } from './failpoint.ts';
import { hostPath } from './host-path.ts';
import { isContainerId, makeId } from './id.ts';
import { Mutex } from './mutex.ts';

test('a mutex lets one in at a time, in order, also after a throw', async () => {
  const mutex = new Mutex();
  const order: number[] = [];
  let inside = 0;
  const enter = (number: number) => async () => {
    inside += 1;
    assert.equal(inside, 1);
    await Promise.resolve();
    order.push(number);
    inside -= 1;
    if (number === 1) throw new Error('one');
  };
  const results = await Promise.allSettled([0, 1, 2, 3].map((number) => mutex.run(enter(number))));
  assert.deepEqual(order, [0, 1, 2, 3]);
  assert.deepEqual(
    results.map((result) => result.status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  assert.equal(mutex.isHeld, false);
});

test('nobody slips in between two who wait', async () => {
  const mutex = new Mutex();
  const order: string[] = [];
  const first = mutex.run(() => void order.push('a'));
  const second = mutex.run(() => void order.push('b'));
  await first;
  const third = mutex.run(() => void order.push('c'));
  await Promise.all([second, third]);
  assert.deepEqual(order, ['a', 'b', 'c']);
});

test('the clock never gives one instant twice', () => {
  const clock = systemClock();
  const times = Array.from({ length: 1000 }, () => clock.nowNs());
  assert.equal(new Set(times).size, 1000);
});

test('sleep ends early with `cancelled`, within gives up without an error', async () => {
  const clock = systemClock();
  const abort = new AbortController();
  const sleeping = sleep(clock, 60_000, abort.signal);
  abort.abort();
  await assert.rejects(sleeping, { kind: 'cancelled' });
  await assert.rejects(sleep(clock, 1, abort.signal), { kind: 'cancelled' });
  assert.equal(await within(clock, 1, new Promise(() => undefined)), undefined);
  assert.equal(await within(clock, 60_000, Promise.resolve(7)), 7);
});

test('an id whose short form is a number is made again', () => {
  const candidates = ['1'.repeat(64), `12345678901a${'0'.repeat(52)}`];
  assert.equal(
    makeId(() => candidates.shift() ?? ''),
    `12345678901a${'0'.repeat(52)}`,
  );
  for (const bad of ['', 'abc', 'A'.repeat(64), 'g'.repeat(64), '../x'])
    assert.equal(isContainerId(bad), false);
});

test('host paths are absolute and normal', () => {
  for (const good of ['/', '/a', '/a/b.c', '/a/..b', '/a/...']) assert.equal(hostPath(good), good);
  for (const bad of ['', 'a', './a', '/a/../b', '/a/.', '/..', '/a\0b', `/${'x'.repeat(5000)}`]) {
    assert.throws(() => hostPath(bad), { kind: 'invalid' }, bad.slice(0, 20));
  }
});

test('failpoint rules', () => {
  assert.deepEqual(parseFailpoint('a.b-c=kill'), { site: 'a.b-c', action: 'kill', pass: 1 });
  assert.deepEqual(parseFailpoint('x=3*error'), { site: 'x', action: 'error', pass: 3 });
  for (const bad of ['', 'x', 'x=', 'x=die', 'x=0*kill', 'X=kill', 'x=kill=kill'])
    assert.equal(parseFailpoint(bad), undefined);
});
