import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../base/error.ts';
import { type CapturedFile, DEFAULT_ROOT, type RootAttributes } from '../spec/layer.ts';
import type { LayerWriter, WriterAttributes, WriterFile, WriterNode } from './layer-writer.ts';
import type { TarEntry, TarType } from './tar-entry.ts';
import { LayerTree, type TreeFacts, type TreeOptions } from './tree.ts';

/** Writes down what it is told, one line an operation. */
class Recorder implements LayerWriter {
  readonly lines: string[] = [];
  #directory = '';

  #say(text: string): void {
    this.lines.push(text);
  }
  #at(name: string): string {
    return this.#directory === '' ? name : `${this.#directory}/${name}`;
  }
  changeDirectory(path: string): void {
    this.#directory = path;
  }
  makeDirectory(name: string): void {
    this.#say(`mkdir ${this.#at(name)}`);
  }
  beginFile({ name, sizeBytes, isDense }: WriterFile): void {
    this.#say(`file ${this.#at(name)} ${sizeBytes}${isDense ? '' : ' sparse'}`);
  }
  fileData(): void {
    this.#say('data');
  }
  endFile(): void {
    this.#say('end');
  }
  makeSymlink(name: string, target: string): void {
    this.#say(`symlink ${this.#at(name)} -> ${target}`);
  }
  makeLink(name: string, targetDirectory: string, targetName: string): void {
    this.#say(
      `link ${this.#at(name)} = ${targetDirectory === '' ? '' : `${targetDirectory}/`}${targetName}`,
    );
  }
  makeNode({ name, type, major, minor }: WriterNode): void {
    this.#say(`node ${this.#at(name)} ${type} ${major}:${minor}`);
  }
  unlink(name: string): void {
    this.#say(`unlink ${this.#at(name)}`);
  }
  removeDirectory(name: string): void {
    this.#say(`rmdir ${this.#at(name)}`);
  }
  setAttributes(attributes: WriterAttributes): void {
    this.#say(
      `attributes ${this.#directory === '' ? '/' : this.#directory} ${attributes.mode.toString(8)}${xattrsOf(attributes)}`,
    );
  }
  inheritAttributes(path: string, fallback: WriterAttributes): void {
    assert.equal(path, this.#directory);
    this.#say(`inherit ${path}${xattrsOf(fallback)}`);
  }
  limitBelow(count: number): void {
    this.lines.push(`inherit from ${count}`);
  }
  copyFromBelow(name: string, path: string): void {
    this.#say(`copy ${this.#at(name)} = below:${path}`);
  }
}

function xattrsOf({ xattrs }: WriterAttributes): string {
  return xattrs
    .map(({ name, value }) => ` ${name}=${Buffer.from(value).toString('latin1')}`)
    .join('');
}

function entry(type: TarType, path: string, more: Partial<TarEntry> = {}): TarEntry {
  const sizeBytes = more.sizeBytes ?? 0;
  return {
    type,
    path,
    linkPath: '',
    mode: type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtimeS: 1,
    mtimeNs: 0,
    sizeBytes,
    dataBytes: sizeBytes,
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: [],
    ...more,
  };
}
const file = (path: string, content = ''): TarEntry & { readonly content: string } => ({
  ...entry('file', path, { sizeBytes: content.length }),
  content,
});
const dir = (path: string, mode = 0o755): TarEntry => entry('directory', path, { mode });
const link = (path: string, linkPath: string): TarEntry => entry('symlink', path, { linkPath });
const hard = (path: string, linkPath: string): TarEntry => entry('hardlink', path, { linkPath });

interface Run {
  readonly lines: readonly string[];
  readonly facts: TreeFacts;
  readonly passwd: CapturedFile;
}

function run(
  entries: readonly TarEntry[],
  options: Partial<TreeOptions> & { readonly belowRoot?: RootAttributes } = {},
): Run {
  const writer = new Recorder();
  const hasParent = options.hasParent ?? true;
  const tree = new LayerTree(writer, {
    hasParent,
    overlayXattrs: options.overlayXattrs ?? 'trusted',
    skipDevices: options.skipDevices ?? false,
  });
  for (const item of entries) {
    if (!tree.addEntry(item)) continue;
    if ('content' in item && typeof item.content === 'string')
      tree.captures.data(Buffer.from(item.content), 0);
    tree.captures.end();
  }
  const facts = tree.finish(
    hasParent ? { root: options.belowRoot ?? DEFAULT_ROOT, visibleCount: 3 } : undefined,
  );
  return {
    lines: writer.lines,
    facts,
    passwd: tree.captures.results(tree.root, facts.hidesBelow)['etc/passwd'],
  };
}

/** Operations without those that only set directory attributes. */
function ops(entries: readonly TarEntry[], options: Partial<TreeOptions> = {}): readonly string[] {
  return run(entries, options).lines.filter(
    (line) => !/^(?:attributes|inherit) /.test(line) || line.includes('overlay'),
  );
}

const PLACED: readonly (readonly [
  what: string,
  entries: readonly TarEntry[],
  ops: readonly string[],
])[] = [
  ['a file in a directory that is only implied', [file('a/b', 'x')], ['mkdir a', 'file a/b 1']],
  ['an absolute path below the root', [file('/a')], ['file a 0']],
  ['doubled slashes and dots', [file('.//a/./b')], ['mkdir a', 'file a/b 0']],
  [
    'the last of two files of a name',
    [file('f', 'x'), file('f', 'yy')],
    ['file f 1', 'unlink f', 'file f 2'],
  ],
  [
    'a file over a tree of this layer',
    [dir('d'), file('d/x'), dir('d/e'), file('d/e/y'), file('d')],
    [
      'mkdir d',
      'file d/x 0',
      'mkdir d/e',
      'file d/e/y 0',
      'unlink d/x',
      'unlink d/e/y',
      'rmdir d/e',
      'rmdir d',
      'file d 0',
    ],
  ],
  [
    'a directory over a directory, which keeps its content',
    [dir('d'), file('d/x'), dir('d', 0o700)],
    ['mkdir d', 'file d/x 0'],
  ],
  [
    'a file over a symlink without following it',
    [link('l', '/etc'), file('l')],
    ['symlink l -> /etc', 'unlink l', 'file l 0'],
  ],
  [
    'a directory over a symlink without following it',
    [link('l', '/etc'), dir('l'), file('l/x')],
    [
      'symlink l -> /etc',
      'unlink l',
      'mkdir l',
      'file l/x 0',
      'attributes l 755 trusted.overlay.opaque=y',
    ],
  ],
  [
    'a path through an absolute symlink, inside the root',
    [dir('etc'), link('l', '/etc'), file('l/passwd')],
    ['mkdir etc', 'symlink l -> /etc', 'file etc/passwd 0'],
  ],
  [
    'a path through a symlink that climbs, inside the root',
    [link('l', '../../../etc'), file('l/x')],
    ['symlink l -> ../../../etc', 'mkdir etc', 'file etc/x 0'],
  ],
  [
    'a path through a relative symlink',
    [dir('usr/bin'), link('bin', 'usr/bin'), file('bin/sh')],
    ['mkdir usr', 'mkdir usr/bin', 'symlink bin -> usr/bin', 'file usr/bin/sh 0'],
  ],
  [
    'a path through a chain of symlinks',
    [link('a', 'b'), link('b', './c/../d'), dir('c'), file('a/x')],
    ['symlink a -> b', 'symlink b -> ./c/../d', 'mkdir c', 'mkdir d', 'file d/x 0'],
  ],
  [
    'the same path after its symlink was replaced',
    [dir('x'), dir('y'), link('l', 'x'), file('l/1'), link('l', 'y'), file('l/2')],
    [
      'mkdir x',
      'mkdir y',
      'symlink l -> x',
      'file x/1 0',
      'unlink l',
      'symlink l -> y',
      'file y/2 0',
    ],
  ],
  [
    'a directory named with a dot after files in it',
    [file('a/b'), dir('a/.', 0o700), file('a/c')],
    ['mkdir a', 'file a/b 0', 'file a/c 0'],
  ],
  ['a hard link', [file('a/f', 'x'), hard('g', 'a/f')], ['mkdir a', 'file a/f 1', 'link g = a/f']],
  ['a hard link with an absolute target', [file('f'), hard('g', '/f')], ['file f 0', 'link g = f']],
  [
    'a hard link to a symlink, which is not followed',
    [link('l', '/etc/passwd'), hard('g', 'l')],
    ['symlink l -> /etc/passwd', 'link g = l'],
  ],
  [
    'a hard link whose directory is a symlink of the layer',
    [file('d/f'), link('l', 'd'), hard('g', 'l/f')],
    ['mkdir d', 'file d/f 0', 'symlink l -> d', 'link g = d/f'],
  ],
  [
    'a hard link over a file',
    [file('f'), file('g'), hard('g', 'f')],
    ['file f 0', 'file g 0', 'unlink g', 'link g = f'],
  ],
  ['a hard link to itself, which is nothing', [file('f'), hard('f', 'f')], ['file f 0']],
  ['a hard link to a lower layer as a copy', [hard('g', 'bin/tool')], ['copy g = below:bin/tool']],
  [
    'a hard link to a link to a lower layer as another copy',
    [hard('g', 'bin/tool'), hard('h', 'g')],
    ['copy g = below:bin/tool', 'copy h = below:bin/tool'],
  ],
  ['a file over a link to a lower layer', [hard('g', 'bin/tool'), file('g', 'x')], ['file g 1']],
  [
    'devices and a fifo',
    [
      entry('char', 'null', { deviceMajor: 1, deviceMinor: 3 }),
      entry('block', 'b', { deviceMajor: 8 }),
      entry('fifo', 'p'),
    ],
    ['node null char 1:3', 'node b block 8:0', 'node p fifo 0:0'],
  ],
];
for (const [what, entries, wanted] of PLACED) {
  test(`LayerTree places ${what}`, () => {
    assert.deepEqual(ops(entries), wanted);
  });
}

const WHITEOUTS: readonly (readonly [
  what: string,
  entries: readonly TarEntry[],
  ops: readonly string[],
])[] = [
  ['a whiteout', [file('a/.wh.b')], ['mkdir a', 'node a/b char 0:0']],
  ['a whiteout before the same name, which stays', [file('.wh.f'), file('f', 'x')], ['file f 1']],
  ['a whiteout after the same name, which stays', [file('f', 'x'), file('.wh.f')], ['file f 1']],
  [
    'a whiteout of a directory that the layer makes anew',
    [file('.wh.d'), dir('d'), file('d/x')],
    ['mkdir d', 'file d/x 0', 'attributes d 755 trusted.overlay.opaque=y'],
  ],
  [
    'a whiteout after the directory that the layer makes anew',
    [dir('d'), file('d/x'), file('.wh.d')],
    ['mkdir d', 'file d/x 0', 'attributes d 755 trusted.overlay.opaque=y'],
  ],
  [
    'an opaque directory with an earlier sibling',
    [dir('d'), file('d/x'), file('d/.wh..wh..opq')],
    ['mkdir d', 'file d/x 0', 'attributes d 755 trusted.overlay.opaque=y'],
  ],
  [
    'an opaque directory that is only implied',
    [file('d/.wh..wh..opq')],
    ['mkdir d', 'inherit d trusted.overlay.opaque=y'],
  ],
  [
    'a whiteout inside an opaque directory, which needs none',
    [file('d/.wh..wh..opq'), file('d/.wh.x')],
    ['mkdir d', 'inherit d trusted.overlay.opaque=y'],
  ],
  [
    'an opaque directory below an opaque one, which needs no mark',
    [file('d/.wh..wh..opq'), file('d/e/.wh..wh..opq')],
    ['mkdir d', 'mkdir d/e', 'inherit d trusted.overlay.opaque=y'],
  ],
  [
    'a whiteout through a symlink, inside the root',
    [dir('d'), link('l', '/d'), file('l/.wh.x')],
    ['mkdir d', 'symlink l -> /d', 'node d/x char 0:0'],
  ],
  [
    'a whiteout in a directory that a file replaces',
    [file('d/.wh.x'), file('d')],
    ['mkdir d', 'rmdir d', 'file d 0'],
  ],
  [
    'a file, then a directory of the name, as opaque',
    [file('d'), dir('d')],
    ['file d 0', 'unlink d', 'mkdir d', 'attributes d 755 trusted.overlay.opaque=y'],
  ],
  ['a whiteout given as a hard link', [hard('.wh.x', '.wh..wh.aufs')], ['node x char 0:0']],
  [
    'the bookkeeping of AUFS as nothing',
    [dir('.wh..wh.plnk'), file('.wh..wh.plnk/123.45'), file('.wh..wh.aufs')],
    [],
  ],
  ['two whiteouts of a name as one', [file('.wh.x'), file('.wh.x')], ['node x char 0:0']],
  ['a whiteout whose name starts with dots', [file('.wh....')], ['node ... char 0:0']],
];
for (const [what, entries, wanted] of WHITEOUTS) {
  test(`LayerTree translates ${what}`, () => {
    assert.deepEqual(ops(entries), wanted);
  });
}

test('a base layer has nothing to hide', () => {
  assert.deepEqual(
    ops([file('.wh.x'), file('d/.wh..wh..opq'), file('d/y')], { hasParent: false }),
    ['mkdir d', 'file d/y 0'],
  );
});

test('an opaque root hides all layers below instead of marking a directory', () => {
  const { facts, lines } = run([
    file('.wh..wh..opq'),
    file('a/.wh..wh..opq'),
    file('.wh.x'),
    file('a/f'),
  ]);
  assert.equal(facts.hidesBelow, true);
  assert.ok(!lines.some((line) => line.includes('overlay') || line.includes('0:0')));
});

test('in a user namespace the opaque mark is a user attribute and devices are left out', () => {
  const lines = ops(
    [
      file('d/.wh..wh..opq'),
      entry('char', 'c', { deviceMajor: 1, deviceMinor: 3 }),
      entry('fifo', 'p'),
    ],
    { overlayXattrs: 'user', skipDevices: true },
  );
  assert.deepEqual(lines, ['mkdir d', 'node p fifo 0:0', 'inherit d user.overlay.opaque=y']);
});

const REFUSED: readonly (readonly [what: string, entries: readonly TarEntry[], message: RegExp])[] =
  [
    ['a parent step', [file('../x')], /"\.\.\/x" leads out/],
    ['a parent step in the middle', [file('a/../../x')], /leads out/],
    ['a harmless parent step too', [file('a/../x')], /leads out/],
    ['a parent step in a hard link target', [hard('x', '../../etc/shadow')], /leads out/],
    ['a component of 256 bytes', [file('a'.repeat(256))], /longer than 255 bytes/],
    ['a NUL in a name', [file('a\0b')], /NUL byte/],
    ['a root that is a file', [file('/')], /names the root/],
    ['a root that is a symlink', [link('.', '/etc')], /names the root/],
    [
      'a path below a file',
      [file('a'), file('a/b')],
      /"a\/b" lies below "a", which is not a directory/,
    ],
    ['a path below a fifo', [entry('fifo', 'a'), file('a/b')], /not a directory/],
    [
      'a path through a symlink to a file',
      [file('f'), link('l', 'f'), file('l/x')],
      /not a directory/,
    ],
    [
      'a symlink to itself as a directory',
      [link('l', 'l'), file('l/x')],
      /too many symbolic links/,
    ],
    [
      'symlinks in a circle as a directory',
      [link('a', 'b/x'), link('b', 'a/x'), file('a/f')],
      /too many symbolic links/,
    ],
    ['a hard link to a directory', [dir('d'), hard('x', 'd')], /hard link to the directory "d"/],
    ['a hard link to the root', [hard('x', '/')], /hard link to the root/],
    ['an empty symlink', [link('l', '')], /unusable target/],
    ['a symlink target with a NUL', [link('l', 'a\0b')], /unusable target/],
    ['a whiteout without a name', [file('.wh.')], /whiteout of no name/],
    ['a whiteout of "."', [file('.wh..')], /whiteout of no name/],
    ['a whiteout of ".."', [file('a/.wh...')], /whiteout of no name/],
    ['an entry below a whiteout', [file('.wh.d/x')], /below a whiteout/],
    ['a whiteout that is a directory', [dir('.wh.d')], /whiteout that is not a file/],
    [
      'an opaque mark that is a symlink',
      [link('d/.wh..wh..opq', '/')],
      /whiteout that is not a file/,
    ],
    ['a smuggled overlay whiteout', [entry('char', 'x')], /character device 0:0/],
    [
      'an impossible device number',
      [entry('block', 'x', { deviceMajor: 1e9 })],
      /impossible device number/,
    ],
    [
      'a negative device number',
      [entry('block', 'x', { deviceMinor: -1 })],
      /impossible device number/,
    ],
    [
      'a path that grows beyond the limit through a symlink',
      [dir('d/'.repeat(1500)), link('l', 'd/'.repeat(1500)), file(`l/${'e/'.repeat(1000)}`)],
      /too long/,
    ],
  ];
for (const [what, entries, message] of REFUSED) {
  test(`LayerTree refuses ${what}`, () => {
    assert.throws(
      () => run(entries),
      (error) => isEngineError(error) && error.kind === 'invalid' && message.test(error.message),
    );
  });
}

test('a hard link in a base layer to a file that is not there is refused', () => {
  assert.throws(
    () => run([hard('g', 'nothing')], { hasParent: false }),
    /"g" is a hard link to "nothing", which does not exist/,
  );
});

test('only security.capability and user attributes are set', () => {
  const names = [
    'security.capability',
    'user.a',
    'user.overlay.opaque',
    'trusted.overlay.opaque',
    'trusted.x',
    'security.selinux',
    'security.ima',
    'system.posix_acl_access',
  ];
  const { lines } = run([
    entry('directory', 'd', { xattrs: names.map((name) => ({ name, value: Buffer.from('v') })) }),
  ]);
  assert.ok(lines.includes('attributes d 755 security.capability=v user.a=v'));
});

test('an implied directory inherits, one below a deleted directory does not', () => {
  const { lines } = run([file('a/x'), file('b/y'), file('.wh.b')]);
  assert.ok(lines.includes('inherit a'));
  assert.ok(lines.includes('attributes b 755 trusted.overlay.opaque=y'));
});

test('the root has its own attributes, else the parent’s, else the default', () => {
  assert.deepEqual(run([dir('./', 0o700)]).facts.root, { mode: 0o700, uid: 0, gid: 0 });
  assert.deepEqual(run([], { belowRoot: { mode: 0o711, uid: 5, gid: 6 } }).facts.root, {
    mode: 0o711,
    uid: 5,
    gid: 6,
  });
  assert.deepEqual(run([]).facts.root, { mode: 0o755, uid: 0, gid: 0 });
});

test('sizes and entries count what is there in the end', () => {
  const { facts } = run([
    file('a', 'xxx'),
    file('a', 'yy'),
    dir('d'),
    file('d/z', 'zzzz'),
    hard('h', 'd/z'),
    file('d', 'q'),
  ]);
  assert.deepEqual([facts.sizeBytes, facts.entries], [3, 3]);
});

const CAPTURES: readonly (readonly [
  what: string,
  entries: readonly TarEntry[],
  captured: CapturedFile,
])[] = [
  ['no word about it', [file('etc/hosts', 'x')], { kind: 'unchanged' }],
  ['the file', [file('etc/passwd', 'root:x:0:0')], { kind: 'text', text: 'root:x:0:0' }],
  [
    'the file twice',
    [file('etc/passwd', 'a'), file('./etc/passwd', 'b')],
    { kind: 'text', text: 'b' },
  ],
  [
    'the file through a symlink',
    [dir('conf'), link('etc', 'conf'), file('etc/passwd', 'a')],
    { kind: 'elsewhere' },
  ],
  ['a whiteout', [file('etc/.wh.passwd')], { kind: 'absent' }],
  ['an opaque directory', [file('etc/.wh..wh..opq')], { kind: 'absent' }],
  ['a whiteout of its directory', [file('.wh.etc')], { kind: 'absent' }],
  ['an opaque root', [file('.wh..wh..opq')], { kind: 'absent' }],
  ['a file as its directory', [file('etc', 'x')], { kind: 'absent' }],
  ['a symlink', [link('etc/passwd', '/x')], { kind: 'elsewhere' }],
  [
    'a symlink over the file',
    [file('etc/passwd', 'a'), link('etc/passwd', '/x')],
    { kind: 'elsewhere' },
  ],
  ['a hard link', [file('x', 'a'), hard('etc/passwd', 'x')], { kind: 'elsewhere' }],
  ['a directory', [dir('etc/passwd')], { kind: 'elsewhere' }],
  ['a fifo', [entry('fifo', 'etc/passwd')], { kind: 'elsewhere' }],
  [
    'a file above 1 MiB',
    [entry('file', 'etc/passwd', { sizeBytes: 1024 * 1024 + 1 })],
    { kind: 'elsewhere' },
  ],
  [
    'a sparse file',
    [entry('file', 'etc/passwd', { sizeBytes: 100, dataBytes: 1 })],
    { kind: 'elsewhere' },
  ],
  [
    'the file in a tree that was replaced',
    [file('etc/passwd', 'a'), file('etc', 'x'), dir('etc')],
    { kind: 'absent' },
  ],
];
for (const [what, entries, captured] of CAPTURES) {
  test(`/etc/passwd with ${what} is captured as ${captured.kind}`, () => {
    assert.deepEqual(run(entries).passwd, captured);
  });
}
