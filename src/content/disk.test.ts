import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { contentStoreSuite } from '../../test/fakes/content-suite.ts';
import type { HostPath } from '../base/brand.ts';
import { digestBytes } from '../spec/digest.ts';
import { DiskContentStore } from './disk.ts';

function makeRoot(): HostPath {
  return mkdtempSync(join(tmpdir(), 'carve-content-')) as HostPath;
}

const pathOf = (root: string, digest: string): string => join(root, 'blobs', ...digest.split(':'));

contentStoreSuite('DiskContentStore', () => {
  const root = makeRoot();
  return {
    store: DiskContentStore.open(root, Date.now()),
    corrupt: (digest, change) => {
      writeFileSync(pathOf(root, digest), change(readFileSync(pathOf(root, digest))));
    },
    dispose: () => {
      rmSync(root, { recursive: true });
    },
  };
});

test('what was put is there after the store is opened again', async () => {
  const root = makeRoot();
  try {
    await DiskContentStore.open(root, Date.now()).putBytes(Buffer.from('hello'));
    await DiskContentStore.open(root, Date.now()).verify(digestBytes('hello'));
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('opening sweeps puts that a crash cut and downloads that nobody continued', async () => {
  const root = makeRoot();
  try {
    DiskContentStore.open(root, 0);
    const hex = digestBytes('hello').slice(7);
    writeFileSync(join(root, 'ingest', 'put-3'), 'x');
    writeFileSync(join(root, 'ingest', `sha256-${hex}`), 'hel');
    writeFileSync(join(root, 'ingest', `sha256-${'0'.repeat(64)}`), 'old');
    utimesSync(join(root, 'ingest', `sha256-${'0'.repeat(64)}`), 1, 1);
    const store = DiskContentStore.open(root, Date.now());
    assert.deepEqual(readdirSync(join(root, 'ingest')), [`sha256-${hex}`]);
    const ingest = await store.ingest({ digest: digestBytes('hello'), sizeBytes: 5 });
    assert.equal(ingest?.offsetBytes, 3);
    await ingest.discard();
    assert.equal(existsSync(join(root, 'ingest', `sha256-${hex}`)), false);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('a continued download whose first part was damaged is refused, then fetched whole', async () => {
  const root = makeRoot();
  try {
    const digest = digestBytes('hello');
    const store = DiskContentStore.open(root, Date.now());
    writeFileSync(join(root, 'ingest', `sha256-${digest.slice(7)}`), 'hal');
    const ingest = await store.ingest({ digest, sizeBytes: 5 });
    await ingest?.write(Buffer.from('lo'));
    await assert.rejects(ingest?.commit() ?? Promise.resolve(), /has digest/);
    const again = await store.ingest({ digest, sizeBytes: 5 });
    assert.equal(again?.offsetBytes, 0);
    await again.discard();
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('blobs and their directories are unreachable for others, foreign files are left alone', async () => {
  const root = makeRoot();
  try {
    const store = DiskContentStore.open(root, Date.now());
    const { digest } = await store.putBytes(Buffer.from('secret'));
    writeFileSync(join(root, 'blobs', 'sha256', 'README'), 'mine');
    assert.equal(statSync(pathOf(root, digest)).mode & 0o777, 0o600);
    assert.equal(statSync(join(root, 'blobs')).mode & 0o077, 0);
    await store.collect(() => new Set());
    assert.deepEqual(readdirSync(join(root, 'blobs', 'sha256')), ['README']);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('a store that cannot be opened says why', () => {
  const root = makeRoot();
  try {
    writeFileSync(join(root, 'blobs'), 'a file');
    assert.throws(() => DiskContentStore.open(root, 0), /Cannot open the content store/);
  } finally {
    rmSync(root, { recursive: true });
  }
});
