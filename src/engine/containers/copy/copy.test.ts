import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { copyFailure, fakeFile } from '../../../../test/fakes/files.ts';
import { openRig } from '../../../../test/fakes/opened-engine.ts';
import { goFileMode } from '../../../spec/docker/archive.ts';
import { baseName, cleanPath, linkedPath } from './path.ts';
import { describeFile } from './path-stat.ts';

test('a path is cleaned as text, and its end is kept', () => {
  const rows = [
    ['/', '/', '/'],
    ['.', '/.', '.'],
    ['/.', '/.', '.'],
    ['', '/.', '.'],
    ['a', '/a', 'a'],
    ['/a/', '/a/', 'a'],
    ['/a/.', '/a/.', '.'],
    ['a//b/../c', '/a/c', 'c'],
    ['../../etc', '/etc', 'etc'],
    ['/a/..', '/', '/'],
    ['/a/../.', '/.', '.'],
    ['/a.', '/a.', 'a.'],
  ] as const;
  for (const [path, cleaned, base] of rows) {
    assert.equal(cleanPath(path), cleaned, path);
    assert.equal(baseName(cleanPath(path)), base, path);
  }
  assert.equal(linkedPath('/a/b/link', '../c'), '/a/c');
  assert.equal(linkedPath('/a/link', '/c'), '/c');
});

test('modes are Go’s', () => {
  const modeOf = (facts: Parameters<typeof fakeFile>[1]): number =>
    describeFile('/x', { entry: fakeFile('x', facts), target: undefined }).mode;
  assert.equal(modeOf({ mode: 0o6755 }), goFileMode.setuid + goFileMode.setgid + 0o755);
  assert.equal(modeOf({ type: 'directory', mode: 0o1777 }), 2 ** 31 + 2 ** 20 + 0o777);
  assert.equal(modeOf({ type: 'char', mode: 0o666 }), 2 ** 26 + 2 ** 21 + 0o666);
  assert.equal(modeOf({ type: 'block', mode: 0 }), 2 ** 26);
  const link = describeFile('/d/l', {
    entry: fakeFile('l', { type: 'symlink', mode: 0o777, linkPath: 'gone', sizeBytes: 0 }),
    target: undefined,
  });
  assert.deepEqual([link.size, link.linkTarget, link.name], [4, '/d/gone', 'l']);
  assert.equal(link.mtime, '2023-11-14T22:13:20.000000005Z');
});

test('files of a running container are reached through its process, of others through a held root', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create();
  rig.files.found.set('/f', { entry: fakeFile('f'), target: undefined });
  await containers.statPath(id, '/f');
  assert.equal(rig.files.places.at(-1)?.below, '/held');
  assert.deepEqual(rig.runtime.held, []);
  await containers.start(id);
  const { archive } = await containers.readArchive(id, 'f');
  const { pid, startTicks } = rig.process(id).process;
  assert.deepEqual(rig.files.places.at(-1), { pid, startTicks, below: '' });
  for await (const _ of archive);
  await assert.rejects(containers.statPath(id, '/g'), {
    kind: 'not-found',
    message: `Could not find the file /g in container ${id}`,
  });
});

test('a stopped container neither starts nor goes while files are written to it', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create();
  const gate = Promise.withResolvers<undefined>();
  const began = Promise.withResolvers<undefined>();
  rig.files.beforeWrite = async () => {
    began.resolve(undefined);
    await gate.promise;
  };
  const archive = Readable.from([Buffer.from('tar')]);
  const options = { keepKinds: true, ownByUser: false };
  const writing = containers.writeArchive(id, '/', archive, options);
  await began.promise;
  assert.deepEqual(
    rig.runtime.held.map(({ isWritable }) => isWritable),
    [true],
  );
  const starting = containers.start(id);
  assert.equal(rig.runtime.starts.length, 0);
  gate.resolve(undefined);
  await Promise.all([writing, starting]);
  assert.deepEqual(rig.runtime.held, []);
  assert.equal(rig.runtime.starts.length, 1);
  assert.deepEqual(
    rig.files.writes.map(({ path, keepKinds, bytes }) => [path, keepKinds, String(bytes)]),
    [['/', true, 'tar']],
  );
});

test('a failed write is told in Docker’s words, and the lock is free', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create({}, { Binds: ['/tmp:/mnt:ro'] });
  const rows = [
    ['/x', copyFailure('root', 'ESRCH'), 'conflict', /stopped while its files were looked at/],
    ['/x', copyFailure('target', 'ENOTDIR'), 'invalid', /^extraction point is not a directory$/],
    [
      '/x',
      copyFailure('target', 'ENOENT'),
      'not-found',
      /^Could not find the file \/x in container/,
    ],
    [
      '/x/.',
      copyFailure('replace', 'EISDIR', 'a/b'),
      'invalid',
      /^cannot overwrite directory "\/x\/a\/b" with non-directory "a\/b"$/,
    ],
    [
      '/x',
      copyFailure('openat', 'EROFS', 'a'),
      'invalid',
      /^container rootfs is marked read-only$/,
    ],
    [
      '/mnt/d',
      copyFailure('openat', 'EROFS', 'a'),
      'invalid',
      /^mounted volume is marked read-only$/,
    ],
    [
      '/x',
      copyFailure('openat', 'ENOSPC', 'a'),
      'internal',
      /^Cannot copy files at \/x: "a": ENOSPC$/,
    ],
  ] as const;
  for (const [path, failure, kind, message] of rows) {
    rig.files.failure = failure;
    await assert.rejects(
      containers.writeArchive(id, path, Readable.from([]), { keepKinds: false, ownByUser: false }),
      (error: Error & { kind: string }) => {
        assert.match(error.message, message);
        assert.equal(error.kind, kind);
        return true;
      },
    );
  }
  assert.deepEqual(rig.runtime.held, []);
  await containers.start(id);
});
