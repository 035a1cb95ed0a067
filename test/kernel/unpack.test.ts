/** Real layers, unpacked by the real chisel, against what GNU tar and the kernel make of them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { isEngineError } from '../../src/base/error.ts';
import type { LayerBytes } from '../../src/layers/layer-bytes.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { digestBytes } from '../../src/spec/digest.ts';
import { describeTree, describeXattrs, LayerFixture, requestOf, WORKER } from './layer-fixture.ts';

/** A tree with everything a file system can hold. */
function makeTree(root: string): void {
  mkdirSync(join(root, 'deep/er/est'), { recursive: true });
  mkdirSync(join(root, 'empty'));
  writeFileSync(join(root, 'file'), 'hello\n');
  writeFileSync(join(root, 'none'), '');
  writeFileSync(join(root, 'deep/er/est/big'), Buffer.alloc(3_000_001, 'abcdefg'));
  writeFileSync(Buffer.from(`${root}/bytes-\xff\xfe`, 'latin1'), 'x');
  writeFileSync(join(root, 'n'.repeat(255)), 'long name');
  mkdirSync(join(root, 'p'.repeat(200), 'q'.repeat(200)), { recursive: true });
  writeFileSync(join(root, 'p'.repeat(200), 'q'.repeat(200), 'r'.repeat(200)), 'long path');
  symlinkSync('file', join(root, 'link'));
  symlinkSync('/nowhere/'.repeat(30), join(root, 'dangling'));
  linkSync(join(root, 'file'), join(root, 'hard-1'));
  linkSync(join(root, 'file'), join(root, 'deep/hard-2'));
  execFileSync('mknod', [join(root, 'null'), 'c', '1', '3']);
  execFileSync('mknod', [join(root, 'disk'), 'b', '8', '17']);
  execFileSync('mkfifo', [join(root, 'fifo')]);
  execFileSync('chown', [
    '-h',
    '1234:5678',
    join(root, 'link'),
    join(root, 'none'),
    join(root, 'empty'),
  ]);
  execFileSync('chown', ['4000000000:4000000001', join(root, 'deep/er/est/big')]);
  chmodSync(join(root, 'none'), 0o4751);
  chmodSync(join(root, 'empty'), 0o3770);
  const sparse = openSync(join(root, 'sparse'), 'w');
  writeSync(sparse, 'begin', 0);
  writeSync(sparse, 'middle', 1_000_000);
  ftruncateSync(sparse, 5_000_000);
  closeSync(sparse);
  execFileSync('setfattr', ['-n', 'user.comment', '-v', '0x00ff10', join(root, 'file')]);
  execFileSync('setfattr', [
    '-n',
    'security.capability',
    '-v',
    '0x0100000200200000000000000000000000000000',
    join(root, 'none'),
  ]);
  execFileSync('touch', [
    '-h',
    '-d',
    '2001-02-03 04:05:06.789012345',
    join(root, 'link'),
    join(root, 'file'),
    join(root, 'fifo'),
  ]);
  execFileSync('touch', ['-d', '1969-12-31 23:59:58.5', join(root, 'none')]);
  execFileSync('touch', ['-d', '2020-01-01', join(root, 'deep'), join(root, 'empty'), root]);
}

const FORMATS: readonly (readonly string[])[] = [
  ['--format=posix'],
  ['--format=gnu'],
  ['--format=posix', '--sparse', '--sparse-version=0.0'],
  ['--format=posix', '--sparse', '--sparse-version=0.1'],
  ['--format=posix', '--sparse', '--sparse-version=1.0'],
  ['--format=gnu', '--sparse'],
];
for (const flags of FORMATS) {
  test(`a tree packed by GNU tar ${flags.join(' ')} is unpacked as GNU tar does`, async () => {
    await LayerFixture.with(async (fixture) => {
      const tree = join(fixture.root, 'tree');
      const wanted = join(fixture.root, 'wanted');
      for (const directory of [tree, wanted]) mkdirSync(directory);
      makeTree(tree);
      const isPosix = flags.includes('--format=posix');
      const xattrs = isPosix ? ['--xattrs', '--xattrs-include=*'] : [];
      const archive = join(fixture.root, 'layer.tar');
      execFileSync('tar', ['-C', tree, '-cf', archive, ...flags, ...xattrs, '.']);
      execFileSync('tar', [
        '-C',
        wanted,
        '-xpf',
        archive,
        ...xattrs,
        '--numeric-owner',
        '--same-owner',
      ]);
      const [layer] = await fixture.unpack(readFileSync(archive));
      assert.ok(layer !== undefined);
      assert.deepEqual(describeTree(layer.directory), describeTree(wanted));
      if (isPosix) assert.deepEqual(describeTree(layer.directory), describeTree(tree));
      assert.equal(describeXattrs(layer.directory), describeXattrs(wanted));
      assert.equal(layer.entries, describeTree(wanted).length - 1);
      if (flags.includes('--sparse'))
        assert.ok(statSync(join(layer.directory, 'sparse')).blocks < 2000);
    });
  });
}

test('a part of this machine’s file system is unpacked as GNU tar does, in a worker', async () => {
  await LayerFixture.with(
    async (fixture) => {
      const wanted = join(fixture.root, 'wanted');
      const archive = join(fixture.root, 'layer.tar');
      mkdirSync(wanted);
      execFileSync('tar', ['-C', '/', '-cf', archive, 'etc', 'usr/share/zoneinfo/Europe', 'bin'], {
        stdio: ['ignore', 'ignore', 'ignore'],
      });
      execFileSync('tar', ['-C', wanted, '-xpf', archive, '--numeric-owner']);
      const bytes = readFileSync(archive);
      const blob = join(fixture.root, 'blob');
      writeFileSync(blob, bytes);
      const source = { kind: 'file' as const, path: blob, sizeBytes: bytes.length };
      const progress: number[] = [];
      const [layer] = await fixture.unpacker.unpackAll([
        {
          diffId: digestBytes(bytes),
          digest: digestBytes(bytes),
          sizeBytes: bytes.length,
          bytes: () => Promise.resolve(source),
          onProgress: (read) => progress.push(read),
        },
      ]);
      assert.ok(layer !== undefined && progress.length > 0);
      assert.deepEqual(
        describeTree(layer.directory).filter(
          (line) => !/^(?:usr(?:\/share(?:\/zoneinfo)?)?)?\td/.test(line),
        ),
        describeTree(wanted).filter(
          (line) => !/^(?:usr(?:\/share(?:\/zoneinfo)?)?)?\td/.test(line),
        ),
      );
    },
    { worker: WORKER },
  );
});

for (const [name, pack] of [
  ['gzip', (tar: Buffer) => gzipSync(tar)],
  [
    'gzip in several members',
    (tar: Buffer) => Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]),
  ],
  ['zstd', (tar: Buffer) => zstdCompressSync(tar)],
] as const) {
  for (const worker of [undefined, WORKER]) {
    test(`a layer packed with ${name} comes out the same ${worker === undefined ? 'here' : 'in a worker'}`, async () => {
      await LayerFixture.with(
        async (fixture) => {
          const tar = encodeTar([
            { type: 'file', path: 'a/b', content: 'x'.repeat(5000), mode: 0o600 },
          ]);
          const request = requestOf(pack(tar));
          const [layer] = await fixture.unpacker.unpackAll([
            { ...request, diffId: digestBytes(tar) },
          ]);
          assert.equal(readFileSync(join(layer?.directory ?? '', 'a/b'), 'utf8'), 'x'.repeat(5000));
        },
        { worker },
      );
    });
  }
}

test('layers are shown by overlayfs as the image specification says', async () => {
  await LayerFixture.with(async (fixture) => {
    const base = encodeTar([
      {
        type: 'directory',
        path: 'kept',
        mode: 0o750,
        uid: 7,
        gid: 8,
        mtimeS: 1000,
        xattrs: [{ name: 'user.k', value: Buffer.from('v') }],
      },
      { type: 'file', path: 'kept/old', content: 'old' },
      { type: 'file', path: 'kept/gone', content: 'gone' },
      { type: 'directory', path: 'opaque' },
      { type: 'file', path: 'opaque/old', content: 'old' },
      { type: 'directory', path: 'remade', mode: 0o700 },
      { type: 'file', path: 'remade/old', content: 'old' },
      { type: 'directory', path: 'to-file' },
      { type: 'file', path: 'to-file/x', content: 'x' },
      { type: 'file', path: 'to-directory', content: 'x' },
      { type: 'file', path: 'bin/tool', content: 'tool', mode: 0o755, uid: 9, mtimeS: 2000 },
    ]);
    const top = encodeTar([
      { type: 'file', path: 'kept/new', content: 'new' },
      { type: 'file', path: 'kept/.wh.gone' },
      { type: 'file', path: 'kept/.wh.never-was' },
      { type: 'file', path: 'opaque/new', content: 'new' },
      { type: 'file', path: 'opaque/.wh..wh..opq' },
      { type: 'directory', path: 'remade', mode: 0o711 },
      { type: 'file', path: '.wh.remade' },
      { type: 'file', path: 'remade/new', content: 'new' },
      { type: 'file', path: 'to-file', content: 'file' },
      { type: 'file', path: 'to-directory/y', content: 'y' },
      { type: 'hardlink', path: 'usr/tool-2', linkPath: 'bin/tool' },
    ]);
    const third = encodeTar([{ type: 'file', path: 'kept/gone', content: 'back' }]);
    const layers = await fixture.unpack(base, top, third);
    const merged = join(fixture.root, 'merged');
    mkdirSync(merged);
    const lower = layers.map(({ directory }) => directory).toReversed();
    const script = `mount -t overlay overlay -o ro,lowerdir=${lower.join(':')} "$1" && cd "$1" && find . -type f -printf '%p %m %U %T@ ' -exec cat {} \\; -printf '\\n' | sort && stat -c '%n %a %u:%g %Y' kept remade to-directory usr && getfattr --only-values -n user.k kept`;
    const shown = execFileSync('unshare', ['-m', 'sh', '-c', script, 'sh', merged], {
      encoding: 'utf8',
    });
    assert.deepEqual(shown.trimEnd().split('\n'), [
      './bin/tool 755 9 2000.0000000000 tool',
      './kept/gone 0 0 0.0000000000 back',
      './kept/new 0 0 0.0000000000 new',
      './kept/old 0 0 0.0000000000 old',
      './opaque/new 0 0 0.0000000000 new',
      './remade/new 0 0 0.0000000000 new',
      './to-directory/y 0 0 0.0000000000 y',
      './to-file 0 0 0.0000000000 file',
      './usr/tool-2 755 9 2000.0000000000 tool',
      'kept 750 7:8 1000',
      'remade 711 0:0 0',
      'to-directory 755 0:0 0',
      'usr 755 0:0 0',
      'v',
    ]);
  });
});

test('an opaque root leaves the layers below out of the mount, and nothing is inherited from them', async () => {
  await LayerFixture.with(async (fixture) => {
    const layers = await fixture.unpack(
      encodeTar([
        { type: 'directory', path: 'a', mode: 0o700 },
        { type: 'file', path: 'a/old', content: 'x' },
      ]),
      encodeTar([{ type: 'file', path: '.wh..wh..opq' }]),
      encodeTar([{ type: 'file', path: 'a/new', content: 'y' }]),
    );
    const top = layers.at(-1);
    assert.ok(top !== undefined);
    assert.equal(fixture.store.directoriesOf(top.chainId).length, 2);
    assert.equal(statSync(join(top.directory, 'a')).mode & 0o777, 0o755);
  });
});

test('a hard link to a file that a layer in between deleted is refused', async () => {
  await LayerFixture.with(async (fixture) => {
    const work = fixture.unpack(
      encodeTar([{ type: 'file', path: 'f', content: 'x' }]),
      encodeTar([{ type: 'file', path: '.wh.f' }]),
      encodeTar([{ type: 'hardlink', path: 'g', linkPath: 'f' }]),
    );
    await assert.rejects(
      work,
      (error) =>
        isEngineError(error) &&
        error.kind === 'invalid' &&
        /the hard link "g" leads to a file that no layer has/.test(error.message),
    );
  });
});

for (const worker of [undefined, WORKER]) {
  const where = worker === undefined ? 'here' : 'in a worker';
  test(`sixty-four callers of the same three layers unpack each once, ${where}`, async () => {
    await LayerFixture.with(
      async (fixture) => {
        const tars = ['a', 'b', 'c'].map((name) =>
          encodeTar([{ type: 'file', path: `d/${name}`, content: name.repeat(100_000) }]),
        );
        let reads = 0;
        const requests = tars.map((tar) => {
          const request = requestOf(tar);
          return { ...request, bytes: async () => (reads++, await request.bytes()) };
        });
        const all = await Promise.all(
          Array.from({ length: 64 }, () => fixture.unpacker.unpackAll(requests)),
        );
        assert.equal(reads, 3);
        for (const layers of all) assert.deepEqual(layers, all[0]);
        assert.equal(fixture.store.listLayers().length, 3);
      },
      { worker },
    );
  });

  test(`a cancelled unpack leaves no draft and no process, ${where}`, async () => {
    await LayerFixture.with(
      async (fixture) => {
        const abort = new AbortController();
        const tar = encodeTar([{ type: 'file', path: 'f', content: Buffer.alloc(4_000_000) }]);
        const { promise: isReading, resolve } = Promise.withResolvers<void>();
        async function* stuck(): AsyncGenerator<Uint8Array> {
          yield tar.subarray(0, 2_000_000);
          resolve();
          await new Promise(() => undefined);
        }
        const work = fixture.unpacker.unpackAll(
          [
            {
              diffId: digestBytes(tar),
              bytes: () => Promise.resolve({ kind: 'stream', chunks: stuck() }),
            },
          ],
          abort.signal,
        );
        await isReading;
        abort.abort();
        await assert.rejects(work, (error) => isEngineError(error) && error.kind === 'cancelled');
        // The same layer can be unpacked at once.
        const [layer] = await fixture.unpack(tar);
        assert.deepEqual(readdirSync(layer?.directory ?? ''), ['f']);
      },
      { worker },
    );
  });

  test(`one of two callers gives up and the other gets the layer, ${where}`, async () => {
    await LayerFixture.with(
      async (fixture) => {
        const abort = new AbortController();
        const request = requestOf(
          encodeTar([{ type: 'file', path: 'f', content: 'x'.repeat(300_000) }]),
        );
        const [first, second] = [
          fixture.unpacker.unpackAll([request], abort.signal),
          fixture.unpacker.unpackAll([request]),
        ];
        abort.abort();
        await assert.rejects(first, (error) => isEngineError(error) && error.kind === 'cancelled');
        assert.equal((await second).length, 1);
      },
      { worker },
    );
  });

  test(`a layer that fails takes those above it along and leaves those below, ${where}`, async () => {
    await LayerFixture.with(
      async (fixture) => {
        const tars = ['a', 'b', 'c'].map((name) =>
          encodeTar([{ type: 'file', path: name, content: name }]),
        );
        const requests = tars.map((tar) => requestOf(tar));
        const [, second] = tars;
        const broken = requests.map((request, i) =>
          i === 1
            ? {
                ...request,
                diffId: digestBytes('another'),
                bytes: requestOf(second ?? Buffer.alloc(0)).bytes,
              }
            : request,
        );
        await assert.rejects(
          fixture.unpacker.unpackAll(broken),
          (error) =>
            isEngineError(error) && error.kind === 'corrupt' && /diff id/.test(error.message),
        );
        assert.deepEqual(fixture.store.listLayers().length <= 1, true);
        const layers = await fixture.unpack(...tars);
        assert.equal(layers.length, 3);
      },
      { worker },
    );
  });
}

test('ten layers that arrive in the wrong order do not wait for each other in a circle', async () => {
  await LayerFixture.with(
    async (fixture) => {
      const tars = Array.from({ length: 10 }, (_, i) =>
        encodeTar([{ type: 'file', path: `d/${i}`, content: String(i) }]),
      );
      // The topmost layer is there first; the others come one after another, the base last.
      const arrivals = tars.map(() => Promise.withResolvers<void>());
      const requests = tars.map((tar, index) => {
        const request = requestOf(tar);
        const bytes = async (): Promise<LayerBytes> => {
          await arrivals[index]?.promise;
          return await request.bytes();
        };
        return { ...request, bytes };
      });
      const unpacking = fixture.unpacker.unpackAll(requests);
      for (const { resolve } of arrivals.toReversed()) {
        await setImmediate();
        resolve();
      }
      assert.equal((await unpacking).length, 10);
    },
    { worker: WORKER, concurrency: 2 },
  );
});

const WRONG: readonly (readonly [what: string, change: object, message: RegExp])[] = [
  ['digest', { digest: digestBytes('x') }, /does not have the digest of its name/],
  ['size', { sizeBytes: 7 }, /where 7 were announced/],
  ['diff id', { diffId: digestBytes('x') }, /diff id of the image configuration/],
];
for (const [what, change, message] of WRONG) {
  test(`a layer with a wrong ${what} is nowhere to be found`, async () => {
    await LayerFixture.with(async (fixture) => {
      const request = requestOf(encodeTar([{ type: 'file', path: 'f', content: 'x' }]));
      await assert.rejects(
        fixture.unpacker.unpackAll([{ ...request, ...change }]),
        (error) => isEngineError(error) && error.kind === 'corrupt' && message.test(error.message),
      );
      assert.deepEqual(fixture.store.listLayers(), []);
      await fixture.store.close();
      assert.deepEqual(readdirSync(join(fixture.root, 'store/layers')), []);
    });
  });
}

test('a full disk is one clear sentence that names the file', async () => {
  const fixture = new LayerFixture({}, (directory) => {
    mkdirSync(directory);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]);
  });
  try {
    const tar = encodeTar([
      { type: 'file', path: 'a', content: 'x' },
      { type: 'file', path: 'dir/large', content: Buffer.alloc(3_000_000, 'x') },
    ]);
    await assert.rejects(
      fixture.unpack(tar),
      (error) =>
        isEngineError(error) &&
        error.kind === 'exhausted' &&
        error.message === 'Cannot unpack layer: "dir/large": no space is left on the disk',
    );
    assert.deepEqual(fixture.store.listLayers(), []);
  } finally {
    execFileSync('umount', ['-l', join(fixture.root, 'store')]);
    await fixture.dispose();
  }
});

test('a chisel that is not there is one clear sentence', async () => {
  await LayerFixture.with(
    async (fixture) => {
      await assert.rejects(fixture.unpack(encodeTar([])), /Cannot (?:start|unpack)/);
    },
    { chiselPath: '/nowhere/chisel' as never },
  );
});

test('set-id bits and capabilities survive their owner being set', async () => {
  await LayerFixture.with(async (fixture) => {
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
    const root = await fixture.unpackEntries(
      {
        type: 'file',
        path: 'suid',
        content: 'x',
        mode: 0o6755,
        uid: 1000,
        gid: 1000,
        xattrs: [{ name: 'security.capability', value: capability }],
      },
      { type: 'directory', path: 'd', mode: 0o2775, gid: 50 },
      { type: 'file', path: 'd/f', content: 'x', mode: 0o644 },
    );
    assert.equal(lstatSync(join(root, 'suid')).mode & 0o7777, 0o6755);
    assert.match(
      describeXattrs(root),
      /security\.capability=0x0100000200200000000000000000000000000000/,
    );
    assert.equal(lstatSync(join(root, 'd/f')).gid, 0);
  });
});

test('attributes of symlinks are the links’ own', async () => {
  await LayerFixture.with(async (fixture) => {
    const canary = join(fixture.root, 'canary');
    writeFileSync(canary, 'mine', { mode: 0o600 });
    const before = lstatSync(canary);
    const root = await fixture.unpackEntries({
      type: 'symlink',
      path: 'l',
      linkPath: canary,
      uid: 1234,
      gid: 5,
      mode: 0o777,
      mtimeS: 99,
      xattrs: [{ name: 'user.a', value: Buffer.from('x') }],
    });
    const after = lstatSync(canary);
    assert.deepEqual(
      [after.mode, after.uid, after.mtimeMs],
      [before.mode, before.uid, before.mtimeMs],
    );
    const link = lstatSync(join(root, 'l'));
    assert.deepEqual(
      [link.uid, link.gid, link.mtimeMs, readlinkSync(join(root, 'l'))],
      [1234, 5, 99_000, canary],
    );
  });
});

test('an import of unknown content is a base layer named by its diff id', async () => {
  await LayerFixture.with(
    async (fixture) => {
      const tar = encodeTar([
        { type: 'file', path: 'etc/passwd', content: 'root:x:0:0::/:/bin/sh\n' },
      ]);
      async function* chunks(): AsyncGenerator<Uint8Array> {
        yield gzipSync(tar);
      }
      const { layer, result } = await fixture.unpacker.unpackNew({
        bytes: () => Promise.resolve({ kind: 'stream', chunks: chunks() }),
      });
      assert.equal(layer.chainId, digestBytes(tar));
      assert.equal(result.compression, 'gzip');
      assert.deepEqual(layer.captured, {
        'etc/passwd': { kind: 'text', text: 'root:x:0:0::/:/bin/sh\n' },
        'etc/group': { kind: 'unchanged' },
      });
      await fixture.unpacker.close();
      assert.ok(existsSync(join(layer.directory, '../synced')));
    },
    { worker: WORKER },
  );
});

test('a large file that does not fit is named, however much of it was written', async (t) => {
  let disk = '';
  const fixture = new LayerFixture({}, (directory) => {
    disk = directory;
    mkdirSync(directory);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'carve-test', directory]);
  });
  t.after(async () => {
    await fixture.unpacker.close();
    await fixture.store.close();
    execFileSync('umount', [disk]);
    await fixture.dispose();
  });
  const content = randomBytes(20 * 1024 * 1024);
  await assert.rejects(fixture.unpackEntries({ type: 'file', path: 'var/lib/large', content }), {
    kind: 'exhausted',
    message: 'Cannot unpack layer: "var/lib/large": no space is left on the disk',
  });
});
