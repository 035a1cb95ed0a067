import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { chain, commitLayer, snapshotStoreSuite } from '../../test/fakes/snapshot-suite.ts';
import type { HostPath } from '../base/brand.ts';
import { digestBytes } from '../spec/digest.ts';
import { DiskSnapshotStore } from './disk.ts';
import { decodeLayerRecord, encodeLayerRecord } from './layer-record.ts';
import type { SnapshotUsage } from './store.ts';

const makeRoot = (): HostPath => mkdtempSync(join(tmpdir(), 'carve-snapshots-')) as HostPath;

function openStore(root: HostPath, bootId = 'boot-1'): DiskSnapshotStore {
  const remove = (directory: string): Promise<void> => rm(directory, { recursive: true });
  return DiskSnapshotStore.open({ root, bootId, measure, remove });
}

function measure(directory: HostPath): Promise<SnapshotUsage> {
  const names = readdirSync(directory);
  return Promise.resolve({
    sizeBytes: names.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0),
    entries: names.length,
  });
}

snapshotStoreSuite('DiskSnapshotStore', () => {
  const root = makeRoot();
  const opened: DiskSnapshotStore[] = [];
  const open = (boot: string): DiskSnapshotStore => {
    const store = openStore(root, boot);
    opened.push(store);
    return store;
  };
  return {
    store: open('boot-1'),
    reopen: (boot) => open(boot === 'same' ? 'boot-1' : 'boot-2'),
    dispose: async () => {
      for (const store of opened) await store.close();
      rmSync(root, { recursive: true });
    },
  };
});

async function withRoot(body: (root: HostPath) => Promise<void>): Promise<void> {
  const root = makeRoot();
  try {
    await body(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test('opening sweeps drafts and what was being deleted, whatever a crash left in them', async () => {
  await withRoot(async (root) => {
    const store = openStore(root);
    const draft = await store.draftLayer(undefined);
    writeFileSync(join(draft.directory, 'half'), 'x');
    mkdirSync(join(root, 'trash', '77', 'deep'), { recursive: true });
    const again = openStore(root);
    await again.close();
    assert.deepEqual(
      [readdirSync(join(root, 'layers')), readdirSync(join(root, 'trash'))],
      [[], []],
    );
  });
});

test('a layer whose record is damaged, or whose parent is gone, is not shown', async () => {
  await withRoot(async (root) => {
    const store = openStore(root);
    const first = await commitLayer(store, 1);
    await commitLayer(store, 2, 1);
    const other = await commitLayer(store, 3);
    writeFileSync(join(first.directory, '..', 'layer.json'), '{"version":1');
    const again = openStore(root);
    assert.deepEqual(
      again.listLayers().map(({ chainId }) => chainId),
      [other.chainId],
    );
    await again.close();
  });
});

test('a renamed or foreign directory among the layers is moved out', async () => {
  await withRoot(async (root) => {
    const layer = await commitLayer(openStore(root), 1);
    const copy = join(root, 'layers', 'copy');
    renameSync(join(layer.directory, '..'), copy);
    const again = openStore(root);
    await again.close();
    assert.deepEqual([again.listLayers().length, existsSync(copy)], [0, false]);
  });
});

test('numbers are never used again while something has them', async () => {
  await withRoot(async (root) => {
    const store = openStore(root);
    const layer = await commitLayer(store, 1);
    const snapshot = store.prepare('c', chain(1));
    const again = openStore(root);
    const next = await commitLayer(again, 2, 1);
    assert.notEqual(next.directory, layer.directory);
    assert.equal(again.findSnapshot('c')?.upper, snapshot.upper);
    await again.close();
  });
});

test('other users cannot reach layers and snapshots', async () => {
  await withRoot(async (root) => {
    const store = openStore(root);
    await commitLayer(store, 1);
    store.prepare('c', chain(1));
    for (const name of ['layers', 'layers/1', 'snapshots', 'trash', 'empty', 'snapshots/c+1'])
      assert.equal(statSync(join(root, name)).mode & 0o077, 0, name);
    await Promise.resolve();
  });
});

test('a layer record survives its text, and nothing damaged passes', () => {
  const record = {
    chainId: chain(1),
    parent: chain(0),
    bootId: 'b',
    facts: {
      diffId: digestBytes('diff'),
      sizeBytes: 1,
      entries: 2,
      root: { mode: 0o700, uid: 1, gid: 2 },
      hidesBelow: true as const,
      captured: {
        'etc/passwd': { kind: 'text' as const, text: 'x\n' },
        'etc/group': { kind: 'elsewhere' as const },
      },
    },
  };
  const text = encodeLayerRecord(record);
  assert.deepEqual(decodeLayerRecord(text), record);
  assert.equal(decodeLayerRecord(undefined), undefined);
  for (let end = 0; end < text.length - 2; end++)
    assert.equal(decodeLayerRecord(text.slice(0, end)), undefined);
  const value = JSON.parse(text) as Record<string, unknown>;
  for (const change of [
    { version: 2 },
    { chainId: 'x' },
    { parent: '../x' },
    { bootId: 1 },
    { facts: null },
    { facts: { ...record.facts, sizeBytes: -1 } },
    { facts: { ...record.facts, root: { mode: 0o10000, uid: 0, gid: 0 } } },
    { facts: { ...record.facts, captured: {} } },
  ]) {
    assert.equal(
      decodeLayerRecord(JSON.stringify({ ...value, ...change })),
      undefined,
      JSON.stringify(change),
    );
  }
});

test('the files of a store are those its header describes', async () => {
  await withRoot(async (root) => {
    const store = openStore(root);
    const layer = await commitLayer(store, 1);
    assert.equal(layer.directory, join(root, 'layers', '1', 'fs'));
    assert.deepEqual(readdirSync(join(root, 'layers', '1')).toSorted(), [
      'fs',
      'layer.json',
      'synced',
    ]);
    assert.equal(
      decodeLayerRecord(readFileSync(join(root, 'layers', '1', 'layer.json'), 'utf8'))?.chainId,
      chain(1),
    );
  });
});
