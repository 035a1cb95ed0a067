/**
 * The behaviour every snapshot store must have, as a function: run it on each
 * implementation.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ChainId, Digest } from '../../src/base/brand.ts';
import { isEngineError, type ErrorKind } from '../../src/base/error.ts';
import type { Layer, SnapshotStore } from '../../src/snapshots/store.ts';
import { digestBytes } from '../../src/spec/digest.ts';
import type { LayerFacts } from '../../src/spec/layer.ts';

/** A store for one test, opened again on demand as after a crash. */
export interface SnapshotFixture {
  readonly store: SnapshotStore;
  /** Open the same directories anew, on the same boot or on another. */
  readonly reopen: (boot: 'same' | 'other') => SnapshotStore;
  readonly dispose: () => Promise<void>;
}

/** Chain id number `n` of a test. */
export function chain(n: number): ChainId {
  return digestBytes(`chain ${n}`) as string as ChainId;
}

/** Facts of a small layer. */
export function factsOf(more: Partial<LayerFacts> = {}): LayerFacts {
  return {
    diffId: digestBytes('diff') satisfies Digest,
    sizeBytes: 3,
    entries: 1,
    root: { mode: 0o755, uid: 0, gid: 0 },
    captured: {
      'etc/passwd': { kind: 'text', text: 'root:x:0:0\n' },
      'etc/group': { kind: 'absent' },
    },
    ...more,
  };
}

/** Unpack a layer with one file. */
export async function commitLayer(
  store: SnapshotStore,
  n: number,
  parent?: number,
  more: Partial<LayerFacts> = {},
): Promise<Layer> {
  const draft = await store.draftLayer(chain(n));
  writeFileSync(join(draft.directory, `file-${n}`), 'abc');
  const below = parent === undefined ? undefined : chain(parent);
  const layer = await draft.commit(chain(n), below, factsOf(more));
  await draft.markSynced();
  return layer;
}

function throwsKind(work: () => unknown, kind: ErrorKind): void {
  assert.throws(work, (error) => isEngineError(error) && error.kind === kind);
}

async function rejectsKind(work: Promise<unknown>, kind: ErrorKind): Promise<void> {
  await assert.rejects(work, (error) => isEngineError(error) && error.kind === kind);
}

/** Define the tests of the contract for one implementation. */
export function snapshotStoreSuite(name: string, make: () => SnapshotFixture): void {
  const with_ = (
    what: string,
    body: (store: SnapshotStore, fixture: SnapshotFixture) => Promise<void>,
  ): void => {
    test(`${name}: ${what}`, async () => {
      const fixture = make();
      try {
        await body(fixture.store, fixture);
      } finally {
        await fixture.dispose();
      }
    });
  };

  with_(
    'a committed layer is found with its facts, and again after opening',
    async (store, { reopen }) => {
      const layer = await commitLayer(store, 1);
      assert.deepEqual(store.findLayer(chain(1)), layer);
      assert.deepEqual(readdirSync(layer.directory), ['file-1']);
      for (const boot of ['same', 'other'] as const)
        assert.deepEqual(reopen(boot).findLayer(chain(1)), layer);
    },
  );

  with_('a draft begins empty and is nothing until it is committed', async (store, { reopen }) => {
    await commitLayer(store, 1);
    const draft = await store.draftLayer(chain(2));
    assert.deepEqual(readdirSync(draft.directory), []);
    assert.equal(store.findLayer(chain(2)), undefined);
    assert.equal(reopen('same').findLayer(chain(2)), undefined);
    assert.equal(existsSync(draft.directory), false);
  });

  with_('a layer keeps the directory of its draft', async (store) => {
    const draft = await store.draftLayer(undefined);
    const layer = await draft.commit(chain(1), undefined, factsOf());
    assert.equal(layer.directory, draft.directory);
  });

  with_('a discarded draft is gone and cannot be committed', async (store) => {
    const draft = await store.draftLayer(undefined);
    await draft.discard();
    await draft.discard();
    assert.equal(existsSync(draft.directory), false);
    await rejectsKind(draft.commit(chain(1), undefined, factsOf()), 'wrong-state');
  });

  with_(
    'of two drafts of a layer the first commit wins and both get the same layer',
    async (store) => {
      const [a, b] = [await store.draftLayer(undefined), await store.draftLayer(undefined)];
      const layers = await Promise.all([
        a.commit(chain(1), undefined, factsOf()),
        b.commit(chain(1), undefined, factsOf()),
      ]);
      assert.deepEqual(layers[0], layers[1]);
      assert.equal(store.listLayers().length, 1);
    },
  );

  with_('a layer needs its parent', async (store) => {
    const draft = await store.draftLayer(chain(2));
    await rejectsKind(draft.commit(chain(2), chain(1), factsOf()), 'not-found');
    assert.deepEqual(store.listLayers(), []);
    assert.equal(existsSync(draft.directory), false);
    throwsKind(() => store.chainOf(chain(1)), 'not-found');
  });

  with_('a layer that is needed is not removed', async (store) => {
    await commitLayer(store, 1);
    await commitLayer(store, 2, 1);
    await rejectsKind(store.removeLayer(chain(1)), 'in-use');
    store.prepare('c', chain(2));
    await rejectsKind(store.removeLayer(chain(2)), 'in-use');
    await store.removeSnapshot('c');
    const view = store.view(chain(2));
    await rejectsKind(store.removeLayer(chain(2)), 'in-use');
    view.release();
    view.release();
    await store.removeLayer(chain(2));
    await store.removeLayer(chain(1));
    await rejectsKind(store.removeLayer(chain(1)), 'not-found');
    await store.close();
    assert.deepEqual(store.listLayers(), []);
  });

  with_('a commit keeps its parent', async (store) => {
    await commitLayer(store, 1);
    const draft = await store.draftLayer(chain(2));
    const commit = draft.commit(chain(2), chain(1), factsOf());
    await rejectsKind(store.removeLayer(chain(1)), 'in-use');
    await commit;
    await rejectsKind(store.removeLayer(chain(1)), 'in-use');
  });

  with_(
    'a snapshot has empty directories over its layers, with the attributes of the root',
    async (store) => {
      await commitLayer(store, 1);
      await commitLayer(store, 2, 1, { root: { mode: 0o1775, uid: 0, gid: 50 } });
      const snapshot = store.prepare('web-1', chain(2));
      assert.deepEqual(snapshot.lower, [
        store.findLayer(chain(2))?.directory,
        store.findLayer(chain(1))?.directory,
      ]);
      assert.deepEqual([readdirSync(snapshot.upper), readdirSync(snapshot.work)], [[], []]);
      const { mode, gid } = statSync(snapshot.upper);
      assert.deepEqual([mode & 0o7777, gid], [0o1775, process.getuid?.() === 0 ? 50 : gid]);
      assert.deepEqual(store.findSnapshot('web-1'), snapshot);
      throwsKind(() => store.prepare('web-1', chain(2)), 'conflict');
    },
  );

  with_('a snapshot of an image without layers has one empty directory below', async (store) => {
    const snapshot = store.prepare('scratch', undefined);
    assert.equal(snapshot.lower.length, 1);
    assert.deepEqual(readdirSync(snapshot.lower[0] ?? ''), []);
    assert.deepEqual(store.view(undefined).lower, snapshot.lower);
  });

  with_('a layer that replaces the root is mounted without those below it', async (store) => {
    await commitLayer(store, 1);
    await commitLayer(store, 2, 1, { hidesBelow: true });
    await commitLayer(store, 3, 2);
    assert.deepEqual(store.prepare('c', chain(3)).lower, [
      store.findLayer(chain(3))?.directory,
      store.findLayer(chain(2))?.directory,
    ]);
    assert.equal(store.chainOf(chain(3)).length, 3);
    await rejectsKind(store.removeLayer(chain(1)), 'in-use');
  });

  for (const key of [
    '',
    '.',
    '..',
    'a/b',
    '../x',
    '-a',
    'a+1',
    'a b',
    'a\0',
    'x'.repeat(129),
    'ü',
  ]) {
    with_(`the name ${JSON.stringify(key.slice(0, 20))} is refused`, async (store) => {
      throwsKind(() => store.prepare(key, undefined), 'invalid');
      assert.deepEqual(store.listSnapshots(), []);
      await Promise.resolve();
    });
  }

  with_('snapshots and their files outlive the store', async (store, { reopen }) => {
    await commitLayer(store, 1);
    const snapshot = store.prepare('c', chain(1));
    writeFileSync(join(snapshot.upper, 'mine'), 'x');
    const again = reopen('other');
    assert.deepEqual(again.findSnapshot('c'), snapshot);
    assert.deepEqual(again.listSnapshots(), ['c']);
    assert.deepEqual(readdirSync(snapshot.upper), ['mine']);
  });

  with_('a removed snapshot is gone with its files, twice is no error', async (store) => {
    const { upper } = store.prepare('c', undefined);
    mkdirSync(join(upper, 'd'));
    writeFileSync(join(upper, 'd', 'f'), 'x');
    await store.removeSnapshot('c');
    assert.equal(store.findSnapshot('c'), undefined);
    await store.close();
    assert.equal(existsSync(upper), false);
    await store.removeSnapshot('c');
    assert.deepEqual(readdirSync(store.prepare('c', undefined).upper), []);
  });

  with_(
    'a layer that did not reach the disk before the machine went down is unpacked again under its snapshots',
    async (store, { reopen }) => {
      await commitLayer(store, 1);
      const draft = await store.draftLayer(chain(2));
      await draft.commit(chain(2), chain(1), factsOf());
      await commitLayer(store, 3, 2);
      const snapshot = store.prepare('c', chain(3));
      assert.notEqual(reopen('same').findLayer(chain(3)), undefined);
      const again = reopen('other');
      assert.deepEqual(
        again.listLayers().map(({ chainId }) => chainId),
        [chain(1)],
      );
      throwsKind(() => again.findSnapshot('c'), 'corrupt');
      assert.deepEqual(again.listSnapshots(), ['c']);
      await commitLayer(again, 2, 1);
      await commitLayer(again, 3, 2);
      assert.deepEqual(again.findSnapshot('c'), snapshot);
    },
  );

  with_('a hundred and twenty layers fit in the options of one mount', async (store) => {
    for (let n = 0; n < 120; n++) await commitLayer(store, n, n === 0 ? undefined : n - 1);
    const { lower } = store.prepare('deep', chain(119));
    assert.equal(lower.length, 120);
    assert.equal(new Set(lower).size, 120);
  });

  with_('usage is measured and asks for what is there', async (store) => {
    const { upper } = store.prepare('c', undefined);
    writeFileSync(join(upper, 'f'), 'hello');
    assert.deepEqual(await store.usage('c'), { sizeBytes: 5, entries: 1 });
    await rejectsKind(store.usage('d'), 'not-found');
  });
}
