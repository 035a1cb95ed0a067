/**
 * F3: what deletions in layers mean, against a second applier that does what
 * the specification says to a map of paths, and against the kernel's overlay.
 * Source: OCI image-spec 1.1.1 layer.md "Applying Changesets", "Whiteouts".
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { type Entry, LayerFixture } from './layer-fixture.ts';

const file = (path: string, content = path): Entry => ({ type: 'file', path, content });
const gone = (path: string): Entry => {
  const slash = path.lastIndexOf('/') + 1;
  return { type: 'file', path: `${path.slice(0, slash)}.wh.${path.slice(slash)}` };
};
const opaque = (path: string): Entry => ({ type: 'file', path: `${path}/.wh..wh..opq` });
const dir = (path: string): Entry => ({ type: 'directory', path, mode: 0o755 });
const link = (path: string, linkPath: string): Entry => ({ type: 'symlink', path, linkPath });
const hard = (path: string, linkPath: string): Entry => ({ type: 'hardlink', path, linkPath });

/** What stands at a path: a directory, a link's target after `->`, a file's content. */
type Shown = Map<string, string>;
const DIRECTORY = '/';

/** The reference: layers applied one after another to the whole tree. */
function applyAll(layers: readonly (readonly Entry[])[]): Shown {
  const tree: Shown = new Map();
  for (const entries of layers) {
    const meant = entries.filter(({ path }) => !/(?:^|\/)\.wh\.\.wh\.(?!\.opq$)/.test(path));
    const split = meant.map((entry) => {
      const slash = entry.path.lastIndexOf('/');
      return {
        entry,
        parent: entry.path.slice(0, Math.max(0, slash)),
        name: entry.path.slice(slash + 1),
      };
    });
    // Deletions concern the layers below, wherever they stand.
    for (const { parent, name } of split) {
      if (name === '.wh..wh..opq') removeBelow(tree, parent);
      else if (name.startsWith('.wh.')) remove(tree, join(parent, name.slice(4)));
    }
    for (const { entry, parent, name } of split) {
      makeParents(tree, parent);
      if (!name.startsWith('.wh.')) put(tree, entry);
    }
  }
  return tree;
}

function removeBelow(tree: Shown, path: string): void {
  const prefix = path === '' ? '' : `${path}/`;
  for (const other of tree.keys()) if (other.startsWith(prefix)) tree.delete(other);
}

function remove(tree: Shown, path: string): void {
  tree.delete(path);
  removeBelow(tree, path);
}

function makeParents(tree: Shown, path: string): void {
  if (path === '') return;
  makeParents(tree, path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');
  if (tree.get(path) !== DIRECTORY) put(tree, dir(path));
}

function put(tree: Shown, entry: Entry): void {
  const { type, path, linkPath = '', content = '' } = entry;
  if (type === 'directory' && tree.get(path) === DIRECTORY) return;
  const target = tree.get(linkPath) ?? '';
  remove(tree, path);
  if (type === 'directory') tree.set(path, DIRECTORY);
  else if (type === 'symlink') tree.set(path, `-> ${linkPath}`);
  else tree.set(path, type === 'hardlink' ? target : `= ${String(content)}`);
}

const BASE: readonly Entry[] = [
  dir('d'),
  file('d/a'),
  file('d/b'),
  dir('d/sub'),
  file('d/sub/deep'),
  file('f'),
  dir('e'),
  file('e/x'),
  link('l', 'd'),
  file('g'),
  hard('h', 'g'),
];

const CASES: readonly (readonly [name: string, ...layers: (readonly Entry[])[]])[] = [
  ['a file', [gone('f')]],
  ['a file in a directory', [gone('d/a')]],
  ['a directory with all in it', [gone('d')]],
  ['a link, not what it points at', [gone('l')]],
  ['one of two names of a file', [gone('g')]],
  ['what never was', [gone('nothing'), gone('d/nothing'), gone('new/nothing')]],
  ['a file that the same layer brings, before it', [gone('f'), file('f', 'new')]],
  ['a file that the same layer brings, after it', [file('f', 'new'), gone('f')]],
  ['a directory that the same layer makes anew', [gone('d'), dir('d'), file('d/new')]],
  ['a directory that the same layer made before', [dir('d'), file('d/new'), gone('d')]],
  ['a directory that becomes a file', [gone('d'), file('d', 'now a file')]],
  ['a directory that becomes a link', [gone('d'), link('d', 'e')]],
  ['a file that becomes a directory', [gone('f'), dir('f'), file('f/x')]],
  ['all in a directory', [opaque('d')]],
  ['all in a directory but what is new, mark first', [opaque('d'), file('d/new')]],
  ['all in a directory but what is new, mark last', [file('d/new'), opaque('d')]],
  ['all in a directory, and one of it by name', [gone('d/a'), opaque('d')]],
  ['all in a directory below another', [opaque('d/sub'), file('d/sub/new')]],
  ['all in a directory that is not there', [opaque('new'), file('new/x')]],
  [
    'all in the root',
    [opaque(''), file('only')].map((entry) => ({ ...entry, path: entry.path.replace(/^\//, '') })),
  ],
  ['a directory twice, by mark and by name', [gone('d'), opaque('d'), file('d/x')]],
  ['a file that comes back in a third layer', [gone('f')], [file('f', 'back')]],
  ['a directory that comes back in a third layer', [gone('d')], [file('d/back')]],
  ['a directory that comes back empty', [gone('d')], [dir('d')]],
  ['a deletion of a deletion', [gone('d/a')], [gone('d/a')]],
  [
    'a file in a directory that a layer below made opaque',
    [opaque('d'), file('d/new')],
    [gone('d/new')],
  ],
  ['a directory that a layer made and the next deletes', [file('n/e/w')], [gone('n')]],
  [
    'a file that became a directory, again',
    [gone('f'), file('f/x')],
    [gone('f'), file('f', 'file')],
  ],
  [
    'bookkeeping of an old file system',
    [dir('.wh..wh.plnk'), file('.wh..wh.plnk/1'), file('.wh..wh.aufs')],
  ],
  ['a hard link to a file of a layer below', [hard('d/copy', 'f')], [gone('f')]],
  ['names that only begin alike', [gone('d/su'), gone('d/sub-')]],
  ['a name with a dot and spaces', [file(' . x'), file('d/..x')], [gone(' . x'), gone('d/..x')]],
];

test(`F3: there are at least 20 cases of deletions`, () => {
  assert.ok(CASES.length >= 20, String(CASES.length));
});

for (const [name, ...layers] of CASES) {
  test(`F3: layers that delete ${name} show what the specification says`, async () => {
    await LayerFixture.with(async (fixture) => {
      const all = [BASE, ...layers];
      const unpacked = await fixture.unpack(...all.map((entries) => encodeTar(entries)));
      const top = unpacked.at(-1);
      assert.ok(top !== undefined);
      const shown = showOverlay(fixture.root, fixture.store.directoriesOf(top.chainId));
      assert.deepEqual(
        shown,
        [...applyAll(all)].map(([path, what]) => `${path} ${what}`).toSorted(),
      );
    });
  });
}

/** What the kernel's overlay of `lower`, top first, shows. */
function showOverlay(root: string, lower: readonly string[]): readonly string[] {
  const merged = join(root, 'merged');
  mkdirSync(merged);
  const empty = join(root, 'empty');
  mkdirSync(empty);
  const script = `mount -t overlay overlay -o ro,lowerdir=${[...lower, empty].join(':')} "$1" && cd "$1" &&
    find . -mindepth 1 '(' -type d -printf '%P /\\0' -o -type l -printf '%P -> %l\\0' -o -type f -printf '%P = ' -exec cat {} ';' -printf '\\0' ')'`;
  const out = execFileSync('unshare', ['-m', 'sh', '-c', script, 'sh', merged], {
    encoding: 'utf8',
  });
  return out
    .split('\0')
    .filter((line) => line !== '')
    .toSorted();
}
