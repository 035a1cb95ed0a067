import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isEngineError } from '../../../base/error.ts';
import { resolveUser } from './resolve-user.ts';

const PASSWD = `root:x:0:0:root:/root:/bin/bash
# a comment
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
web:x:1000:1000:,,,:/home/web:/bin/sh
app:x:1001:50::
1:x:0:0:evil:/root:/bin/sh
4294967296:x:0:0:evil:/root:/bin/sh
big:x:4294967296:0::/:
neg:x:-1:0::/:
short:x:7
`;
const GROUP = `root:x:0:
staff:x:50:web,daemon
docker:x:999:web
web:x:1000:
audio:x:29:app,web
broken:x:x:web
`;
const SOURCES = { passwd: PASSWD, group: GROUP, groupAdd: [] };

const ROWS: readonly (readonly [string, number, number, readonly number[], string])[] = [
  ['', 0, 0, [0], '/root'],
  ['root', 0, 0, [0], '/root'],
  ['0', 0, 0, [0], '/root'],
  ['web', 1000, 1000, [29, 50, 999, 1000], '/home/web'],
  ['1000', 1000, 1000, [29, 50, 999, 1000], '/home/web'],
  ['web:staff', 1000, 50, [50], '/home/web'],
  ['web:7', 1000, 7, [7], '/home/web'],
  ['app', 1001, 50, [29, 50], '/'],
  ['1', 1, 1, [1, 50], '/usr/sbin'],
  ['4242', 4242, 0, [0], '/'],
  ['4242:4343', 4242, 4343, [4343], '/'],
  ['2147483647', 2147483647, 0, [0], '/'],
  [':staff', 0, 50, [50], '/root'],
];

for (const [text, uid, gid, groups, home] of ROWS) {
  test(`user ${JSON.stringify(text)} is found`, () => {
    assert.deepEqual(resolveUser(text, SOURCES), { uid, gid, additionalGids: groups, home });
  });
}

test('groups are added by name and number, once', () => {
  const user = resolveUser('web', { ...SOURCES, groupAdd: ['staff', '50', '7', 'root'] });
  assert.deepEqual(user.additionalGids, [0, 7, 29, 50, 999, 1000]);
});

test('what is no user is refused', () => {
  const bad = [
    'nobody',
    'big',
    'neg',
    'short',
    'web:nogroup',
    'web:',
    'a:b:c',
    '2147483648',
    '4294967296',
    '18446744073709551616',
    '-1',
    '+1',
    ' 1',
    '1 ',
    '0x0',
    '0x',
    'a\nb',
    'a/b',
    'root\0',
    ':',
  ];
  for (const text of bad) {
    assert.throws(
      () => resolveUser(text, SOURCES),
      (error: unknown) => isEngineError(error) && error.kind === 'invalid',
      JSON.stringify(text),
    );
  }
  assert.throws(
    () => resolveUser('0', { ...SOURCES, groupAdd: ['nope'] }),
    /unable to find group nope/,
  );
});

test('a number is never looked up as a name, whatever the file says', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 31 - 1 }), (id) => {
      const passwd = `${id}:x:${(id + 1) % 1000}:5:::\n`;
      assert.equal(resolveUser(String(id), { passwd, group: '', groupAdd: [] }).uid, id);
    }),
  );
});

test('an absurd line is refused', () => {
  const passwd = `${'x'.repeat(70_000)}:x:0:0:::\n`;
  assert.throws(
    () => resolveUser('root', { passwd, group: '', groupAdd: [] }),
    /a line of \d+ bytes/,
  );
});
