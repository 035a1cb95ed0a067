/**
 * The behaviour every content store must have, as a function: run it on each
 * implementation.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError, type ErrorKind } from '../../src/base/error.ts';
import type { ContentStore } from '../../src/content/store.ts';
import { digestBytes } from '../../src/spec/digest.ts';

/** A store for one test, and how to get rid of it. */
export interface ContentFixture {
  readonly store: ContentStore;
  /** Change the stored bytes of a blob behind the store's back. */
  readonly corrupt: (digest: string, change: (bytes: Buffer) => Buffer) => void;
  readonly dispose: () => void;
}

async function* from(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function listed(store: ContentStore): Promise<readonly string[]> {
  const digests: string[] = [];
  for await (const { digest } of store.list()) digests.push(digest);
  return digests.toSorted();
}

/** Asserts that `work` fails with an `EngineError` of `kind`. */
async function fails(work: Promise<unknown>, kind: ErrorKind, message?: RegExp): Promise<void> {
  await assert.rejects(
    work,
    (error) =>
      isEngineError(error) &&
      error.kind === kind &&
      (message === undefined || message.test(error.message)),
  );
}

const HELLO = digestBytes('hello');

/** Define the tests of the contract for one implementation. */
export function contentStoreSuite(name: string, make: () => ContentFixture): void {
  const with_ = (
    what: string,
    body: (store: ContentStore, fixture: ContentFixture) => Promise<void>,
  ): void => {
    test(`${name}: ${what}`, async () => {
      const fixture = make();
      try {
        await body(fixture.store, fixture);
      } finally {
        fixture.dispose();
      }
    });
  };

  with_('what was put is found, read and listed', async (store) => {
    assert.deepEqual(await store.put(from('hel', 'lo')), { digest: HELLO, sizeBytes: 5 });
    assert.deepEqual(await store.find(HELLO), { digest: HELLO, sizeBytes: 5 });
    assert.equal(await textOf(store.get(HELLO)), 'hello');
    assert.equal(Buffer.from(await store.read(HELLO, 5)).toString(), 'hello');
    assert.deepEqual(await listed(store), [HELLO]);
  });

  with_('an empty blob is a blob', async (store) => {
    const { digest } = await store.putBytes(new Uint8Array());
    assert.equal(await textOf(store.get(digest)), '');
  });

  with_('sha512 content is verified with sha512', async (store) => {
    const digest = `sha512:${'0'.repeat(128)}` as typeof HELLO;
    await fails(store.put(from('hello'), { digest }), 'corrupt');
    assert.deepEqual(await listed(store), []);
  });

  with_('a put is idempotent, also sixteen at once', async (store) => {
    const infos = await Promise.all(
      Array.from({ length: 16 }, (_, i) =>
        store.put(from('hello'), i % 2 === 0 ? { digest: HELLO } : {}),
      ),
    );
    for (const info of infos) assert.deepEqual(info, { digest: HELLO, sizeBytes: 5 });
    assert.deepEqual(await listed(store), [HELLO]);
  });

  with_('deferred puts are readable at once and durable after sync', async (store) => {
    await store.put(from('hello'), { deferSync: true });
    assert.equal(await textOf(store.get(HELLO)), 'hello');
    await store.sync();
    assert.deepEqual(await listed(store), [HELLO]);
  });

  with_('content that is not what was announced is refused and leaves nothing', async (store) => {
    await fails(store.put(from('hullo'), { digest: HELLO }), 'corrupt', /has digest/);
    await fails(
      store.put(from('hello'), { sizeBytes: 4 }),
      'corrupt',
      /more than the announced 4 bytes/,
    );
    await fails(store.put(from('hello'), { sizeBytes: 6 }), 'corrupt', /5 bytes where 6/);
    await fails(
      store.put(from('hello'), { maxBytes: 4 }),
      'exhausted',
      /more than the allowed 4 bytes/,
    );
    await fails(store.putBytes(Buffer.from('hullo'), { digest: HELLO }), 'corrupt');
    assert.deepEqual(await listed(store), []);
  });

  with_('a source that fails or is cancelled leaves nothing', async (store) => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('hel');
      throw new Error('the network died');
    }
    await assert.rejects(store.put(failing()), /the network died/);
    const abort = new AbortController();
    async function* aborting(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('hel');
      abort.abort();
      yield Buffer.from('lo');
    }
    await fails(store.put(aborting(), { signal: abort.signal }), 'cancelled');
    assert.deepEqual(await listed(store), []);
  });

  with_('what is not there is not found', async (store) => {
    assert.equal(await store.find(HELLO), undefined);
    await fails(textOf(store.get(HELLO)), 'not-found');
    await fails(store.read(HELLO, 100), 'not-found');
    await fails(store.verify(HELLO), 'not-found');
    assert.equal(await store.remove(HELLO), false);
  });

  with_('a read above its limit or of another size is refused', async (store) => {
    await store.put(from('hello'));
    await fails(store.read(HELLO, 4), 'exhausted');
    await fails(textOf(store.get(HELLO, { sizeBytes: 6 })), 'corrupt');
  });

  for (const [what, change] of [
    [
      'a flipped byte',
      (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === 2 ? byte ^ 1 : byte))),
    ],
    ['a byte less', (bytes: Buffer) => bytes.subarray(1)],
    ['a byte more', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('!')])],
    ['nothing left', () => Buffer.alloc(0)],
  ] as const) {
    with_(
      `a stored blob with ${what} is found corrupt and can be put again`,
      async (store, { corrupt }) => {
        await store.put(from('hello'));
        corrupt(HELLO, change);
        await fails(textOf(store.get(HELLO)), 'corrupt', /stored content is damaged/);
        assert.equal(await store.find(HELLO), undefined);
        await store.put(from('hello'), { digest: HELLO });
        await store.verify(HELLO);
      },
    );
  }

  with_('a collection keeps what roots and leases name', async (store) => {
    const [kept, leased, garbage] = await Promise.all([
      store.putBytes(Buffer.from('kept')),
      store.putBytes(Buffer.from('leased')),
      store.putBytes(Buffer.from('garbage')),
    ]);
    const lease = store.lease('test');
    lease.add(leased.digest);
    const first = await store.collect(() => new Set([kept.digest]));
    assert.deepEqual(first, { deleted: [garbage], reclaimedBytes: 7 });
    lease.release();
    lease.release();
    const second = await store.collect(() => new Set([kept.digest]));
    assert.deepEqual(second.deleted, [leased]);
    assert.deepEqual(await listed(store), [kept.digest]);
  });

  with_('a collection keeps what was stored lately when told to', async (store) => {
    const { digest } = await store.putBytes(Buffer.from('half of a pull'));
    const nothing = (): ReadonlySet<never> => new Set();
    const hourAgoMs = Date.now() - 3_600_000;
    assert.deepEqual((await store.collect(nothing, { storedBeforeMs: hourAgoMs })).deleted, []);
    const inAnHourMs = Date.now() + 3_600_000;
    const { deleted } = await store.collect(nothing, { storedBeforeMs: inAnHourMs });
    assert.deepEqual(
      deleted.map((blob) => blob.digest),
      [digest],
    );
  });

  with_('two leases of a blob both count', async (store) => {
    const { digest } = await store.putBytes(Buffer.from('x'));
    const [first, second] = [store.lease('a'), store.lease('b')];
    for (const lease of [first, second]) lease.add(digest);
    first.add(digest);
    first.release();
    assert.equal(second.holds(digest), true);
    assert.equal((await store.collect(() => new Set())).deleted.length, 0);
    assert.equal(await store.remove(digest), false);
    second[Symbol.dispose]();
    assert.equal(await store.remove(digest), true);
  });

  with_('a blob that a lease lets go while a collection runs survives it', async (store) => {
    const { digest } = await store.putBytes(Buffer.from('x'));
    const lease = store.lease('pull');
    lease.add(digest);
    // The image is recorded after the roots were asked, and its lease ends.
    const first = store.collect(() => {
      lease.release();
      return new Set();
    });
    assert.deepEqual((await first).deleted, []);
    assert.equal((await store.collect(() => new Set())).deleted.length, 1);
  });

  with_('a removal asks who needs the blob in the same breath', async (store) => {
    const { digest } = await store.putBytes(Buffer.from('x'));
    const lease = store.lease('pull');
    // Whoever leases the blob while a removal is under way finds it whole or not at all.
    const removal = store.remove(digest);
    lease.add(digest);
    const found = await store.find(digest);
    assert.equal(await removal, found === undefined);
    const again = await store.putBytes(Buffer.from('x'));
    lease.release();
    assert.equal(await store.remove(again.digest, () => true), false);
    assert.equal(await store.remove(again.digest, () => false), true);
  });

  with_(
    'a blob put while a collection runs survives it, also one that was there',
    async (store) => {
      const old = await store.putBytes(Buffer.from('old'));
      const result = await store.collect(async () => {
        await store.putBytes(Buffer.from('old'));
        await store.putBytes(Buffer.from('new'));
        return new Set();
      });
      assert.deepEqual(result.deleted, []);
      assert.deepEqual(await listed(store), [old.digest, digestBytes('new')].toSorted());
    },
  );

  with_('an ingest goes on where it was suspended', async (store) => {
    const request = { digest: HELLO, sizeBytes: 5 };
    const first = await store.ingest(request);
    assert.equal(first?.offsetBytes, 0);
    await first.write(Buffer.from('hel'));
    await first.suspend();
    const second = await store.ingest(request);
    assert.equal(second?.offsetBytes, 3);
    await second.write(Buffer.from('lo'));
    assert.deepEqual(await second.commit(), { digest: HELLO, sizeBytes: 5 });
    await second.suspend();
    await second.discard();
    assert.equal(await textOf(store.get(HELLO)), 'hello');
    assert.equal(await store.ingest(request), undefined);
  });

  with_('an ingest can begin anew', async (store) => {
    const ingest = await store.ingest({ digest: HELLO, sizeBytes: 5 });
    await ingest?.write(Buffer.from('xyz'));
    await ingest?.restart();
    assert.equal(ingest?.offsetBytes, 0);
    await ingest.write(Buffer.from('hello'));
    await ingest.commit();
    await store.verify(HELLO);
  });

  with_('an ingest of other content is refused and starts over', async (store) => {
    const request = { digest: HELLO, sizeBytes: 5 };
    const wrong = await store.ingest(request);
    await wrong?.write(Buffer.from('hullo'));
    await fails(wrong?.commit() ?? Promise.resolve(), 'corrupt', /has digest/);
    const short = await store.ingest(request);
    assert.equal(short?.offsetBytes, 0);
    await fails(short.write(Buffer.from('hello!')), 'corrupt');
    await fails(short.commit(), 'corrupt');
    assert.deepEqual(await listed(store), []);
  });

  with_('a second ingest of a digest waits for the first', async (store) => {
    const request = { digest: HELLO, sizeBytes: 5 };
    const first = await store.ingest(request);
    const waiting = store.ingest(request);
    const abort = new AbortController();
    const cancelled = store.ingest({ ...request, signal: abort.signal });
    abort.abort();
    await fails(cancelled, 'cancelled');
    await first?.write(Buffer.from('hello'));
    await first?.commit();
    assert.equal(await waiting, undefined);
  });

  with_('sixty-four ingests of a digest write it once', async (store) => {
    let writers = 0;
    await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        const ingest = await store.ingest({ digest: HELLO, sizeBytes: 5 });
        if (ingest === undefined) return;
        writers++;
        if (i % 3 === 0) {
          await ingest.suspend();
          return;
        }
        await ingest.write(Buffer.from('hello').subarray(ingest.offsetBytes));
        await ingest.commit();
      }),
    );
    assert.ok(writers >= 1 && writers < 64);
    await store.verify(HELLO);
  });
}
