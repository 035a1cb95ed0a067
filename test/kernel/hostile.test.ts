/**
 * F1–F5: hostile archives through every way in. Whatever an archive asks for, a
 * tree outside stays as it was, a refusal is one sentence about the archive and
 * nothing is left of it; what is taken can be taken away again.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type EngineError, isEngineError } from '../../src/base/error.ts';
import { answerOfError } from '../../src/http/status.ts';
import { parseRegistryConfig } from '../../src/images/registry/config.ts';
import { openRegistryImages } from '../../src/images/registry/remote.ts';
import type { ImageRecord } from '../../src/images/store.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { parseReference } from '../../src/spec/reference.ts';
import { ScriptedRegistry } from '../fakes/scripted-registry.ts';
import { describeCanary, glanceAtCanary, makeCanary } from '../fuzz/canary.ts';
import { type HostileArchive, hostileArchives } from '../fuzz/hostile.ts';
import { openFixture } from './engine-fixture.ts';
import {
  chunked,
  type HandImage,
  ImageFixture,
  layoutEntries,
  oldDockerEntries,
  rawImage,
} from './image-fixture.ts';
import { describeTree } from './layer-fixture.ts';

/** One sentence: nothing of the program's inside, no line break, no full stop at its end. */
function checkSentence(error: unknown, name: string): asserts error is EngineError {
  assert.ok(
    isEngineError(error),
    `${name}: ${error instanceof Error ? error.stack : String(error)}`,
  );
  assert.match(error.message, /^[A-Z][^\n]{10,700}[^.\n]$/, name);
  assert.doesNotMatch(error.message, /undefined|\bat .*:\d+:\d+|\[object/, name);
}

/** The status says that the sender is at fault. */
function checkStatus(error: EngineError, name: string): void {
  const { status } = answerOfError(error);
  assert.ok(status >= 400 && status < 500, `${name}: ${status} ${error.message}`);
}

const PLAIN = { keepKinds: false, ownByUser: false };

/** How a consumer ended: `applied`, or the kind of the refusal. `isSent`: the caller sent the archive. */
async function outcomeOf(
  name: string,
  isSent: boolean,
  work: () => Promise<unknown>,
): Promise<string> {
  try {
    await work();
    return 'applied';
  } catch (error) {
    checkSentence(error, name);
    if (isSent) checkStatus(error, name);
    return error.kind;
  }
}

type TakeIn = (fixture: ImageFixture, image: HandImage, tar: Buffer) => Promise<ImageRecord>;

async function firstOf(loaded: ReturnType<ImageFixture['load']>): Promise<ImageRecord> {
  const [first] = await loaded;
  assert.ok(first !== undefined);
  return first.image;
}

const WAYS: readonly (readonly [name: string, take: TakeIn])[] = [
  [
    'load of a docker archive',
    async (fixture, image) =>
      firstOf(fixture.load(encodeTar(oldDockerEntries([{ image, tags: ['hostile:1'] }])))),
  ],
  [
    'load of an OCI layout',
    async (fixture, image) =>
      firstOf(fixture.load(encodeTar(layoutEntries([{ image, name: 'hostile:1' }])))),
  ],
  [
    'import',
    async (fixture, _, tar) =>
      fixture.images.import(chunked(tar, 4096), { changes: [], reference: 'hostile:1' }),
  ],
  ['pull', pull],
];

async function pull(fixture: ImageFixture, image: HandImage): Promise<ImageRecord> {
  await using registry = await ScriptedRegistry.start();
  for (const blob of [image.config, ...image.layers]) registry.addBlob(blob);
  const { mediaType } = image.manifestDescriptor;
  registry.addDocument('1', { mediaType, bytes: image.manifest });
  const remote = openRegistryImages({
    images: fixture.images,
    content: fixture.content,
    host: { os: 'linux', architecture: 'amd64' },
    config: parseRegistryConfig(
      JSON.stringify({ registries: { [registry.host]: { insecure: true } } }),
    ),
    nowMs: () => 0,
  });
  try {
    const reference = parseReference(`${registry.host}/hostile:1`);
    return (await remote.pull({ reference, credentials: undefined })).image;
  } finally {
    remote.close();
  }
}

for (const [way, take] of WAYS) {
  test(`F1 F2 F3 F4 F5: ${way} takes no hostile layer out of its directory`, async () => {
    await ImageFixture.withImages(async (fixture) => {
      const canary = join(fixture.root, 'canary');
      makeCanary(canary);
      const root = encodeTar([{ type: 'file', path: 'file', content: 'x' }]);
      await fixture.images.import(chunked(root), { changes: [], reference: 'good:1' });
      const [good] = fixture.store.listLayers();
      assert.ok(good !== undefined);
      const outside = describeCanary(canary);
      const glance = glanceAtCanary(canary);
      const neighbour = describeTree(good.directory);
      const before = await fixture.inventory();
      const rows = hostileArchives(canary);
      assert.ok(rows.length >= 80, `${rows.length} archives`);
      const wrong: string[] = [];
      for (const row of rows) {
        const outcome = await tryLayer(fixture, take, row);
        if (outcome !== row.layer) wrong.push(`${row.name}: ${outcome} instead of ${row.layer}`);
        assert.deepEqual(await fixture.inventory(), before, `${row.name}: left something`);
        assert.deepEqual(glanceAtCanary(canary), glance, `${row.name}: REACHED THE OUTSIDE`);
      }
      assert.deepEqual(describeCanary(canary), outside);
      assert.deepEqual(wrong, []);
      assert.deepEqual(describeTree(good.directory), neighbour);
      assert.equal(readdirSync(join(fixture.root, 'store/layers')).length, before.layers);
    });
  });
}

async function tryLayer(fixture: ImageFixture, take: TakeIn, row: HostileArchive): Promise<string> {
  const image = rawImage([row.tar], { pack: (tar) => gzipSync(tar, { level: 1 }) });
  const outcome = await outcomeOf(row.name, take !== pull, async () => {
    const { id } = await take(fixture, image, row.tar);
    await fixture.images.remove(id, { force: true, noPrune: false, users: () => [] });
  });
  await fixture.images.collect();
  return outcome;
}

test('F1 F2 F7: cp into a container takes no hostile archive out of the container', async () => {
  await using fixture = await openFixture();
  const canary = join(fixture.directory, 'canary');
  makeCanary(canary);
  const outside = describeCanary(canary);
  const glance = glanceAtCanary(canary);
  const id = await fixture.create({ Cmd: ['sleep', '1000'] });
  const { containers } = fixture.engine;
  const own = encodeTar([{ type: 'file', path: join(canary, 'file'), content: 'its own' }]);
  await containers.writeArchive(id, '/', Readable.from([own]), PLAIN);
  const wrong: string[] = [];
  for (const state of ['created', 'running']) {
    if (state === 'running') await containers.start(id);
    for (const [index, row] of hostileArchives(canary).entries()) {
      const target = `/hostile-${state}-${index}`;
      const empty = encodeTar([{ type: 'directory', path: target, mode: 0o755 }]);
      await containers.writeArchive(id, '/', Readable.from([empty]), PLAIN);
      const outcome = await outcomeOf(row.name, true, async () =>
        containers.writeArchive(id, target, Readable.from(chunked(row.tar, 4096)), PLAIN),
      );
      if (outcome !== row.copy && row.copy !== 'either')
        wrong.push(`${row.name} (${state}): ${outcome} instead of ${row.copy}`);
      assert.deepEqual(glanceAtCanary(canary), glance, `${row.name}: REACHED THE OUTSIDE`);
    }
    assert.equal((await containers.statPath(id, '/bin/busybox')).name, 'busybox');
  }
  assert.deepEqual(describeCanary(canary), outside);
  assert.deepEqual(wrong, []);
});
