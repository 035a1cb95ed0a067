/** What is sent, and again, when the kernel refuses: taking over, making anew, kernels without owners. */

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { EngineError } from '../base/error.ts';
import * as nft from '../kernel/nft/message.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { GuardTable } from './guard-table.ts';
import type { WholeTable } from './whole-table.ts';

const at = { family: 'inet', table: 't-guard' } as const;
const WHOLE: WholeTable = {
  at,
  sets: [{ name: 's', key: ['ifname'] }],
  chains: [nft.addChain(at, 'c')],
  rules: [nft.addRule(at, 'c', [])],
  elements: nft.addElements(at, 's', [{ key: new Uint8Array(16) }]),
};
const NAMES: Readonly<Record<number, string>> = {
  0: 'table',
  2: '-table',
  3: 'chain',
  6: 'rule',
  8: '-rules',
  9: 'set',
  12: 'elements',
  14: '-elements',
};
const IN_PLACE = 'table+6 set chain -rules -elements rule elements';
const anew = (flags: string): string => `table -table table${flags} set chain rule elements`;

/** Messages of a plan by their kinds; a table with its flags. */
function kindsOf(plan: readonly PlanOp[]): string {
  const [first, second] = plan;
  if (first?.op === 'netlink-open') return 'open';
  assert.deepEqual(
    [first, second?.op, plan.length],
    [{ op: 'kept', slots: 1 << 29 }, 'netlink', 2],
  );
  const bytes = Buffer.from(plan[1]?.op === 'netlink' ? plan[1].messages : []);
  const kinds: string[] = [];
  for (let offset = 0; offset < bytes.length; offset += bytes.readUInt32LE(offset)) {
    const type = bytes.readUInt16LE(offset + 4);
    if (type >> 8 !== 10) continue;
    const end = offset + bytes.readUInt32LE(offset);
    const isFlagged = type === 0x0a00 && end - offset > 20 + 12;
    kinds.push(`${NAMES[type & 0xff]}${isFlagged ? `+${bytes.readUInt32BE(end - 4)}` : ''}`);
  }
  return kinds.join(' ');
}

/** Errors of the sends to come, in order; '' is none. */
function rig(...answers: readonly string[]) {
  const toCome = [...answers];
  const sent: string[] = [];
  const warnings: string[] = [];
  const quiet = (): void => undefined;
  const refuses = { open: false };
  const ended: (number | undefined)[] = [];
  const left: string[] = [];
  const keepers: { isAlive: boolean }[] = [];
  const guard = new GuardTable({
    log: {
      debug: quiet,
      info: quiet,
      error: quiet,
      warn: (message) => void warnings.push(message),
    },
    whole: async () => [WHOLE],
    endFormer: (own) => void ended.push(own),
    openKeeper: () => {
      const keeper = {
        isAlive: true,
        apply: async (plan: readonly PlanOp[]): Promise<Uint8Array> => {
          const kinds = kindsOf(plan);
          if (kinds === 'open' && !refuses.open) return new Uint8Array();
          if (kinds === 'open') throw new EngineError('unsupported', 'no nftables');
          sent.push(kinds);
          const errno = toCome.shift() ?? '';
          const call = errno === 'ETIMEDOUT' ? 'recvmsg()' : 'sendmsg()';
          if (errno === 'dies') keeper.isAlive = false;
          if (errno !== '') throw new EngineError('internal', errno, { details: { errno, call } });
          return new Uint8Array();
        },
        pid: keepers.length + 1,
        close: async (): Promise<void> => {
          keeper.isAlive = false;
        },
        leave: () => void left.push('left'),
      };
      keepers.push(keeper);
      return keeper;
    },
  });
  const kill = (): void => {
    for (const keeper of keepers) keeper.isAlive = false;
  };
  return { guard, sent, warnings, keepers, kill, refuses, ended, left };
}

test('what is there is made so in place; what is there otherwise is made anew', async () => {
  const fresh = rig();
  await fresh.guard.rebuild();
  assert.deepEqual(fresh.sent, [IN_PLACE]);
  assert.ok(fresh.guard.isKept);
  for (const errno of ['EEXIST', 'EOPNOTSUPP', 'EBUSY']) {
    const other = rig(errno);
    await other.guard.rebuild();
    assert.deepEqual(other.sent, [IN_PLACE, anew('+6')]);
    assert.ok(other.guard.isKept);
    assert.deepEqual(other.warnings, []);
  }
});

for (const errno of ['EINVAL', 'EOPNOTSUPP'])
  test(`a kernel that answers ${errno} has tables of everybody's, told once`, async () => {
    const { guard, sent, warnings, kill } = rig(errno, errno);
    await guard.rebuild();
    await guard.rebuild();
    assert.deepEqual(sent, [IN_PLACE, anew('+6'), anew(''), anew('')]);
    assert.equal(warnings.length, 1);
    assert.equal(guard.flags, 0);
    kill();
    assert.ok(guard.isKept, 'nobody owned them');
  });

test('a kernel that refuses it all is told of as it refused, and is asked for owners again', async () => {
  const { guard, warnings } = rig('EINVAL', 'EINVAL', 'ENOMEM');
  await assert.rejects(guard.rebuild(), /ENOMEM/);
  assert.ok(!guard.isThere && !guard.isKept);
  assert.deepEqual(warnings, []);
  await guard.rebuild();
  assert.equal(guard.flags, 6);
});

test('tables whose keeper died are taken over before the next change', async () => {
  const { guard, sent, keepers, kill } = rig();
  await guard.change(WHOLE.elements, 'x');
  assert.deepEqual(sent.splice(0), ['elements'], 'before they are made nothing is taken over');
  await guard.rebuild();
  assert.equal(keepers.length, 1);
  sent.splice(0);
  kill();
  assert.ok(!guard.isKept);
  await Promise.all([guard.change(WHOLE.elements, 'x'), guard.undo(WHOLE.elements, 'x')]);
  assert.deepEqual(sent, [IN_PLACE, 'elements', 'elements']);
  assert.ok(guard.isKept);
  assert.equal(keepers.length, 2);
});

test('a guard that is closed opens no keeper; the one it has is left where tables stay', async () => {
  for (const stays of [false, true]) {
    const { guard, keepers, left } = rig();
    await guard.rebuild();
    await guard.close(stays);
    await assert.rejects(guard.change(WHOLE.elements, 'x'), /the engine is closed/);
    assert.deepEqual(
      [keepers.map(({ isAlive }) => isAlive), left.length],
      [[stays], Number(stays)],
    );
  }
  const { guard, keepers } = rig('EINVAL', 'EINVAL');
  await guard.rebuild();
  await guard.close(true);
  assert.equal(keepers[0]?.isAlive, false, 'without owners there is nothing to stay for');
});

test('without tables there is no keeper, of this daemon or a former one', async () => {
  const { guard, keepers, ended } = rig();
  await guard.rebuild();
  await guard.removeAll([]);
  assert.equal(guard.isThere, false);
  assert.deepEqual([keepers.map(({ isAlive }) => isAlive), ended], [[false], [undefined]]);
  await guard.rebuild();
  assert.equal(keepers.length, 2);
});

test('a table that is gone, or whose owner dies, is made again with the change; one that a former keeper holds is waited for', async () => {
  const { guard, sent } = rig('', 'ENOENT');
  await guard.rebuild();
  await guard.change(WHOLE.elements, 'x');
  assert.deepEqual(sent, [IN_PLACE, 'elements', IN_PLACE, 'elements']);
  const dying = rig('', 'dies');
  await dying.guard.rebuild();
  await dying.guard.change(WHOLE.elements, 'x');
  assert.deepEqual(dying.sent, [IN_PLACE, 'elements', IN_PLACE, 'elements']);
  assert.equal(dying.keepers.length, 2);
  const held = rig('EPERM', 'EPERM');
  await held.guard.rebuild();
  assert.deepEqual(held.sent, [IN_PLACE, IN_PLACE, IN_PLACE]);
  assert.deepEqual(held.ended, [1], 'the former one is ended once, and not its own');
});

test('a keeper without a socket, or with an answer still to come, is not asked again', async () => {
  const { guard, keepers, refuses } = rig('', 'ETIMEDOUT');
  refuses.open = true;
  await assert.rejects(guard.rebuild(), /no nftables/);
  assert.ok(keepers.length > 0 && keepers.every(({ isAlive }) => !isAlive));
  refuses.open = false;
  keepers.splice(0);
  await guard.rebuild();
  await guard.change(WHOLE.elements, 'x');
  assert.deepEqual(
    keepers.map(({ isAlive }) => isAlive),
    [false, true],
  );
});

test('without the right to change the firewall nothing is made anew', async () => {
  const { guard, sent } = rig(...Array.from({ length: 600 }, () => 'EPERM'));
  await assert.rejects(guard.rebuild(), /EPERM/);
  assert.deepEqual(new Set(sent), new Set([IN_PLACE]));
});
