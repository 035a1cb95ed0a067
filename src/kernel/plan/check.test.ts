/** What a plan may not be, each with its sentence. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { checkPlan } from './check.ts';
import type { Plan, PlanOp } from './op.ts';

const open: PlanOp = { op: 'open', slot: 0, path: '/', flags: 0 };
const clone: PlanOp = { op: 'clone', flags: 0n, uidMap: '', gidMap: '', denySetgroups: 0 };
const stdio: PlanOp = { op: 'stdio', uid: 0, gid: 0 };
const exec: PlanOp = { op: 'exec', argv: ['a'], env: [], search: [], init: 0 };
const monitor: PlanOp = {
  op: 'monitor',
  runDir: '/r',
  stateDir: '/s',
  logKind: 1,
  logMaxBytes: 1n,
  logMaxFiles: 1,
  tty: 0,
  openStdin: 0,
  stdinOnce: 0,
  expectedClients: 0,
  startMs: 30_000,
  oomPath: '',
  title: '',
};

/** An operation with one field replaced by a value of any type. */
function withField(op: PlanOp, field: string, value: unknown): PlanOp {
  return { ...op, [field]: value } as unknown as PlanOp;
}

test('checkPlan() accepts the shapes that planners make', () => {
  const plans: readonly Plan[] = [
    [],
    [open],
    [monitor, open, clone, stdio, exec],
    [clone, { op: 'umask', mask: 0o22 }, exec],
    [open, { op: 'setns', slot: 0, flags: 0n }, { op: 'chdir', path: '/' }],
    [open, withField(open, 'slot', 31), { op: 'close', slot: 31 }],
    [open, { op: 'close', slot: 0 }, open],
  ];
  for (const plan of plans) checkPlan(plan);
});

const REFUSED: readonly (readonly [title: string, plan: Plan, sentence: RegExp])[] = [
  [
    'a slot that is empty',
    [{ op: 'pivot', slot: 3 }],
    /0 \(pivot\) is invalid: slot reads slot 3, which is empty/,
  ],
  [
    'an optional slot that is empty',
    [withField(open, 'dir', 5)],
    /0 \(open\).*dir reads slot 5, which is empty/,
  ],
  [
    'a slot that is its own source',
    [withField(open, 'dir', 0)],
    /dir reads slot 0, which is empty/,
  ],
  ['a slot written twice', [open, open], /1 \(open\) is invalid: slot 0 was written before/],
  [
    'a slot read after close',
    [open, { op: 'close', slot: 0 }, { op: 'pivot', slot: 0 }],
    /2 \(pivot\).*slot reads slot 0, which is empty/,
  ],
  ['slot 32', [withField(open, 'slot', 32)], /slot is 32: 0 to 31 are possible/],
  ['a slot that is missing', [withField(open, 'slot', undefined)], /slot is not a whole number/],
  ['two clones', [clone, clone, exec], /1 \(clone\) is invalid: a plan clones once/],
  ['clone without exec', [clone, stdio], /0 \(clone\) is invalid: the plan does not end with exec/],
  ['exec without clone', [exec], /0 \(exec\) is invalid: it may only stand after clone/],
  ['exec before the end', [clone, exec, stdio], /1 \(exec\) is invalid: it may only stand last/],
  ['stdio without clone', [stdio], /it may only stand after clone/],
  ['monitor not first', [open, monitor], /1 \(monitor\) is invalid: it may only stand first/],
  [
    'a change of the caller before clone',
    [{ op: 'umask', mask: 0 }, clone, exec],
    /1 \(clone\).*operation 0 \(umask\) before it/,
  ],
  [
    'a number above its bound',
    [withField(monitor, 'logKind', 3)],
    /logKind is 3: 0 to 2 are possible/,
  ],
  [
    'a negative number',
    [withField(open, 'flags', -1)],
    /flags is -1: 0 to 4294967295 are possible/,
  ],
  ['a fraction', [withField(open, 'flags', 0.5)], /flags is not a whole number/],
  [
    'a number where a bigint belongs',
    [withField(clone, 'flags', 1), exec],
    /flags is not a bigint/,
  ],
  [
    'a bigint of 65 bits',
    [withField(clone, 'flags', 1n << 64n), exec],
    /flags is 18446744073709551616: it needs 64 bits/,
  ],
  ['a NUL in text', [withField(open, 'path', '/a\0b')], /path contains a NUL character/],
  [
    'half a surrogate pair',
    [withField(open, 'path', '/\ud800')],
    /path is not well-formed Unicode/,
  ],
  [
    'text above its bound',
    [withField(open, 'path', 'é'.repeat(2048))],
    /path has 4096 bytes: at most 4095/,
  ],
  [
    'a name above its bound',
    [withField(monitor, 'title', 'x'.repeat(256))],
    /title has 256 bytes: at most 255/,
  ],
  ['no text', [withField(open, 'path', 7)], /path is not text/],
  [
    'no bytes',
    [withField({ op: 'write', path: '/', data: new Uint8Array(), skipMissing: 0 }, 'data', 'x')],
    /data is not bytes/,
  ],
  ['no list', [clone, withField(exec, 'argv', 'x')], /argv is not a list of texts/],
  [
    'a text too long in a list',
    [clone, withField(exec, 'argv', ['a', 'b'.repeat(131072)])],
    /argv \[1\] has 131072 bytes: at most 131071/,
  ],
  [
    'a list too long',
    [
      clone,
      withField(
        exec,
        'search',
        Array.from({ length: 65 }, () => '/'),
      ),
    ],
    /search has 65 texts: at most 64/,
  ],
  [
    'an unknown operation',
    [{ op: 'format-disk' } as unknown as PlanOp],
    /0 \(format-disk\) is invalid: no such operation/,
  ],
  [
    'too many operations',
    Array.from({ length: 4097 }, () => ({ op: 'no-new-privs' })),
    /Plan has 4097 operations: at most 4096/,
  ],
];

for (const [title, plan, sentence] of REFUSED) {
  test(`checkPlan() refuses ${title}`, () => {
    assert.throws(
      () => checkPlan(plan),
      (error) => {
        assert.ok(isEngineError(error));
        assert.equal(error.kind, 'invalid');
        assert.match(error.message, sentence);
        return true;
      },
    );
  });
}
