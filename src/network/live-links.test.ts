import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seatOn } from '../../test/fakes/network.ts';
import { EngineError } from '../base/error.ts';
import { silentLog } from '../base/log.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { LiveLinks } from './live-links.ts';

const OWNER = { pid: 7, startTicks: 1n };
/** The only operations that pass a descriptor make a link in another namespace. */
const makesLink = (each: PlanOp): boolean => each.op === 'netlink' && each.patches.length > 0;

/** What was done, as words; `failAt`: of the first join, the operation that fails. */
function rig(failAt?: (plan: readonly PlanOp[]) => number): {
  readonly done: string[];
  readonly live: LiveLinks;
} {
  const done: string[] = [];
  let fails = failAt;
  const live = new LiveLinks({
    log: silentLog,
    planned: (each) => ({ ...each, linkIndex: 3, isOwnLink: true, hostIndex: 4 }),
    apply: async (plan) => {
      const joins = plan.some(makesLink);
      done.push(joins ? 'join' : 'other');
      if (!joins || fails === undefined) return new Uint8Array();
      const details = { index: fails(plan), errno: 'ENODEV' };
      fails = undefined;
      throw new EngineError('internal', 'refused', { details });
    },
  });
  return { done, live };
}

test('relink() puts what is missing, and nothing where all is there', async () => {
  const { done, live } = rig();
  const seats = [seatOn('cv1'), seatOn('cv2'), seatOn('')];
  assert.deepEqual(await live.relink(OWNER, seats, new Set(['cv1', 'cv2'])), []);
  assert.deepEqual(done, []);
  assert.deepEqual(await live.relink(OWNER, seats, new Set(['cv1'])), ['web']);
  assert.deepEqual(done, ['other', 'join', 'other']);
});

test('a link that could not be put whole is taken, so that it is missed again', async () => {
  const { done, live } = rig((plan) => plan.length - 1);
  await assert.rejects(live.relink(OWNER, [seatOn('cv1')], new Set()), /refused/);
  assert.deepEqual(done, ['other', 'join', 'other']);
  await live.relink(OWNER, [seatOn('cv1')], new Set());
  assert.deepEqual(done.slice(3), ['other', 'join', 'other']);
});

test('where no link was made none is taken: the name may be another’s', async () => {
  const { done, live } = rig((plan) => plan.findIndex(makesLink));
  await assert.rejects(live.put(OWNER, seatOn('cv1'), 'Cannot'), /refused/);
  assert.deepEqual(done, ['join']);
});
