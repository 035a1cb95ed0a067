import { test } from 'node:test';
import assert from 'node:assert/strict';
import { NETWORK, seatOn } from '../../test/fakes/network.ts';
import { encodeMessages, text, u32 } from '../kernel/netlink/message.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { HostLinks } from './host-links.ts';

const GROUP = 7;

/** The kernel's word about a bridge. */
function bridge(index: number): Uint8Array {
  const header = new Uint8Array(16);
  header.set(u32(index), 4);
  const attributes = [
    [18, [[1, text('bridge')]]],
    [27, u32(GROUP)],
  ] as const;
  const told = encodeMessages([{ type: 16, flags: 0, header, attributes }]);
  return Buffer.concat([u32(0), u32(told.length), told]);
}

test('who cannot be put on a link that was made again keeps no other off', async () => {
  const rejoined: number[] = [];
  const warnings: string[] = [];
  const quiet = (): void => undefined;
  const links = new HostLinks({
    group: GROUP,
    log: { debug: quiet, info: quiet, error: quiet, warn: (what) => void warnings.push(what) },
    apply: async (plan: readonly PlanOp[]) => {
      if (plan.some(({ op }) => op === 'netlink-query')) return bridge(9);
      rejoined.push(rejoined.length);
      if (rejoined.length === 3) throw new Error('ENODEV');
      return new Uint8Array();
    },
  });
  await links.make(NETWORK);
  rejoined.splice(0);
  warnings.splice(0);
  const seats = ['one', 'two', 'three', 'four'].map((name) => seatOn(name));
  await links.rejoin(NETWORK, seats);
  assert.equal(rejoined.length, 4);
  assert.deepEqual(warnings, ['Cannot put the containers of network web on its link']);
});
