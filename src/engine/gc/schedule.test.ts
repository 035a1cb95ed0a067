import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/fakes/clock.ts';
import type { Log } from '../../base/log.ts';
import { startSchedule } from './schedule.ts';

function logTo(lines: string[]): Log {
  const say = (message: string, facts: object = {}): void =>
    void lines.push(`${message} ${JSON.stringify(facts)}`);
  return { debug: say, info: say, warn: say, error: say };
}

test('collections come one after another, a failed one is told and the next one comes', async () => {
  const clock = new ManualClock();
  const lines: string[] = [];
  let count = 0;
  const schedule = startSchedule({
    clock,
    log: logTo(lines),
    everyMs: 1000,
    collect: async () => {
      count += 1;
      if (count === 2) throw new Error('the disk is full');
    },
  });
  await clock.advance(999);
  assert.equal(count, 0);
  await clock.advance(1);
  assert.equal(count, 1);
  await clock.advance(2000);
  assert.equal(count, 3);
  assert.deepEqual(lines, ['the collection failed {"error":"the disk is full"}']);
  await schedule.stop();
  await clock.advance(5000);
  assert.equal(count, 3);
});

test('stopping cancels the collection under way, waits for its end, and says nothing of it', async () => {
  const clock = new ManualClock();
  const lines: string[] = [];
  let hasEnded = false;
  const schedule = startSchedule({
    clock,
    log: logTo(lines),
    everyMs: 1000,
    collect: async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      hasEnded = true;
      throw new Error('cancelled');
    },
  });
  await clock.advance(1000);
  assert.equal(hasEnded, false);
  await schedule.stop();
  assert.deepEqual([hasEnded, lines], [true, []]);
  await clock.advance(5000);
});
