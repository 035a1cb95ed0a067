import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mapIds, parseIdMap } from './id-map.ts';

const ID_END = 0xffff_ffff;

test('idmap: the owner, a user, ranges; groups as users where they are left out', () => {
  assert.deepEqual(parseIdMap(''), { kind: 'owner' });
  assert.deepEqual(parseIdMap(undefined), { kind: 'owner' });
  assert.deepEqual(parseIdMap('1000'), { kind: 'user', uid: 1000, gid: undefined });
  assert.deepEqual(parseIdMap('1000-100'), { kind: 'user', uid: 1000, gid: 100 });
  const users = [
    { inside: 0, outside: 1000, size: 1 },
    { inside: 1, outside: 5000, size: 10 },
  ];
  assert.deepEqual(parseIdMap('uids=0-1000-1#1-5000-10'), { kind: 'ranges', users, groups: users });
  const groups = [{ inside: 0, outside: 7, size: 1 }];
  assert.deepEqual(parseIdMap('gids=@0-7-1;uids=0-@1000-1#1-5000-10'), {
    kind: 'ranges',
    users,
    groups,
  });
});

test('idmap: what is no map is refused', () => {
  const bad = [
    'root',
    '-1',
    '4294967295',
    '1-2-3',
    'uids=',
    'gids=0-0-1',
    'uids=0-0-0',
    'uids=0-0-1;uids=1-1-1',
    'uids=0-0-2#1-5-1',
    'uids=0-5-2#7-6-1',
    'uids=4294967290-0-10',
    'uids=0-0-1;other=1',
    'uids=0:0:1',
    `uids=${Array.from({ length: 341 }, (_, at) => `${at}-${at}-1`).join('#')}`,
  ];
  for (const text of bad)
    assert.throws(() => parseIdMap(text), /^EngineError: invalid idmap /, text);
});

test('one id for another: every third id stays, the two are reached by nobody else', () => {
  const ids = fc.nat({ max: 70_000 });
  fc.assert(
    fc.property(ids, ids, fc.array(ids), (owner, user, others) => {
      const { users } = mapIds(
        { kind: 'owner' },
        { owner: { uid: owner, gid: 0 }, user: { uid: user, gid: 0 } },
      );
      const seen = (file: number): number | undefined => {
        const found = users.find(
          ({ containerID, size }) => file >= containerID && file < containerID + size,
        );
        return found === undefined ? undefined : found.hostID + file - found.containerID;
      };
      assert.equal(seen(owner), user);
      if (owner !== user) assert.equal(seen(user), undefined);
      for (const other of others)
        if (other !== owner && other !== user) assert.equal(seen(other), other);
      for (const { containerID, hostID, size } of users)
        assert.ok(size > 0 && containerID + size <= ID_END && hostID + size <= ID_END);
    }),
  );
});
