/** Pulls from scripted registries, and a push: what is told on the way, where the bytes come from, what is left. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import { pushImage } from '../../src/images/push/push.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { shortDigest } from '../../src/spec/digest.ts';
import { MEDIA_TYPE } from '../../src/spec/media-type.ts';
import { parseReference } from '../../src/spec/reference.ts';
import { answer, ScriptedRegistry, type Script, sha256 } from '../fakes/scripted-registry.ts';
import { handImage, ImageFixture, layoutEntries } from './image-fixture.ts';
import { PullRig, serveImage } from './pull-rig.ts';

const MIB = 1024 * 1024;
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

test('a tag that still leads to the same image is asked about, not read; one that moved is read', async () => {
  await using registry = await ScriptedRegistry.start();
  serveImage(registry, '1', IMAGE);
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    const pull = async (): Promise<readonly [id: string, reads: number]> => {
      registry.requests.length = 0;
      const { image } = await rig.pull(`${registry.host}/app:1`);
      return [image.id, registry.requests.filter(({ path }) => path !== '/v2/').length];
    };
    assert.equal((await pull())[0], IMAGE.configDigest);
    assert.deepEqual(await pull(), [IMAGE.configDigest, 1]);
    assert.equal(registry.requests.at(-1)?.method, 'HEAD');
    serveImage(registry, '1', NEXT);
    assert.equal((await pull())[0], NEXT.configDigest);
    registry.script = ({ method }) => (method === 'HEAD' ? answer(405) : undefined);
    assert.deepEqual(await pull(), [NEXT.configDigest, 2]);
  });
});

test('a pull waits for blobs whose layers something else has unpacked already', async () => {
  await using registry = await ScriptedRegistry.start();
  serveImage(registry, '1', IMAGE);
  await ImageFixture.withImages(async (fixture) => {
    // The same layers, packed in another way.
    const unpacked = handImage([[BASE], [{ type: 'file', path: 'one', content: '1' }]], {
      pack: (tar) => tar,
      layerType: MEDIA_TYPE.ociLayer,
    });
    await fixture.load(encodeTar(layoutEntries([{ image: unpacked, name: 'loaded:1' }])));
    registry.script = ({ method, path }) => {
      const blob = registry.blobs.get(path.slice(path.lastIndexOf('/') + 1));
      if (method !== 'GET' || blob === undefined) return undefined;
      return (response) => {
        response.writeHead(200, { 'Content-Length': blob.length });
        response.write(blob.subarray(0, 1));
        setTimeout(() => response.end(blob.subarray(1)), 100);
      };
    };
    using rig = new PullRig(fixture);
    const { image } = await rig.pull(`${registry.host}/app:1`);
    assert.equal(image.manifest.digest, IMAGE.manifestDescriptor.digest);
    for (const { digest } of image.layers) await fixture.content.verify(digest);
  });
});

test('loading an archive of an image that was pulled leaves it the manifest it came with', async () => {
  await using registry = await ScriptedRegistry.start();
  serveImage(registry, '1', IMAGE);
  const layers = IMAGE.tars.map(
    (content, i) => ({ type: 'file', path: `${i}.tar`, content }) as const,
  );
  const item = { Config: 'c.json', RepoTags: ['loaded:1'], Layers: layers.map(({ path }) => path) };
  const archive = encodeTar([
    { type: 'file', path: 'c.json', content: IMAGE.config },
    ...layers,
    { type: 'file', path: 'manifest.json', content: JSON.stringify([item]) },
  ]);
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    await rig.pull(`${registry.host}/app:1`);
    const before = await fixture.inventory();
    await fixture.load(archive);
    const { digest } = IMAGE.manifestDescriptor;
    for (const name of [`${registry.host}/app:1`, 'loaded:1'])
      assert.equal(fixture.images.get(name).manifest.digest, digest);
    assert.deepEqual(await fixture.inventory(), before);
    await fixture.content.remove(digest);
    await fixture.load(archive);
    assert.notEqual(fixture.images.get('loaded:1').manifest.digest, digest);
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

test('a pull that fails everywhere tells what each mirror did wrong', async () => {
  await using mirror = await ScriptedRegistry.start('127.0.0.2');
  await using empty = await ScriptedRegistry.start('127.0.0.3');
  await using registry = await ScriptedRegistry.start();
  mirror.script = ({ path }) => (path.includes('/manifests/') ? answer(403) : undefined);
  await ImageFixture.withImages(async (fixture) => {
    const mirrors = [mirror, empty].map(({ host }) => ({ url: `http://${host}` }));
    using rig = new PullRig(fixture, { [registry.host]: { mirrors } });
    await assert.rejects(rig.pull(`${registry.host}/app:1`), (error) => {
      assert.ok(isEngineError(error));
      assert.equal(error.kind, 'not-found');
      assert.match(error.message, new RegExp(`${registry.host} answered not here`));
      assert.match(error.hint ?? '', new RegExp(`^Mirror ${mirror.host}: .* answered status 403$`));
      return true;
    });
  });
});

const LINUX = { os: 'linux', architecture: 'amd64' };
const OTHER = { os: 'windows', architecture: 'amd64' };
type Entries = (registry: ScriptedRegistry) => readonly object[];
const INDEXES: readonly (readonly [name: string, entries: Entries])[] = [
  [
    'somebody else’s documents',
    () => [
      { ...IMAGE.manifestDescriptor, mediaType: 'application/vnd.foo+json', platform: LINUX },
      { ...IMAGE.manifestDescriptor, platform: LINUX },
    ],
  ],
  [
    'an index of no platform beside an image for another',
    (registry) => {
      const manifests = [{ ...IMAGE.manifestDescriptor, platform: LINUX }];
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }));
      registry.addDocument('inner', { mediaType: MEDIA_TYPE.ociIndex, bytes });
      const inner = { mediaType: MEDIA_TYPE.ociIndex, digest: sha256(bytes), size: bytes.length };
      return [inner, { ...IMAGE.manifestDescriptor, platform: OTHER }];
    },
  ],
];
for (const [name, entries] of INDEXES) {
  test(`an index with ${name} leads to the image`, async () => {
    await using registry = await ScriptedRegistry.start();
    serveImage(registry, '0', IMAGE);
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: entries(registry) }));
    registry.addDocument('1', { mediaType: MEDIA_TYPE.ociIndex, bytes });
    await ImageFixture.withImages(async (fixture) => {
      using rig = new PullRig(fixture);
      const { image } = await rig.pull(`${registry.host}/app:1`);
      assert.equal(image.id, IMAGE.configDigest);
    });
  });
}

test('a push that is given up in the middle leaves no file open', async (t) => {
  const stop = new AbortController();
  const server = http.createServer((request, response) => {
    if (request.method !== 'PUT') {
      const isUpload = request.method === 'POST';
      response.writeHead(isUpload ? 202 : 404, isUpload ? { Location: '/v2/up/1' } : {}).end();
      return;
    }
    request.on('error', () => undefined);
    request.once('data', () => {
      request.pause();
      stop.abort();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  // More than the sockets between hold.
  const noise = { type: 'file', path: 'noise', content: randomBytes(15 * MIB) } as const;
  const layout = layoutEntries([{ image: handImage([[noise]]), name: 'app:1' }]);
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(encodeTar(layout));
    using rig = new PullRig(fixture);
    const push = pushImage(
      { content: fixture.content, access: rig.access },
      {
        image: fixture.images.get('app:1'),
        reference: { ...parseReference(`${host}/app`), tag: '1' },
        credentials: undefined,
        signal: stop.signal,
      },
    );
    await assert.rejects(push, /cancelled/);
    const blobs = join(fixture.root, 'content');
    const isHeld = (): boolean =>
      readdirSync('/proc/self/fd').some((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).startsWith(blobs);
        } catch {
          return false;
        }
      });
    // A file is closed once its read that is under way has ended.
    for (let turns = 0; isHeld() && turns < 1000; turns += 1)
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isHeld(), false);
  });
});
