import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeMount } from './mount.ts';
import { normalisePath, parseBind, parseMount, parseTmpfs } from './parse-mount.ts';
import { inheritMounts, parseVolumesFrom, planContainerMounts } from './plan-mounts.ts';

test('-v: host path, volume name, anonymous, modes', () => {
  const bind = parseBind('/src/./a:/dst//b/:ro,z');
  assert.deepEqual(
    [
      bind.type,
      bind.source,
      bind.destination,
      bind.readonly,
      bind.mode,
      bind.propagation,
      bind.createSource,
    ],
    ['bind', '/src/a', '/dst/b', true, 'ro,z', 'rprivate', true],
  );
  assert.equal(parseBind('/a:/b:rshared').propagation, 'rshared');
  const volume = parseBind('data:/d:nocopy');
  assert.deepEqual(
    [volume.type, volume.volume?.name, volume.volume?.noCopy, volume.mode],
    ['volume', 'data', true, 'nocopy'],
  );
  assert.equal(parseBind('/only').volume?.isAnonymous, true);
});

test('-v: what is wrong is refused', () => {
  const bad = [
    '',
    ':',
    'a',
    '/a:',
    ':/b',
    '/a:b',
    '/a:/',
    '/a:/b:c:d',
    '/a:/b:what',
    '/a:/b:ro,rw',
    '/a:/b:nocopy',
    'vol:/b:rshared',
    'x:/b',
    '../x:/b',
    'a\0b:/c',
    '/a:/b:ro,ro',
  ];
  for (const text of bad)
    assert.throws(() => parseBind(text), { kind: 'invalid' }, JSON.stringify(text));
});

test('--mount: each type and its own options', () => {
  const bind = parseMount({
    Type: 'bind',
    Source: '/s',
    Target: '/t',
    ReadOnly: true,
    BindOptions: { Propagation: 'rslave', NonRecursive: true },
  });
  assert.deepEqual(
    [bind.propagation, bind.recursive, bind.createSource, bind.readonlyDepth],
    ['rslave', false, false, 'best-effort'],
  );
  const volume = parseMount({
    Type: 'volume',
    Source: 'v1',
    Target: '/t',
    VolumeOptions: { Subpath: 'a/./b', NoCopy: true },
  });
  assert.deepEqual([volume.volume?.subpath, volume.volume?.noCopy], ['a/b', true]);
  const tmpfs = parseMount({
    Type: 'tmpfs',
    Target: '/t',
    TmpfsOptions: { SizeBytes: 1024, Mode: 0o1777 },
  });
  assert.deepEqual(tmpfs.tmpfs?.options, ['noexec', 'nosuid', 'nodev', 'size=1024', 'mode=1777']);
  const image = parseMount({ Type: 'image', Source: 'debian', Target: '/t' });
  assert.deepEqual([image.type, image.readonly], ['image', true]);
});

test('--mount: what is wrong is refused', () => {
  const bad: readonly Parameters<typeof parseMount>[0][] = [
    {},
    { Type: 'bind', Target: '/t' },
    { Type: 'bind', Source: 'rel', Target: '/t' },
    { Type: 'bind', Source: '/s', Target: 't' },
    { Type: 'bind', Source: '/s', Target: '/' },
    { Type: 'bind', Source: '/s', Target: '/t', VolumeOptions: {} },
    { Type: 'bind', Source: '/s', Target: '/t', BindOptions: { Propagation: 'loud' } },
    { Type: 'bind', Source: '/s', Target: '/t', BindOptions: { ReadOnlyForceRecursive: true } },
    { Type: 'bind', Source: '/s\0', Target: '/t' },
    { Type: 'tmpfs', Source: '/s', Target: '/t' },
    { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: -1 } },
    { Type: 'tmpfs', Target: '/t', TmpfsOptions: { Options: [['size', '1,exec']] } },
    { Type: 'volume', Source: 'a/b', Target: '/t' },
    { Type: 'volume', Source: 'v1', Target: '/t', VolumeOptions: { Subpath: '../x' } },
    { Type: 'volume', Source: 'v1', Target: '/t', VolumeOptions: { Subpath: '/x' } },
    { Type: 'npipe', Source: 'x', Target: '/t' },
  ];
  for (const mount of bad)
    assert.throws(() => parseMount(mount), { kind: 'invalid' }, JSON.stringify(mount));
});

test('tmpfs: defaults give way to their opposites, unknown words are refused', () => {
  assert.deepEqual(parseTmpfs('/t', '').tmpfs?.options, ['noexec', 'nosuid', 'nodev']);
  assert.deepEqual(parseTmpfs('/t', 'exec,size=64m').tmpfs?.options, [
    'nosuid',
    'nodev',
    'exec',
    'size=64m',
  ]);
  for (const bad of [
    'size',
    'size=',
    'size=1;2',
    'lowerdir=/',
    'exec=1',
    'constructor',
    'a=b',
    'mode=9',
  ]) {
    assert.throws(() => parseTmpfs('/t', bad), { kind: 'invalid' }, bad);
  }
  assert.throws(() => parseTmpfs('t', ''), { kind: 'invalid' });
});

test('precedence: volumes-from, then binds, mounts and tmpfs; an image only where nothing is', () => {
  const other = [parseBind('/other:/a'), parseBind('/other:/keep'), parseTmpfs('/tmp', '')];
  const mounts = planContainerMounts({
    hostConfig: {
      Binds: ['/mine:/a', '/x:/deep/er'],
      Mounts: [{ Type: 'bind', Source: '/y', Target: '/deep' }],
      Tmpfs: { '/t': '' },
    },
    config: { Volumes: { '/a': {}, '/image': {} } },
    inherited: inheritMounts(other, true),
  });
  const seen = mounts.map(
    (mount) => `${mount.destination}=${mount.type}:${mount.source}:${mount.readonly}`,
  );
  assert.deepEqual(seen, [
    '/a=bind:/mine:false',
    '/keep=bind:/other:true',
    '/deep=bind:/y:false',
    '/t=tmpfs::false',
    '/image=volume::false',
    '/deep/er=bind:/x:false',
  ]);
});

test('one destination twice is refused', () => {
  const none = { config: {}, inherited: [] };
  assert.throws(
    () => planContainerMounts({ ...none, hostConfig: { Binds: ['/a:/x', '/b:/x/.'] } }),
    { message: 'Duplicate mount point: /x' },
  );
  assert.throws(
    () => planContainerMounts({ ...none, hostConfig: { Binds: ['/a:/x'], Tmpfs: { '/x': '' } } }),
    { message: 'Duplicate mount point: /x' },
  );
  assert.throws(
    () => planContainerMounts({ ...none, config: { Volumes: { '/a:/b': {} } }, hostConfig: {} }),
    { kind: 'invalid' },
  );
});

test('volumes-from', () => {
  assert.deepEqual(parseVolumesFrom('web'), { ref: 'web', readonly: false });
  assert.deepEqual(parseVolumesFrom('web:ro'), { ref: 'web', readonly: true });
  for (const bad of ['', ':ro', 'a:b', 'a:ro:x'])
    assert.throws(() => parseVolumesFrom(bad), { kind: 'invalid' });
});

test('inspect lists binds and volumes, not --tmpfs', () => {
  assert.deepEqual(describeMount(parseBind('/s:/d:ro')), {
    Type: 'bind',
    Source: '/s',
    Destination: '/d',
    Mode: 'ro',
    RW: false,
    Propagation: 'rprivate',
  });
  assert.equal(describeMount(parseTmpfs('/t', '')), undefined);
});

test('paths are normalised lexically', () => {
  for (const [path, expected] of [
    ['/a/../../b', '/b'],
    ['//', '/'],
    ['/a/./b/', '/a/b'],
    ['/..', '/'],
  ]) {
    assert.equal(normalisePath(path ?? ''), expected);
  }
});
