import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../base/error.ts';
import { listChanges, planTar } from './diff.ts';
import type { WalkEntry } from './walk.ts';

function entry(
  path: string,
  type: WalkEntry['type'] = 'file',
  more: Partial<WalkEntry> = {},
): WalkEntry {
  return {
    path,
    type,
    mode: 0o644,
    uid: 1,
    gid: 2,
    mtimeS: 3,
    mtimeNs: 4,
    sizeBytes: 0,
    linkKey: undefined,
    linkPath: '',
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: [],
    below: undefined,
    ...more,
  };
}
const opaque = { xattrs: [{ name: 'trusted.overlay.opaque', value: Buffer.from('y') }] };

function lines(entries: readonly WalkEntry[], exclude: readonly string[] = []): readonly string[] {
  return planTar(entries, { exclude: new Set(exclude) }).map(
    ({ entry: item, source }) =>
      `${item.type} ${item.path}${item.linkPath === undefined || item.linkPath === '' ? '' : ` -> ${item.linkPath}`}${source === undefined ? '' : ` = ${source}`}`,
  );
}

test('entries are sorted by components, a directory before what is in it', () => {
  assert.deepEqual(
    lines([
      entry('a-b'),
      entry('a/b'),
      entry('a', 'directory'),
      entry('a/b/c'),
      entry('a.c'),
      entry('', 'directory'),
    ]),
    ['directory a', 'file a/b = a/b', 'file a/b/c = a/b/c', 'file a-b = a-b', 'file a.c = a.c'],
  );
});

test('deleted names become whiteouts, opaque directories their mark', () => {
  assert.deepEqual(
    lines([
      entry('d/gone', 'whiteout'),
      entry('top', 'whiteout'),
      entry('d', 'directory'),
      entry('o', 'directory', opaque),
      entry('o/x'),
    ]),
    [
      'directory d',
      'file d/.wh.gone',
      'directory o',
      'file o/.wh..wh..opq',
      'file o/x = o/x',
      'file .wh.top',
    ],
  );
});

test('further names of an object are hard links to its first', () => {
  assert.deepEqual(
    lines([
      entry('z', 'file', { linkKey: 'k' }),
      entry('a/b', 'file', { linkKey: 'k' }),
      entry('c', 'fifo', { linkKey: 'l' }),
      entry('d', 'fifo', { linkKey: 'l' }),
    ]),
    ['file a/b = a/b', 'fifo c', 'hardlink d -> c', 'hardlink z -> a/b'],
  );
});

test('sockets and excluded paths are left out, with what is below them', () => {
  assert.deepEqual(
    lines(
      [
        entry('s', 'socket'),
        entry('data', 'directory'),
        entry('data/x'),
        entry('database'),
        entry('etc', 'directory'),
        entry('etc/hosts'),
        entry('gone', 'whiteout'),
      ],
      ['data', 'etc/hosts', 'gone'],
    ),
    ['file database = database', 'directory etc'],
  );
});

test('a name excluded by its target hides no link to it', () => {
  assert.deepEqual(
    lines([entry('a', 'file', { linkKey: 'k' }), entry('b', 'file', { linkKey: 'k' })], ['a']),
    ['file b = b'],
  );
});

test('times are whole seconds, overlay attributes stay behind', () => {
  const [planned] = planTar(
    [
      entry('f', 'file', {
        xattrs: [
          { name: 'trusted.overlay.origin', value: Buffer.from('x') },
          { name: 'user.a', value: Buffer.from('b') },
          { name: 'security.selinux', value: Buffer.from('c') },
        ],
      }),
    ],
    { exclude: new Set() },
  );
  assert.deepEqual([planned?.entry.mtimeS, planned?.entry.mtimeNs], [3, undefined]);
  assert.deepEqual(
    planned?.entry.xattrs?.map(({ name }) => name),
    ['user.a'],
  );
});

test('the root is written only where it differs from the one below', () => {
  const root = entry('', 'directory', { mode: 0o700, uid: 0, gid: 0 });
  const plan = (attributes?: {
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
  }): readonly string[] =>
    planTar([root], {
      exclude: new Set(),
      ...(attributes === undefined ? {} : { root: attributes }),
    }).map(({ entry: item }) => `${item.path} ${item.mode}`);
  assert.deepEqual(
    [plan(), plan({ mode: 0o700, uid: 0, gid: 0 }), plan({ mode: 0o755, uid: 0, gid: 0 })],
    [[], [], ['./ 448']],
  );
});

for (const feature of ['redirect', 'metacopy']) {
  test(`a tree made with ${feature} is refused`, () => {
    assert.throws(
      () =>
        lines([
          entry('d', 'directory', {
            xattrs: [{ name: `trusted.overlay.${feature}`, value: Buffer.alloc(0) }],
          }),
        ]),
      (error) =>
        isEngineError(error) && error.kind === 'unsupported' && error.message.includes(feature),
    );
  });
}

test('listChanges() tells added, modified and deleted, and nothing about names that never were', () => {
  const entries = [
    entry('', 'directory', { below: 'directory' }),
    entry('etc', 'directory', { below: 'directory' }),
    entry('etc/new'),
    entry('etc/old', 'file', { below: 'other' }),
    entry('gone', 'whiteout', { below: 'other' }),
    entry('never', 'whiteout'),
    entry('stub'),
  ];
  assert.deepEqual(
    listChanges(entries, new Set(['stub'])).map(({ path, kind }) => `${kind} ${path}`),
    ['modified /etc', 'added /etc/new', 'modified /etc/old', 'deleted /gone'],
  );
});
