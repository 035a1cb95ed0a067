import { test } from 'node:test';
import assert from 'node:assert/strict';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isEngineError } from '../../base/error.ts';
import { encodeTar, type NewTarEntry } from '../../layers/tar-write.ts';
import { extractArchive } from './extract.ts';
import { packFiles } from './pack.ts';
import { parseCopyArgument, planCopy, type CopyPlan } from './plan-copy.ts';

type Entries = readonly (NewTarEntry & { readonly content?: string })[];

async function* chunksOf(bytes: Buffer, size = 1000): AsyncGenerator<Buffer, void, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function inDirectory(body: (directory: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = mkdtempSync(join(tmpdir(), 'carve-cp-'));
    try {
      await body(directory);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
}

async function extract(
  plan: CopyPlan,
  entries: Entries,
  keepsOwner = false,
): Promise<readonly string[]> {
  const skipped: string[] = [];
  await extractArchive(chunksOf(encodeTar(entries)), {
    plan,
    keepsOwner,
    onSkipped: (name, what) => {
      skipped.push(`${name}: ${what}`);
      return Promise.resolve();
    },
  });
  return skipped;
}

const plans: readonly (readonly [
  string,
  Parameters<typeof planCopy>[0],
  Parameters<typeof planCopy>[1],
  CopyPlan | RegExp,
])[] = [
  [
    'a file into a directory',
    { path: '/a/f', kind: 'other' },
    { path: '/t', kind: 'directory' },
    { directory: '/t', name: 'f' },
  ],
  [
    'a file over a file',
    { path: '/a/f', kind: 'other' },
    { path: '/t/g', kind: 'other' },
    { directory: '/t', name: 'g' },
  ],
  [
    'a file to a new name',
    { path: '/a/f', kind: 'other' },
    { path: '/t/g', kind: undefined },
    { directory: '/t', name: 'g' },
  ],
  [
    'a file into a directory that is not there',
    { path: '/a/f', kind: 'other' },
    { path: '/t/g/', kind: undefined },
    /no such directory/,
  ],
  [
    'a directory into a directory',
    { path: '/a/d', kind: 'directory' },
    { path: '/t', kind: 'directory' },
    { directory: '/t', name: 'd' },
  ],
  [
    'the contents of a directory into a directory',
    { path: '/a/d/.', kind: 'directory' },
    { path: '/t', kind: 'directory' },
    { directory: '/t', name: undefined },
  ],
  [
    'a directory to a new name',
    { path: '/a/d', kind: 'directory' },
    { path: '/t/n', kind: undefined },
    { directory: '/t', name: 'n' },
  ],
  [
    'the contents of a directory to a new name',
    { path: '/a/d/.', kind: 'directory' },
    { path: '/t/n', kind: undefined },
    { directory: '/t', name: 'n' },
  ],
  [
    'a directory over a file',
    { path: '/a/d', kind: 'directory' },
    { path: '/t/f', kind: 'other' },
    /over the file/,
  ],
  [
    'the root directory',
    { path: '/', kind: 'directory' },
    { path: '/t', kind: 'directory' },
    { directory: '/t', name: undefined },
  ],
];

for (const [name, source, target, expected] of plans) {
  test(`planCopy() puts ${name} where cp -a would`, () => {
    if (expected instanceof RegExp) assert.throws(() => planCopy(source, target), expected);
    else assert.deepEqual(planCopy(source, target), expected);
  });
}

test('parseCopyArgument() tells containers from paths', () => {
  assert.deepEqual(parseCopyArgument('web:/x:y'), { container: 'web', path: '/x:y' });
  for (const path of ['/a:b', './a:b', '../a:b', 'plain', '-']) {
    assert.deepEqual(parseCopyArgument(path), { container: undefined, path });
  }
});

test(
  'extractArchive() makes files, directories and links, with modes and times, under another name',
  inDirectory(async (directory) => {
    await extract({ directory, name: 'copy' }, [
      { type: 'directory', path: 'src', mode: 0o750, mtimeS: 1000 },
      { type: 'file', path: 'src/a', mode: 0o4640, mtimeS: 2000, content: 'hello' },
      { type: 'symlink', path: 'src/l', linkPath: '/etc/passwd' },
      { type: 'hardlink', path: 'src/h', linkPath: 'src/a' },
      { type: 'directory', path: 'src/sub', mode: 0o500, mtimeS: 3000 },
      { type: 'file', path: 'src/sub/b', mode: 0o600, content: 'x'.repeat(100_000) },
    ]);
    const at = (path: string): string => join(directory, 'copy', path);
    assert.equal(readFileSync(at('a'), 'utf8'), 'hello');
    assert.equal(statSync(at('a')).mode & 0o7777, 0o640);
    assert.equal(statSync(at('a')).mtimeMs, 2_000_000);
    assert.equal(readlinkSync(at('l')), '/etc/passwd');
    assert.equal(statSync(at('h')).ino, statSync(at('a')).ino);
    assert.deepEqual(
      [statSync(at('sub')).mode & 0o777, statSync(at('sub')).mtimeMs],
      [0o500, 3_000_000],
    );
    assert.equal(statSync(at('.')).mtimeMs, 1_000_000);
    assert.equal(readFileSync(at('sub/b'), 'utf8').length, 100_000);
  }),
);

test(
  'extractArchive() replaces files, keeps other files of directories, and skips devices with a word',
  inDirectory(async (directory) => {
    mkdirSync(join(directory, 'd'));
    writeFileSync(join(directory, 'd/old'), 'stays');
    writeFileSync(join(directory, 'd/new'), 'goes');
    const skipped = await extract({ directory, name: 'd' }, [
      { type: 'directory', path: 'd', mode: 0o755 },
      { type: 'file', path: 'd/new', content: 'came' },
      { type: 'fifo', path: 'd/pipe' },
      { type: 'char', path: 'd/dev', deviceMajor: 1, deviceMinor: 3 },
    ]);
    assert.deepEqual(
      [
        readFileSync(join(directory, 'd/old'), 'utf8'),
        readFileSync(join(directory, 'd/new'), 'utf8'),
      ],
      ['stays', 'came'],
    );
    assert.deepEqual(skipped, ['d/pipe: a named pipe', 'd/dev: a device']);
  }),
);

/** Archives that try to reach a canary outside; each runs with the canary beside the target. */
const attacks: readonly (readonly [string, Entries])[] = [
  ['a path with ..', [{ type: 'file', path: 'd/../../canary', content: 'x' }]],
  ['an absolute path', [{ type: 'file', path: '/canary', content: 'x' }]],
  [
    'a link and a file through it',
    [
      { type: 'symlink', path: 'd/l', linkPath: '..' },
      { type: 'file', path: 'd/l/canary', content: 'x' },
    ],
  ],
  [
    'a link and a file over it',
    [
      { type: 'symlink', path: 'd/l', linkPath: '../../canary' },
      { type: 'file', path: 'd/l', content: 'x' },
    ],
  ],
  [
    'a link and a directory over it',
    [
      { type: 'symlink', path: 'd', linkPath: '..' },
      { type: 'directory', path: 'd', mode: 0o777 },
      { type: 'file', path: 'd/canary', content: 'x' },
    ],
  ],
  [
    'a hard link to a file outside',
    [
      { type: 'hardlink', path: 'd/h', linkPath: 'd/../../canary' },
      { type: 'file', path: 'd/h', content: 'x' },
    ],
  ],
  [
    'a hard link through a link',
    [
      { type: 'symlink', path: 'd/l', linkPath: '..' },
      { type: 'hardlink', path: 'd/h', linkPath: 'd/l/canary' },
    ],
  ],
  [
    'a hard link to a link',
    [
      { type: 'symlink', path: 'd/l', linkPath: '../../canary' },
      { type: 'hardlink', path: 'd/h', linkPath: 'd/l' },
      { type: 'file', path: 'd/h', content: 'x' },
    ],
  ],
  [
    'the permissions of a link',
    [
      { type: 'symlink', path: 'd/l', linkPath: '../../canary' },
      { type: 'symlink', path: 'd/l', linkPath: '../../canary', mode: 0o777 },
    ],
  ],
  [
    'a parent that is a link of the target directory itself',
    [{ type: 'file', path: 'd/outside/canary', content: 'x' }],
  ],
];

for (const [name, entries] of attacks) {
  test(
    `F7: extractArchive() is not led out by ${name}`,
    inDirectory(async (directory) => {
      writeFileSync(join(directory, 'canary'), 'safe', { mode: 0o600 });
      utimesSync(join(directory, 'canary'), 1, 1);
      const before = statSync(join(directory, 'canary'));
      mkdirSync(join(directory, 'target/d'), { recursive: true });
      symlinkSync('../..', join(directory, 'target/d/outside'));
      await extract({ directory: join(directory, 'target'), name: 'd' }, [
        { type: 'directory', path: 'd', mode: 0o755 },
        ...entries,
      ]).catch((error: unknown) => {
        assert.ok(
          isEngineError(error) || (error instanceof Error && 'code' in error),
          String(error),
        );
      });
      const after = statSync(join(directory, 'canary'));
      assert.equal(readFileSync(join(directory, 'canary'), 'utf8'), 'safe');
      assert.deepEqual(
        [after.mode, after.mtimeMs, after.nlink, after.ino],
        [before.mode, before.mtimeMs, before.nlink, before.ino],
      );
    }),
  );
}

test(
  'packFiles() and extractArchive() give back the same tree',
  inDirectory(async (directory) => {
    const source = join(directory, 'src');
    mkdirSync(join(source, 'deep/er'), { recursive: true });
    writeFileSync(join(source, 'deep/er/file'), 'content', { mode: 0o640 });
    writeFileSync(join(source, 'empty'), '');
    writeFileSync(join(source, `long-${'n'.repeat(200)}`), 'long');
    writeFileSync(Buffer.from(`${source}/bytes-\xff\xfe`, 'latin1'), 'not utf-8');
    linkSync(join(source, 'empty'), join(source, 'same'));
    symlinkSync('deep/er/file', join(source, 'link'));
    utimesSync(join(source, 'deep'), 1000, 1000);
    const skipped: string[] = [];
    const chunks: Buffer[] = [];
    for await (const chunk of packFiles({
      path: source,
      name: 'copy',
      onSkipped: (name) => Promise.resolve(void skipped.push(name)),
    })) {
      chunks.push(Buffer.from(chunk));
    }
    await extractArchive(chunksOf(Buffer.concat(chunks), 777), {
      plan: { directory, name: 'copy' },
      keepsOwner: false,
      onSkipped: () => Promise.resolve(),
    });
    const at = (path: string): string => join(directory, 'copy', path);
    assert.equal(readFileSync(at('deep/er/file'), 'utf8'), 'content');
    assert.equal(statSync(at('deep/er/file')).mode & 0o777, 0o640);
    assert.equal(statSync(at('deep')).mtimeMs, 1_000_000);
    assert.equal(statSync(at('same')).ino, statSync(at('empty')).ino);
    assert.equal(readlinkSync(at('link')), 'deep/er/file');
    assert.equal(readFileSync(at(`long-${'n'.repeat(200)}`), 'utf8'), 'long');
    assert.equal(
      readFileSync(Buffer.from(`${at('')}/bytes-\xff\xfe`, 'latin1'), 'utf8'),
      'not utf-8',
    );
    assert.deepEqual(skipped, []);
  }),
);

test(
  'packFiles() packs the contents of a directory without itself, and a link as a link',
  inDirectory(async (directory) => {
    mkdirSync(join(directory, 'src'));
    writeFileSync(join(directory, 'src/a'), '1');
    symlinkSync('a', join(directory, 'src/l'));
    const chunks: Buffer[] = [];
    for await (const chunk of packFiles({
      path: join(directory, 'src'),
      name: undefined,
      onSkipped: () => Promise.resolve(),
    }))
      chunks.push(Buffer.from(chunk));
    mkdirSync(join(directory, 'out'));
    await extractArchive(chunksOf(Buffer.concat(chunks)), {
      plan: { directory: join(directory, 'out'), name: undefined },
      keepsOwner: false,
      onSkipped: () => Promise.resolve(),
    });
    assert.equal(readFileSync(join(directory, 'out/a'), 'utf8'), '1');
    assert.equal(lstatSync(join(directory, 'out/l')).isSymbolicLink(), true);
    assert.equal(existsSync(join(directory, 'out/src')), false);
  }),
);
