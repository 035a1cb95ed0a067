/**
 * What carve wrote, unpacked by umoci: the same tree that carve's own layers
 * show, to the last attribute.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { archive, pax, raw } from '../fuzz/tar-raw.ts';
import {
  chunked,
  collect,
  ImageFixture,
  layoutEntries,
  rawImage,
} from '../kernel/image-fixture.ts';
import { describeTree, describeXattrs, type Entry } from '../kernel/layer-fixture.ts';

const at = { mtimeS: 1_600_000_000, uid: 0, gid: 0 } as const;
const file = (path: string, content: string | Buffer, more: Partial<Entry> = {}): Entry => ({
  ...at,
  type: 'file',
  path,
  content,
  mode: 0o644,
  ...more,
});
const dir = (path: string, more: Partial<Entry> = {}): Entry => ({
  ...at,
  type: 'directory',
  path,
  mode: 0o755,
  ...more,
});
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');
const LONG = `${'p'.repeat(120)}/${'q'.repeat(120)}`;

const BASE: readonly Entry[] = [
  dir('./', { mode: 0o751, uid: 3, gid: 4 }),
  dir('bin', { uid: 1, gid: 2 }),
  file('bin/su', 'set-id', { mode: 0o6755, uid: 1000, gid: 1000 }),
  file('bin/ping', 'capable', {
    mode: 0o755,
    xattrs: [{ name: 'security.capability', value: CAPABILITY }],
  }),
  file('marked', 'x', {
    mtimeNs: 123_000_000,
    xattrs: [{ name: 'user.comment', value: Buffer.from([0, 255, 16]) }],
  }),
  dir('tagged', { xattrs: [{ name: 'user.k', value: Buffer.from('v') }] }),
  { ...at, type: 'hardlink', path: 'hard', linkPath: 'marked' },
  { ...at, type: 'symlink', path: 'link', linkPath: '../..//bin/su', uid: 7, gid: 8 },
  { ...at, type: 'char', path: 'null', deviceMajor: 1, deviceMinor: 3, mode: 0o666 },
  { ...at, type: 'block', path: 'disk', deviceMajor: 259, deviceMinor: 70_000, mode: 0o660 },
  { ...at, type: 'fifo', path: 'pipe', mode: 0o622 },
  dir(LONG.split('/')[0] ?? ''),
  dir(LONG),
  file(`${LONG}/${'r'.repeat(250)}`, 'long'),
  file('na\u00efve \u{1f600}\n', 'text'),
  file('owned', 'by many', { uid: 3_000_000, gid: 4_000_000 }),
  file('old', 'before the epoch', { mtimeS: -86_400 }),
  file('big', Buffer.alloc(700_000, 'carve')),
  dir('gone'),
  file('gone/x', 'x'),
  dir('opaque'),
  file('opaque/below', 'x'),
  dir('opaque/sub'),
  file('opaque/sub/below', 'x'),
  dir('kept'),
  file('kept/a', 'a'),
  file('kept/b', 'b'),
  dir('becomes-file'),
  file('becomes-file/x', 'x'),
  file('becomes-directory', 'x'),
  file('replaced', 'below', { mode: 0o600 }),
];

const TOP: readonly Entry[] = [
  file('.wh.gone', '', { mode: 0 }),
  dir('opaque', { mode: 0o700 }),
  file('opaque/.wh..wh..opq', '', { mode: 0 }),
  file('opaque/above', 'y'),
  dir('kept'),
  file('kept/.wh.a', '', { mode: 0 }),
  file('kept/c', 'c'),
  file('.wh.becomes-file', '', { mode: 0 }),
  file('becomes-file', 'now'),
  dir('becomes-directory', { mode: 0o711 }),
  file('becomes-directory/y', 'y'),
  file('replaced', 'above', { mode: 0o755, uid: 5 }),
  dir('./', { mode: 0o755, uid: 0, gid: 9 }),
];

/** A sparse file in GNU's pax notation, and an entry whose size and owner only pax says. */
const SPARSE = archive(
  pax([
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.name', 'sparse'],
    ['GNU.sparse.realsize', '9000000'],
  ]),
  raw(
    { name: 'GNUSparseFile.0/sparse', mode: 0o644, mtime: 1_600_000_000 },
    Buffer.concat(
      [
        Buffer.from('2\n0\n5\n8000000\n6\n').toString('latin1').padEnd(512, '\0'),
        'beginmiddle',
      ].map((part) => Buffer.from(part, 'latin1')),
    ),
  ),
  pax([
    ['uid', '5000000'],
    ['mtime', '1600000000.5'],
    ['comment', 'nobody reads this'],
  ]),
  raw({ name: 'by-pax', mode: 0o640 }, 'pax'),
);

test('umoci unpacks what carve wrote to the same tree that carve’s layers show', async () => {
  await ImageFixture.withImages(async (fixture) => {
    const image = rawImage([encodeTar(BASE), encodeTar(TOP), SPARSE]);
    await fixture.load(encodeTar(layoutEntries([{ image, name: 'example.org/all:1' }])));
    const saved = await collect(fixture.images.save(['example.org/all:1'], {}));
    const theirs = unpackByUmoci(fixture.root, saved);
    withOverlay(fixture, (ours) => {
      assert.deepEqual(describeTree(ours), describeTree(theirs));
      assert.equal(describeXattrs(ours), describeXattrs(theirs));
      assert.ok(statSync(join(ours, 'sparse')).blocks * 512 < 1_000_000, 'holes stay holes');
    });
  });
});

test('umoci unpacks what carve imported to the tree that its layer shows', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.images.import(chunked(encodeTar(BASE)), { changes: [], reference: 'base:1' });
    const saved = await collect(fixture.images.save(['base:1'], {}));
    const theirs = unpackByUmoci(fixture.root, saved);
    withOverlay(fixture, (ours) => {
      assert.deepEqual(describeTree(ours), describeTree(theirs));
      assert.equal(describeXattrs(ours), describeXattrs(theirs));
    });
  });
});

/** The root that umoci makes of the first image of a saved archive. */
function unpackByUmoci(root: string, saved: Buffer): string {
  const layout = join(root, 'layout');
  mkdirSync(layout);
  writeFileSync(join(root, 'saved.tar'), saved);
  execFileSync('tar', ['-xf', join(root, 'saved.tar'), '-C', layout]);
  const bundle = join(root, 'bundle');
  execFileSync('umoci', ['unpack', '--image', `${layout}:1`, bundle], { stdio: 'pipe' });
  return join(bundle, 'rootfs');
}

/** The only image's layers, mounted for `look`. */
function withOverlay(fixture: ImageFixture, look: (root: string) => void): void {
  const [image] = fixture.images.list();
  const top = image?.chain.at(-1);
  assert.ok(top !== undefined);
  const merged = join(fixture.root, 'merged');
  const empty = join(fixture.root, 'empty');
  for (const directory of [merged, empty]) mkdirSync(directory);
  const lower = [...fixture.store.directoriesOf(top), empty].join(':');
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `ro,lowerdir=${lower}`, merged]);
  try {
    look(merged);
  } finally {
    execFileSync('umount', [merged]);
  }
}
