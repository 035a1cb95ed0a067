/** The daemon killed with SIGKILL in the middle of collections, and a policy that cannot be read. */

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { runChild } from '../../scripts/child.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import type { GcReport, ImageTree } from '../../src/spec/image-tree.ts';
import { CARVE, DaemonFixture } from './daemon-fixture.ts';

/** Images made in each round. */
const IMAGES = 5;

/** An image of one layer of its own. */
async function importImage(engine: DaemonFixture, name: string): Promise<void> {
  const content = Buffer.alloc(50_000, name);
  const tar = encodeTar([{ type: 'file', path: 'file', content }]);
  const { status, text } = await engine.api('POST', `/images/create?fromSrc=-&repo=${name}`, tar);
  assert.equal(status, 200, text);
}

async function readTree(engine: DaemonFixture): Promise<ImageTree> {
  const { status, text, json } = await engine.api('GET', '/carve/images/tree');
  assert.equal(status, 200, text);
  return json as ImageTree;
}

test('a collection killed at any moment leaves whole images, and what it left goes with the next prune', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'carve-gc-'));
  const file = join(folder, 'gc.json');
  writeFileSync(
    file,
    '{"remove":{"unusedAfter":"0s"},"keep":{"names":["bb","kept-*"],"usedWithin":"0s"}}',
  );
  try {
    const leaks = await DaemonFixture.using(
      async (engine) => {
        let cutShort = 0;
        for (let round = 0; round < 4; round++) {
          const names = Array.from({ length: IMAGES }, (_, index) => `drop-${round}-${index}`);
          await importImage(engine, `kept-${round}`);
          for (const name of names) await importImage(engine, name);
          const collection = engine.api('POST', '/carve/gc').catch(() => undefined);
          await delay(round * 15);
          await engine.end('SIGKILL');
          if ((await collection)?.status !== 200) cutShort += 1;
          await engine.start();
          for (const { Id, Names } of (await readTree(engine)).Images) {
            // Every blob is read and verified on its way out; a damaged one cuts the answer.
            const { status } = await engine.api('GET', `/images/${Id}/get`);
            assert.equal(status, 200, Names.join());
          }
        }
        assert.ok(cutShort > 0, 'no collection was cut short');
        const { json } = await engine.api('POST', '/carve/gc');
        const left = (json as GcReport).Removed.flatMap(({ Names }) => Names);
        assert.ok(left.every((name) => name.startsWith('drop-')));
        assert.equal((await engine.api('POST', '/images/prune')).status, 200);
        const { Images, Layers } = await readTree(engine);
        const names = Images.flatMap((image) => image.Names).toSorted();
        const kept = Array.from({ length: 4 }, (_, round) => `kept-${round}:latest`);
        assert.deepEqual(names, ['bb:latest', ...kept]);
        assert.equal(Layers.length, names.length);
        // Manifest, configuration and layer of each, and nothing else.
        const blobs = readdirSync(join(engine.root, 'blobs/sha256'));
        assert.equal(blobs.length, 3 * names.length);
        const id = await engine.create('after', ['true']);
        await engine.startContainer(id);
      },
      { flags: ['--gc', file] },
    );
    assert.deepEqual(leaks, []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a policy that cannot be read keeps the daemon from starting, and says which key', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'carve-gc-'));
  const file = join(folder, 'gc.json');
  try {
    for (const [text, sentence] of [
      ['{"remove":{"unusedFor":"1d"}}', /remove has an unknown key "unusedFor"/],
      ['{"remove":{"unusedAfter":"soon"}}', /remove\.unusedAfter must be a duration/],
      ['nonsense', /Cannot read collection policy: the file is not JSON/],
    ] as const) {
      writeFileSync(file, text);
      const places = ['--root', join(folder, 'root'), '--run', join(folder, 'run')];
      const { code, output } = await runChild([...CARVE, 'daemon', ...places, '--gc', file]);
      assert.equal(code, 1, output);
      assert.match(output, sentence);
    }
    assert.deepEqual(readdirSync(folder), ['gc.json'], 'nothing was made');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
