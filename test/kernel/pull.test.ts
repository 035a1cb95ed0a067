/** Pulls from scripted registries: what is told on the way, and where the bytes come from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shortDigest } from '../../src/spec/digest.ts';
import { answer, ScriptedRegistry, type Script, sha256 } from '../fakes/scripted-registry.ts';
import { handImage, ImageFixture } from './image-fixture.ts';
import { PullRig, serveImage } from './pull-rig.ts';

const BASE = { type: 'file', path: 'base', content: 'b' } as const;
const IMAGE = handImage([[BASE], [{ type: 'file', path: 'one', content: '1' }]]);
const NEXT = handImage([[BASE], [{ type: 'file', path: 'two', content: '2' }]]);
const idOf = (layer: Buffer | undefined): string =>
  shortDigest(sha256(layer ?? Buffer.alloc(0)) as Parameters<typeof shortDigest>[0]);

/** The words of a pull by layer, each once. */
async function wordsOf(rig: PullRig, name: string): Promise<Record<string, readonly string[]>> {
  const words: Record<string, string[]> = {};
  await rig.pull(name, {
    onProgress: ({ id = '', status = '' }) => {
      const list = (words[id] ??= []);
      if (list.at(-1) !== status) list.push(status);
    },
  });
  return words;
}

test('a pull tells the steps of each layer that costs work, and nothing of an image that is here', async () => {
  await using registry = await ScriptedRegistry.start();
  serveImage(registry, '1', IMAGE);
  serveImage(registry, '2', NEXT);
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    const steps = [
      'Pulling fs layer',
      'Downloading',
      'Verifying Checksum',
      'Download complete',
      'Extracting',
      'Pull complete',
    ];
    const sorted = (words: readonly string[] | undefined): readonly string[] =>
      [...new Set(words)].toSorted();
    const first = await wordsOf(rig, `${registry.host}/app:1`);
    for (const layer of IMAGE.layers) {
      const words = first[idOf(layer)];
      assert.deepEqual(sorted(words), steps.toSorted());
      assert.equal(words?.[0], 'Pulling fs layer');
      assert.equal(words.at(-1), 'Pull complete');
    }
    assert.deepEqual(await wordsOf(rig, `${registry.host}/app:1`), {});
    const [base, two] = NEXT.layers.map(idOf);
    const second = await wordsOf(rig, `${registry.host}/app:2`);
    assert.deepEqual(second[base ?? ''], ['Already exists']);
    assert.equal(second[two ?? '']?.at(-1), 'Pull complete');
  });
});

const LAYER = sha256(IMAGE.layers[1] ?? Buffer.alloc(0));
const MIRRORS: readonly (readonly [name: string, script: Script])[] = [
  ['has no layer', ({ path }) => (path.endsWith(LAYER) ? answer(404) : undefined)],
  [
    'has no configuration',
    ({ path }) => (path.endsWith(IMAGE.configDigest) ? answer(404) : undefined),
  ],
  [
    'sends another layer',
    ({ path }) => (path.endsWith(LAYER) ? answer(200, {}, 'wrong') : undefined),
  ],
  ['breaks', ({ path }) => (path.endsWith(LAYER) ? answer(500) : undefined)],
  ['refuses', ({ path }) => (path.endsWith(LAYER) ? answer(403) : undefined)],
];
for (const [name, script] of MIRRORS) {
  test(`a mirror that has the manifest and ${name} does not keep the registry from being asked`, async () => {
    await using mirror = await ScriptedRegistry.start('127.0.0.2');
    await using registry = await ScriptedRegistry.start();
    for (const each of [mirror, registry]) serveImage(each, '1', IMAGE);
    mirror.script = script;
    await ImageFixture.withImages(async (fixture) => {
      using rig = new PullRig(fixture, {
        [registry.host]: { mirrors: [{ url: `http://${mirror.host}` }] },
      });
      const { image } = await rig.pull(`${registry.host}/app:1`);
      assert.equal(image.id, IMAGE.configDigest);
      assert.ok(mirror.requests.length > 0 && registry.requests.length > 0);
    });
  });
}
