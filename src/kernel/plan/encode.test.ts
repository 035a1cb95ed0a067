/** Bytes of plans: exact, the same for the same plan, and back again. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planArbitrary } from '../../../test/fuzz/plans.ts';
import { isEngineError } from '../../base/error.ts';
import { decodePlan } from './decode.ts';
import { encodePlan } from './encode.ts';
import type { Plan } from './op.ts';

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(/\s+/g, ''), 'hex');

test('encodePlan() writes header, operations and fields little endian in the order of the schema', () => {
  const plan: Plan = [
    { op: 'open', slot: 2, path: '/x', flags: 0x10000 },
    { op: 'mount-attr', slot: 2, set: 1n, clear: 0x70n, propagation: 0x40000n, recursive: 1 },
    { op: 'write', dir: 2, path: 'é', data: Uint8Array.of(0, 255), skipMissing: 0 },
    { op: 'no-new-privs' },
  ];
  const expected = hex(`
    43525631 01000000 04000000 98000000
    0a00 0000 13000000 02000000 ffffffff 02000000 2f78 00 00000100
    2200 0000 24000000 02000000 0100000000000000 7000000000000000 0000040000000000 ffffffff 01000000
    0d00 0000 15000000 02000000 02000000 c3a9 00 02000000 00ff 00000000
    3900 0000 00000000
  `);
  expected[12] = expected.length;
  assert.deepEqual(
    Buffer.from(encodePlan(plan)).toString('hex'),
    Buffer.from(expected).toString('hex'),
  );
});

test('encodePlan() writes an empty plan as its header', () => {
  assert.equal(Buffer.from(encodePlan([])).toString('hex'), '43525631010000000000000010000000');
  assert.deepEqual(decodePlan(encodePlan([])), []);
});

test('decodePlan() gives back every plan that encodePlan() wrote, and the same bytes again', () => {
  fc.assert(
    fc.property(planArbitrary, (plan) => {
      const bytes = encodePlan(plan);
      const decoded = decodePlan(bytes);
      assert.deepEqual(decoded, plan);
      assert.deepEqual(encodePlan(decoded), bytes);
    }),
    { numRuns: 300 },
  );
});

test('decodePlan() refuses every cut of a plan and never throws anything but EngineError', () => {
  const bytes = encodePlan([
    {
      op: 'overlay',
      slot: 1,
      lower: ['/a', '/b'],
      upper: '/u',
      work: '/w',
      options: [],
      attrs: 0n,
    },
    { op: 'attach', slot: 1, path: '/m', create: 0 },
  ]);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodePlan(bytes.subarray(0, length)), isEngineError);
  }
});

test('decodePlan() throws only EngineError for bytes that were changed anywhere', () => {
  fc.assert(
    fc.property(planArbitrary, fc.nat(), fc.nat(255), (plan, at, value) => {
      const bytes = Uint8Array.from(encodePlan(plan));
      bytes[at % bytes.length] = value;
      try {
        encodePlan(decodePlan(bytes));
      } catch (error) {
        assert.ok(isEngineError(error), String(error));
      }
    }),
    { numRuns: 300 },
  );
});

test('encodePlan() refuses a plan of more than 4 MiB', () => {
  const data = new Uint8Array(65536);
  const plan: Plan = Array.from({ length: 65 }, () => ({
    op: 'write',
    path: '/x',
    data,
    skipMissing: 0,
  }));
  assert.throws(() => encodePlan(plan), /Plan is \d+ bytes long: at most 4194304/);
});
