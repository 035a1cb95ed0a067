import { test } from 'node:test';
import assert from 'node:assert/strict';
import { publishedPort, seatOn } from '../../test/fakes/network.ts';
import { silentLog } from '../base/log.ts';
import type { Chisel } from '../kernel/chisel.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { KernelFabric } from './kernel-fabric.ts';

const SEAT = seatOn('cv1', { ports: [{ ...publishedPort(8080), isOpen: true }] });

test('release() takes back whatever can be, also when one of the tables cannot be changed', async () => {
  const plans: (readonly PlanOp[])[] = [];
  const chisel = {
    apply: async (plan: readonly PlanOp[]) => {
      plans.push(plan);
      return new Uint8Array(8);
    },
    openKeeper: () => assert.fail('no process'),
  } as unknown as Chisel;
  const engineId = '0'.repeat(32);
  const fabric = new KernelFabric({ chisel, runDir: '/run', engineId, log: silentLog });
  fabric.adopt('c', [SEAT]);
  assert.equal(fabric.holds('c'), true);
  await assert.rejects(fabric.release('c', true), /no process/);
  assert.equal(plans.flat().filter(({ op }) => op === 'netlink').length, 1, 'the published port');
  assert.equal(fabric.holds('c'), false);
});
