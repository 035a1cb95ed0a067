/** The image store over real directories and the real chisel: every way in, every way out. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { Digest } from '../../src/base/brand.ts';
import { isEngineError, type ErrorKind } from '../../src/base/error.ts';
import type { ImageProgress, ImageUser } from '../../src/images/store.ts';
import { planTar, writeTar } from '../../src/layers/diff.ts';
import { ChiselWalker } from '../../src/layers/chisel-walk.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { digestBytes } from '../../src/spec/digest.ts';
import { MEDIA_TYPE } from '../../src/spec/media-type.ts';
import {
  chunked,
  collect,
  handImage,
  ImageFixture,
  layoutEntries,
  oldDockerEntries,
} from './image-fixture.ts';
import { CHISEL, describeTree, describeXattrs, type Entry, WORKER } from './layer-fixture.ts';

const NOBODY = { force: false, noPrune: false, users: (): readonly ImageUser[] => [] };

const BASE: readonly Entry[] = [
  { type: 'directory', path: 'etc', mode: 0o755 },
  { type: 'file', path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\n', mode: 0o644 },
  { type: 'file', path: 'etc/group', content: 'root:x:0:\n', mode: 0o644 },
  { type: 'file', path: 'bin/sh', content: 'the shell', mode: 0o755 },
];
const TOP: readonly Entry[] = [
  { type: 'file', path: 'etc/.wh.group' },
  { type: 'file', path: 'app', content: 'x'.repeat(1000), mode: 0o755 },
];

async function fails(work: Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isEngineError(error), String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, message);
    return true;
  });
}

const IMAGE = handImage([BASE, TOP], {
  config: { Cmd: ['/bin/sh'], Env: ['A=1'], Labels: { k: 'v' } },
});
const OTHER = handImage([BASE, [{ type: 'file', path: 'other', content: 'y' }]]);

const ARCHIVES: readonly (readonly [what: string, archive: Buffer])[] = [
  [
    'an old archive of docker save',
    encodeTar(oldDockerEntries([{ image: IMAGE, tags: ['app:1', 'quay.io/x/app:latest'] }])),
  ],
  [
    'an OCI layout',
    encodeTar(
      layoutEntries([
        { image: IMAGE, name: 'app:1' },
        { image: IMAGE, name: 'quay.io/x/app:latest', annotation: 'io.containerd.image.name' },
      ]),
    ),
  ],
  [
    'an archive of docker save with its OCI half',
    encodeTar([
      ...layoutEntries([{ image: IMAGE, name: 'ignored' }]),
      {
        type: 'file',
        path: 'manifest.json',
        content: JSON.stringify([
          {
            Config: `blobs/sha256/${IMAGE.configDigest.slice(7)}`,
            RepoTags: ['app:1', 'quay.io/x/app:latest'],
            Layers: IMAGE.layers.map((layer) => `blobs/sha256/${digestBytes(layer).slice(7)}`),
          },
        ]),
      },
    ]),
  ],
];
for (const [what, archive] of ARCHIVES) {
  for (const [wrapping, wrap] of [
    ['plain', (bytes: Buffer) => bytes],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    test(`${what}, ${wrapping}, becomes an image with its names, layers and captured files`, async () => {
      await ImageFixture.withImages(async (fixture) => {
        const progress: ImageProgress[] = [];
        const loaded = await fixture.load(wrap(archive), {
          onProgress: (step) => progress.push(step),
        });
        assert.deepEqual(loaded.flatMap(({ names }) => names).toSorted(), [
          'app:1',
          'quay.io/x/app:latest',
        ]);
        const image = fixture.images.get('app:1');
        assert.equal(image.id, IMAGE.configDigest);
        assert.deepEqual(image.tags, ['docker.io/library/app:1', 'quay.io/x/app:latest']);
        assert.deepEqual(image.config.config, {
          Env: ['A=1'],
          Cmd: ['/bin/sh'],
          Labels: { k: 'v' },
        });
        assert.deepEqual(image.captured, {
          'etc/passwd': { kind: 'text', text: 'root:x:0:0:root:/root:/bin/sh\n' },
          'etc/group': { kind: 'absent' },
        });
        assert.equal(image.sizeBytes, 30 + 10 + 9 + 1000);
        const top = fixture.store.findLayer(image.chain.at(-1) ?? assert.fail());
        assert.equal(readFileSync(join(top?.directory ?? '', 'app'), 'utf8'), 'x'.repeat(1000));
        assert.ok(
          progress.some(({ status, total }) => status === 'Loading layer' && total !== undefined),
        );
        // Manifest, configuration and two layers; nothing of the archive's other files.
        assert.deepEqual(await fixture.inventory(), { images: 1, layers: 2, blobs: 4 });
        if (what !== 'an old archive of docker save')
          assert.equal(image.manifest.digest, IMAGE.manifestDescriptor.digest);
      });
    });
  }
}

test('what was loaded is there after the store is opened again', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(ARCHIVES[0]?.[1] ?? assert.fail());
    const before = fixture.images.list();
    assert.deepEqual((await fixture.open()).list(), before);
  });
});

test('two images of one archive share a layer', async () => {
  await ImageFixture.withImages(async (fixture) => {
    const loaded = await fixture.load(
      encodeTar(
        oldDockerEntries([
          { image: IMAGE, tags: ['a'] },
          { image: OTHER, tags: null },
        ]),
      ),
    );
    assert.deepEqual(
      loaded.map(({ names }) => names),
      [['a:latest'], []],
    );
    assert.deepEqual(await fixture.inventory(), { images: 2, layers: 3, blobs: 7 });
    const { layersBytes, uniqueBytes } = await fixture.images.usage();
    assert.equal(layersBytes, 49 + 1000 + 1);
    assert.equal(uniqueBytes.get(OTHER.configDigest), 1);
  });
});

test('layers of an old archive may be links to each other', async () => {
  await ImageFixture.withImages(async (fixture) => {
    const entries = oldDockerEntries([{ image: handImage([BASE, BASE]), tags: ['twice'] }]);
    const layer = entries.find(({ path }) => path.endsWith('/layer.tar'))?.path ?? assert.fail();
    const item = JSON.parse(
      String(entries.find(({ path }) => path === 'manifest.json')?.content),
    ) as { Config: string }[];
    const linked: readonly Entry[] = [
      ...entries.filter(({ path }) => path !== 'manifest.json'),
      { type: 'symlink', path: 'second/layer.tar', linkPath: `../${layer}` },
      {
        type: 'file',
        path: 'manifest.json',
        content: JSON.stringify([
          { ...item[0], RepoTags: ['twice'], Layers: [layer, 'second/layer.tar'] },
        ]),
      },
    ];
    const [loaded] = await fixture.load(encodeTar(linked));
    assert.equal(loaded?.image.chain.length, 2);
  });
});

test('of an index the image of this machine is taken, or the one that was asked for', async () => {
  const arm = handImage([BASE], { architecture: 'arm64', variant: 'v8' });
  const entries = layoutEntries([
    { image: arm, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    { image: IMAGE, platform: { os: 'linux', architecture: 'amd64' } },
  ]);
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociIndex,
      manifests: [
        {
          ...arm.manifestDescriptor,
          platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
        },
        { ...IMAGE.manifestDescriptor, platform: { os: 'linux', architecture: 'amd64' } },
        {
          ...IMAGE.manifestDescriptor,
          platform: { os: 'unknown', architecture: 'unknown' },
          annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
        },
      ],
    }),
  );
  const archive = encodeTar([
    ...entries.filter(({ path }) => path !== 'index.json'),
    { type: 'file', path: `blobs/sha256/${digestBytes(index).slice(7)}`, content: index },
    {
      type: 'file',
      path: 'index.json',
      content: JSON.stringify({
        schemaVersion: 2,
        manifests: [
          {
            mediaType: MEDIA_TYPE.ociIndex,
            digest: digestBytes(index),
            size: index.length,
            annotations: { 'org.opencontainers.image.ref.name': 'multi:1' },
          },
        ],
      }),
    },
  ]);
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(archive);
    assert.equal(fixture.images.get('multi:1').platform.architecture, 'amd64');
    await fixture.load(archive, { platform: { os: 'linux', architecture: 'arm64' } });
    assert.equal(fixture.images.get('multi:1').platform.architecture, 'arm64');
    assert.ok(fixture.images.roots().has(digestBytes(index)));
    await fails(
      fixture.load(archive, { platform: { os: 'linux', architecture: 's390x' } }),
      'not-found',
      /no matching manifest for linux\/s390x/,
    );
    assert.throws(
      () => fixture.images.get('multi:1', { platform: { os: 'linux', architecture: 'amd64' } }),
      /was found but does not match the specified platform: wanted linux\/amd64, actual: linux\/arm64/,
    );
  });
});

test('a layout directory is loaded, only what its images need, and links in it are not followed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'carve-layout-'));
  try {
    for (const { path, content } of layoutEntries([{ image: IMAGE, name: 'app:1' }])) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), content ?? '');
    }
    writeFileSync(join(directory, 'blobs/sha256/junk'), 'junk');
    await ImageFixture.withImages(async (fixture) => {
      const [loaded] = await fixture.images.loadLayout(directory);
      assert.deepEqual(loaded?.names, ['app:1']);
      assert.deepEqual(await fixture.inventory(), { images: 1, layers: 2, blobs: 4 });
    });
    const layer = join(
      directory,
      'blobs/sha256',
      digestBytes(IMAGE.layers[0] ?? assert.fail()).slice(7),
    );
    rmSync(layer);
    symlinkSync('/etc/hostname', layer);
    await ImageFixture.withImages(async (fixture) => {
      await fails(fixture.images.loadLayout(directory), 'not-found', /cannot be read/);
      assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
      await fails(
        fixture.images.loadLayout('/nowhere'),
        'not-found',
        /Cannot load \/nowhere: \/nowhere\/oci-layout cannot be read/,
      );
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

const old = (change: (items: Record<string, unknown>[]) => unknown): Buffer => {
  const entries = oldDockerEntries([{ image: IMAGE, tags: ['app'] }]);
  const items = JSON.parse(
    String(entries.find(({ path }) => path === 'manifest.json')?.content),
  ) as Record<string, unknown>[];
  return encodeTar(
    entries.map((entry) =>
      entry.path === 'manifest.json' ? { ...entry, content: JSON.stringify(change(items)) } : entry,
    ),
  );
};
const withConfig = (change: (config: Record<string, unknown>) => unknown): Buffer => {
  const config = Buffer.from(
    JSON.stringify(change(JSON.parse(IMAGE.config.toString()) as Record<string, unknown>)),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      ...(JSON.parse(IMAGE.manifest.toString()) as object),
      config: { mediaType: MEDIA_TYPE.ociConfig, digest: digestBytes(config), size: config.length },
    }),
  );
  return encodeTar(
    layoutEntries([
      {
        image: {
          ...IMAGE,
          config,
          configDigest: digestBytes(config),
          manifest,
          manifestDescriptor: {
            mediaType: MEDIA_TYPE.ociManifest,
            digest: digestBytes(manifest),
            size: manifest.length,
          },
        },
        name: 'app:1',
      },
    ]),
  );
};
const withManifest = (
  change: (manifest: Record<string, unknown>) => unknown,
  mediaType: string = MEDIA_TYPE.ociManifest,
): Buffer => {
  const manifest = Buffer.from(
    JSON.stringify(change(JSON.parse(IMAGE.manifest.toString()) as Record<string, unknown>)),
  );
  return encodeTar(
    layoutEntries([
      {
        image: {
          ...IMAGE,
          manifest,
          manifestDescriptor: { mediaType, digest: digestBytes(manifest), size: manifest.length },
        },
        name: 'app:1',
      },
    ]),
  );
};
const layout = (entries: readonly Entry[]): Buffer => encodeTar(entries);
const GOOD = layoutEntries([{ image: IMAGE, name: 'app:1' }]);

const BAD: readonly (readonly [what: string, archive: Buffer, kind: ErrorKind, message: RegExp])[] =
  [
    ['text', Buffer.from('hello'.repeat(1000)), 'corrupt', /checksum/],
    ['an empty archive', encodeTar([]), 'invalid', /neither manifest\.json nor an OCI layout/],
    ['a root file system', encodeTar(BASE), 'invalid', /neither manifest\.json nor an OCI layout/],
    ['a cut archive', layout(GOOD).subarray(0, 5000), 'corrupt', /truncated/],
    [
      'a bzip2 archive',
      Buffer.from('BZh91AY&SY-and-more'),
      'unsupported',
      /Cannot decompress archive: it is packed with bzip2/,
    ],
    [
      'a blob that is not its name',
      layout(
        GOOD.map((entry) =>
          entry.path.startsWith('blobs/')
            ? { ...entry, content: `${String(entry.content)}!` }
            : entry,
        ),
      ),
      'corrupt',
      /has digest/,
    ],
    [
      'a blob with a traversal for a name',
      layout([...GOOD, { type: 'file', path: 'blobs/sha256/../../../x', content: '' }]),
      'invalid',
      /not named by a digest|leads out/,
    ],
    [
      'a blob named by md5',
      layout([
        ...GOOD,
        { type: 'file', path: 'blobs/sha256/d41d8cd98f00b204e9800998ecf8427e', content: '' },
      ]),
      'invalid',
      /not named by a digest/,
    ],
    [
      'a link out of the archive',
      layout([...GOOD, { type: 'symlink', path: 'a/b', linkPath: '../../etc/passwd' }]),
      'invalid',
      /leads out of it/,
    ],
    [
      'a layout of another version',
      layout(
        GOOD.map((entry) =>
          entry.path === 'oci-layout'
            ? { ...entry, content: '{"imageLayoutVersion":"2.0.0"}' }
            : entry,
        ),
      ),
      'unsupported',
      /version "2\.0\.0"/,
    ],
    [
      'an index without images',
      layout(
        GOOD.map((entry) =>
          entry.path === 'index.json'
            ? { ...entry, content: '{"schemaVersion":2,"manifests":[]}' }
            : entry,
        ),
      ),
      'invalid',
      /lists no image/,
    ],
    [
      'an index that is a manifest',
      layout(
        GOOD.map((entry) =>
          entry.path === 'index.json' ? { ...entry, content: IMAGE.manifest } : entry,
        ),
      ),
      'invalid',
      /not an image index/,
    ],
    [
      'an index that is not JSON',
      layout(
        GOOD.map((entry) => (entry.path === 'index.json' ? { ...entry, content: '{' } : entry)),
      ),
      'invalid',
      /not JSON/,
    ],
    [
      'a missing manifest',
      layout(GOOD.filter(({ path }) => !path.endsWith(IMAGE.manifestDescriptor.digest.slice(7)))),
      'not-found',
      /not in the content store/,
    ],
    [
      'a missing configuration',
      layout(GOOD.filter(({ path }) => !path.endsWith(IMAGE.configDigest.slice(7)))),
      'not-found',
      /not in the content store/,
    ],
    [
      'a missing layer',
      layout(
        GOOD.filter(
          ({ path }) => !path.endsWith(digestBytes(IMAGE.layers[1] ?? assert.fail()).slice(7)),
        ),
      ),
      'not-found',
      /not in the content store/,
    ],
    [
      'a manifest that is an index too',
      withManifest((manifest) => ({ ...manifest, manifests: [] })),
      'invalid',
      /index and a manifest at once/,
    ],
    [
      'a manifest announced as an index',
      withManifest((manifest) => ({ ...manifest, mediaType: undefined }), MEDIA_TYPE.ociIndex),
      'invalid',
      /by its fields and something else/,
    ],
    [
      'a manifest that says another type than announced',
      withManifest((manifest) => manifest, MEDIA_TYPE.dockerManifest),
      'invalid',
      /says it is .* but was announced as/,
    ],
    [
      'a manifest of an unknown type',
      withManifest((manifest) => ({ ...manifest, mediaType: undefined }), 'text/plain'),
      'unsupported',
      /media type "text\/plain"/,
    ],
    [
      'a manifest of schema 1',
      withManifest((manifest) => ({ ...manifest, schemaVersion: 1 })),
      'unsupported',
      /schema 1/,
    ],
    [
      'a layer with a negative size',
      withManifest((manifest) => ({
        ...manifest,
        layers: [{ mediaType: MEDIA_TYPE.ociLayer, digest: digestBytes('x'), size: -1 }],
      })),
      'invalid',
      /size is not a count/,
    ],
    [
      'a layer with an md5 digest',
      withManifest((manifest) => ({
        ...manifest,
        layers: [
          {
            mediaType: MEDIA_TYPE.ociLayer,
            digest: 'md5:d41d8cd98f00b204e9800998ecf8427e',
            size: 0,
          },
        ],
      })),
      'invalid',
      /not a digest/,
    ],
    [
      'a layer of another size',
      withManifest((manifest) => ({
        ...manifest,
        layers: (manifest['layers'] as { size: number }[]).map((layer) => ({
          ...layer,
          size: layer.size + 1,
        })),
      })),
      'corrupt',
      /bytes where/,
    ],
    [
      'an artifact',
      withManifest((manifest) => ({
        ...manifest,
        artifactType: 'application/x-chart',
        config: {
          mediaType: 'application/vnd.oci.empty.v1+json',
          digest: IMAGE.configDigest,
          size: IMAGE.config.length,
        },
      })),
      'unsupported',
      /artifact of type "application\/x-chart"/,
    ],
    [
      'a layer that is no file system',
      withManifest((manifest) => ({
        ...manifest,
        layers: (manifest['layers'] as object[]).map((layer) => ({
          ...layer,
          mediaType: 'application/vnd.in-toto+json',
        })),
      })),
      'unsupported',
      /none of a file system layer/,
    ],
    [
      'fewer layers than diff ids',
      withManifest((manifest) => ({ ...manifest, layers: [] })),
      'invalid',
      /0 layers and its configuration 2/,
    ],
    [
      'a configuration without a platform',
      withConfig(({ os: _, ...config }) => config),
      'invalid',
      /has no os/,
    ],
    [
      'a configuration with a wrong diff id',
      withConfig((config) => ({
        ...config,
        rootfs: { type: 'layers', diff_ids: [digestBytes('x'), digestBytes('y')] },
      })),
      'corrupt',
      /diff id of the image configuration/,
    ],
    [
      'a configuration with diff ids in the wrong order',
      withConfig((config) => ({
        ...config,
        rootfs: {
          type: 'layers',
          diff_ids: (config['rootfs'] as { diff_ids: string[] }).diff_ids.toReversed(),
        },
      })),
      'corrupt',
      /diff id/,
    ],
    [
      'a configuration with a root of another type',
      withConfig((config) => ({ ...config, rootfs: { type: 'zip', diff_ids: [] } })),
      'invalid',
      /unknown type "zip"/,
    ],
    [
      'a configuration with a diff id that is a path',
      withConfig((config) => ({
        ...config,
        rootfs: { type: 'layers', diff_ids: ['../../etc', 'x'] },
      })),
      'invalid',
      /is not a digest/,
    ],
    [
      'an environment that is text',
      withConfig((config) => ({ ...config, config: { Env: 'A=1' } })),
      'invalid',
      /Env is not a list/,
    ],
    [
      'a history that is text',
      withConfig((config) => ({ ...config, history: 'long' })),
      'invalid',
      /history is not a list/,
    ],
    [
      'a configuration nested without end',
      withConfig((config) => ({
        ...config,
        x: JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) as unknown,
      })),
      'invalid',
      /nested too deeply/,
    ],
    [
      'a manifest.json that is an object',
      old(() => ({})),
      'invalid',
      /manifest\.json: it is not a list/,
    ],
    ['a manifest.json without images', old(() => []), 'invalid', /lists no image/],
    [
      'a manifest.json with a path out of the archive',
      old(([item]) => [{ ...item, Config: '../../etc/passwd' }]),
      'invalid',
      /leads out/,
    ],
    [
      'a manifest.json with a missing layer',
      old(([item]) => [{ ...item, Layers: ['a', 'b'] }]),
      'invalid',
      /no file "a"/,
    ],
    [
      'a manifest.json with too few layers',
      old(([item]) => [{ ...item, Layers: [] }]),
      'invalid',
      /0 layers/,
    ],
    [
      'a manifest.json with a bad name',
      old(([item]) => [{ ...item, RepoTags: ['../../x'] }]),
      'invalid',
      /invalid reference format/,
    ],
    [
      'a hostile layer',
      encodeTar(
        layoutEntries([
          {
            image: handImage([[{ type: 'file', path: '../../etc/shadow', content: 'x' }]]),
            name: 'app:1',
          },
        ]),
      ),
      'invalid',
      /leads out of its directory/,
    ],
  ];
for (const [what, archive, kind, message] of BAD) {
  test(`loading ${what} is one clear refusal and leaves nothing`, async () => {
    await ImageFixture.withImages(async (fixture) => {
      await fails(fixture.load(archive), kind, message);
      await fixture.images.collect();
      assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
    });
  });
}

test('loading a root file system hints at import', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await assert.rejects(
      fixture.load(encodeTar(BASE)),
      (error) =>
        isEngineError(error) && error.hint === 'It looks like a root file system: use import',
    );
  });
});

test('a load that is cancelled leaves nothing', async () => {
  await ImageFixture.withImages(async (fixture) => {
    const abort = new AbortController();
    async function* slow(): AsyncGenerator<Uint8Array> {
      const archive = layout(GOOD);
      yield archive.subarray(0, 3000);
      abort.abort();
      yield archive.subarray(3000);
    }
    await assert.rejects(fixture.images.load(slow(), { signal: abort.signal }));
    assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
  });
});

test('what is saved is loaded again as the same image, by this engine and by name', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(
      encodeTar(
        layoutEntries([
          { image: IMAGE, name: 'app:1' },
          { image: OTHER, name: 'other:2' },
        ]),
      ),
    );
    fixture.images.tag('app:1', 'quay.io/x/app');
    const archive = await collect(
      fixture.images
        .save(['app:1', 'quay.io/x/app:latest', 'other'])
        .valueOf() as AsyncIterable<Uint8Array>,
    );
    const again = await collect(fixture.images.save(['app:1', 'quay.io/x/app:latest', 'other']));
    assert.ok(archive.equals(again));
    await ImageFixture.withImages(async (second) => {
      const loaded = await second.load(archive);
      assert.deepEqual(
        loaded.map(({ names }) => names),
        [['app:1', 'quay.io/x/app:latest'], ['other:2']],
      );
      assert.deepEqual(second.images.get('app:1').manifest.digest, IMAGE.manifestDescriptor.digest);
      assert.deepEqual(await second.inventory(), { images: 2, layers: 3, blobs: 7 });
    });
  });
});

test('an image saved by its id has no name, one saved by repository has all its tags', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(encodeTar(layoutEntries([{ image: IMAGE, name: 'app:1' }])));
    fixture.images.tag('app:1', 'app:2');
    const namesOf = async (reference: string): Promise<unknown> => {
      const archive = await collect(fixture.images.save([reference]));
      const directory = join(fixture.root, 'saved');
      mkdirSync(directory);
      writeFileSync(join(directory, 'a.tar'), archive);
      execFileSync('tar', ['-C', directory, '-xf', join(directory, 'a.tar')]);
      const items = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as {
        RepoTags: string[] | null;
      }[];
      rmSync(directory, { recursive: true });
      return items.map(({ RepoTags }) => RepoTags);
    };
    assert.deepEqual(await namesOf(IMAGE.configDigest), [null]);
    assert.deepEqual(await namesOf(IMAGE.configDigest.slice(7, 19)), [null]);
    assert.deepEqual(await namesOf('app'), [['app:1', 'app:2']]);
    assert.deepEqual(await namesOf('app:2'), [['app:2']]);
    assert.throws(() => fixture.images.save(['app:1', 'nothing']), /No such image: nothing:latest/);
  });
});

test('saving a damaged image breaks the stream off', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(encodeTar(layoutEntries([{ image: IMAGE, name: 'app:1' }])));
    const layer = join(
      fixture.root,
      'content/blobs/sha256',
      digestBytes(IMAGE.layers[0] ?? assert.fail()).slice(7),
    );
    const bytes = readFileSync(layer);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(layer, bytes);
    await fails(collect(fixture.images.save(['app:1'])), 'corrupt', /stored content is damaged/);
  });
});

test('every blob of an image, damaged in turn, is found when the image is loaded from it', async () => {
  for (const damaged of [IMAGE.manifest, IMAGE.config, ...IMAGE.layers]) {
    await ImageFixture.withImages(async (fixture) => {
      const lease = fixture.content.lease('test');
      for (const blob of [IMAGE.manifest, IMAGE.config, ...IMAGE.layers])
        await fixture.content.putBytes(blob, { lease });
      const path = join(fixture.root, 'content/blobs/sha256', digestBytes(damaged).slice(7));
      const bytes = readFileSync(path);
      bytes[bytes.length - 10] = (bytes.at(-10) ?? 0) ^ 1;
      writeFileSync(path, bytes);
      const add = fixture.images.add({
        target: IMAGE.manifestDescriptor,
        names: ['docker.io/library/app:1'],
        lease,
      });
      await assert.rejects(
        add,
        (error) =>
          isEngineError(error) &&
          error.kind === 'corrupt' &&
          error.hint === 'Pull or load the image again to repair it',
      );
      assert.deepEqual(fixture.images.list(), []);
      // It was taken out, so that the next pull brings it anew.
      assert.equal(existsSync(path), false);
    });
  }
});

test('an image of content that is there is added with names by tag and digest, and layers may come as streams', async () => {
  await ImageFixture.withImages(
    async (fixture) => {
      using lease = fixture.content.lease('pull');
      for (const blob of [IMAGE.manifest, IMAGE.config])
        await fixture.content.putBytes(blob, { lease });
      const asked: number[] = [];
      const image = await fixture.images.add({
        target: IMAGE.manifestDescriptor,
        names: [
          'docker.io/library/app:1',
          `docker.io/library/app@${IMAGE.manifestDescriptor.digest}`,
        ],
        lease,
        layerSource: async (layer, index) => {
          asked.push(index);
          const blob = IMAGE.layers[index] ?? assert.fail();
          assert.equal(layer.digest, digestBytes(blob));
          await fixture.content.putBytes(blob, { lease });
          return index === 0 ? undefined : { kind: 'stream', chunks: chunked(blob, 100) };
        },
      });
      assert.deepEqual(
        asked.toSorted((a, b) => a - b),
        [0, 1],
      );
      assert.equal(fixture.images.get(`app@${IMAGE.manifestDescriptor.digest}`).id, image.id);
      // A tag beside a digest never decides.
      assert.equal(fixture.images.get(`app:other@${IMAGE.manifestDescriptor.digest}`).id, image.id);
      assert.equal(fixture.images.find(`app:1@${digestBytes('another')}`), undefined);
    },
    { worker: WORKER },
  );
});

test('an image whose blob did not arrive is not recorded', async () => {
  await ImageFixture.withImages(async (fixture) => {
    using lease = fixture.content.lease('pull');
    for (const blob of [IMAGE.manifest, IMAGE.config])
      await fixture.content.putBytes(blob, { lease });
    const add = fixture.images.add({
      target: IMAGE.manifestDescriptor,
      names: [],
      lease,
      layerSource: (_, index) =>
        Promise.resolve({ kind: 'stream', chunks: chunked(IMAGE.layers[index] ?? assert.fail()) }),
    });
    await fails(add, 'corrupt', /is not in the content store/);
    assert.deepEqual(fixture.images.list(), []);
  });
});

test('a root file system is imported with its changes', async () => {
  await ImageFixture.withImages(
    async (fixture) => {
      const tar = encodeTar(BASE);
      for (const [wrap, type] of [
        [(bytes: Buffer) => bytes, MEDIA_TYPE.ociLayer],
        [gzipSync, MEDIA_TYPE.ociLayerGzip],
        [zstdCompressSync, MEDIA_TYPE.ociLayerZstd],
      ] as const) {
        const image = await fixture.images.import(chunked(wrap(tar)), {
          reference: 'root',
          message: 'from a test',
          changes: ['CMD ["/bin/sh"]', 'ENV A=1 B="x y"'],
          sourceName: 'base.tar',
        });
        assert.equal(image.layers[0]?.mediaType, type);
        assert.deepEqual(image.config.config, { Cmd: ['/bin/sh'], Env: ['A=1', 'B=x y'] });
        assert.deepEqual(image.config.rootfs.diff_ids, [digestBytes(tar)]);
        assert.equal(image.config.history?.[0]?.comment, 'from a test');
        assert.equal(image.captured['etc/passwd'].kind, 'text');
        assert.equal(fixture.images.get('root:latest').id, image.id);
      }
      assert.equal((await fixture.inventory()).layers, 1);
    },
    { worker: WORKER },
  );
});

test('an import that fails leaves nothing', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fails(
      fixture.images.import(chunked(Buffer.from('x'.repeat(5000))), { changes: [] }),
      'corrupt',
      /checksum/,
    );
    await fails(
      fixture.images.import(chunked(encodeTar([{ type: 'symlink', path: '/', linkPath: '/' }])), {
        changes: [],
      }),
      'invalid',
      /names the root/,
    );
    await fails(
      fixture.images.import(chunked(encodeTar(BASE)), { changes: ['RUN x'] }),
      'invalid',
      /run is not a valid change command/,
    );
    await fails(
      fixture.images.import(chunked(encodeTar(BASE)), { changes: [], reference: 'Bad Name' }),
      'invalid',
      /invalid reference format/,
    );
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield encodeTar(BASE).subarray(0, 700);
      throw new Error('the client went away');
    }
    await assert.rejects(fixture.images.import(failing(), { changes: [] }), /the client went away/);
    assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
  });
});

test('lookups take ids, prefixes and names, in that order', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(
      encodeTar(
        layoutEntries([
          { image: IMAGE, name: 'app:1' },
          { image: OTHER, name: 'other:latest' },
        ]),
      ),
    );
    const { images } = fixture;
    const hex = IMAGE.configDigest.slice(7);
    for (const reference of [
      IMAGE.configDigest,
      hex,
      hex.slice(0, 12),
      `sha256:${hex.slice(0, 5)}`,
      'app:1',
      'docker.io/library/app:1',
      'library/app:1',
      'index.docker.io/library/app:1',
    ]) {
      assert.equal(images.find(reference)?.id, IMAGE.configDigest, reference);
    }
    for (const reference of [
      'app',
      'app:2',
      'user/app:1',
      'sha256:',
      '',
      'APP:1',
      digestBytes('x'),
      '../app',
    ])
      assert.equal(images.find(reference), undefined, reference);
    images.tag('other:latest', hex.slice(0, 6));
    assert.equal(images.find(hex.slice(0, 6))?.id, OTHER.configDigest);
    assert.throws(() => images.get('nothing'), /^EngineError: No such image: nothing:latest$/);
    assert.throws(() => images.get('abc'), /^EngineError: No such image: abc:latest$/);
    for (const wrong of ['a b', 'UPPER', 'a:b:c', 'a@b'])
      assert.throws(() => images.get(wrong), /^EngineError: invalid reference format/, wrong);
    assert.throws(() => images.tag('app:1', `x@${IMAGE.configDigest}`), /digest reference/);
    assert.throws(() => images.tag('nothing', 'x'), /No such image/);
  });
});

test('a tag moves from one image to another and the first becomes dangling', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(
      encodeTar(
        layoutEntries([
          { image: IMAGE, name: 'app:1' },
          { image: OTHER, name: 'other:1' },
        ]),
      ),
    );
    fixture.images.tag('other:1', 'app:1');
    assert.deepEqual(fixture.images.get(IMAGE.configDigest).tags, []);
    assert.deepEqual(fixture.images.get('app:1').tags, [
      'docker.io/library/app:1',
      'docker.io/library/other:1',
    ]);
    const pruned = await fixture.images.prune({ danglingOnly: true, users: () => [] });
    assert.deepEqual(
      pruned.removals.filter(({ kind }) => kind === 'deleted'),
      [{ kind: 'deleted', id: IMAGE.configDigest }],
    );
    assert.ok(pruned.reclaimedBytes > 1000);
    assert.deepEqual(await fixture.inventory(), { images: 1, layers: 2, blobs: 4 });
  });
});

test('removing the last name removes the image, its own layers and its content', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(
      encodeTar(
        layoutEntries([
          { image: IMAGE, name: 'app:1' },
          { image: OTHER, name: 'other:1' },
        ]),
      ),
    );
    fixture.images.tag('app:1', 'app:2');
    assert.deepEqual(await fixture.images.remove('app:1', NOBODY), [
      { kind: 'untagged', name: 'docker.io/library/app:1', id: IMAGE.configDigest },
    ]);
    const removals = await fixture.images.remove('app:2', NOBODY);
    assert.deepEqual(
      removals.map(({ kind }) => kind),
      ['untagged', 'deleted', 'layer'],
    );
    assert.deepEqual(await fixture.inventory(), { images: 1, layers: 2, blobs: 4 });
    await fixture.images.remove(OTHER.configDigest, NOBODY);
    assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
    await fails(fixture.images.remove('app:1', NOBODY), 'not-found', /No such image: app:1/);
  });
});

test('layers under a container stay until it is gone, and are collected then', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(encodeTar(layoutEntries([{ image: IMAGE, name: 'app:1' }])));
    const top = fixture.images.get('app:1').chain.at(-1);
    fixture.store.prepare('container', top);
    const users = (): readonly ImageUser[] => [{ containerId: 'c'.repeat(64), isRunning: false }];
    await fails(fixture.images.remove('app:1', { ...NOBODY, users }), 'conflict', /must force/);
    await fixture.images.remove('app:1', { ...NOBODY, force: true, users });
    assert.deepEqual(await fixture.inventory(), { images: 0, layers: 2, blobs: 0 });
    await fixture.store.removeSnapshot('container');
    assert.equal((await fixture.images.collect()).removals.length, 2);
    assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
  });
});

test('a collection during a load takes nothing of it', async () => {
  await ImageFixture.withImages(async (fixture) => {
    async function* collecting(): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunked(layout(GOOD), 3000)) {
        yield chunk;
        await fixture.images.collect();
      }
    }
    await Promise.all([
      fixture.images.load(collecting()),
      fixture.images.collect(),
      fixture.images.collect(),
    ]);
    assert.deepEqual(await fixture.inventory(), { images: 1, layers: 2, blobs: 4 });
  });
});

test('an image whose layers a power cut took is unpacked again, a damaged one is taken out and told', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(
      encodeTar(
        layoutEntries([
          { image: IMAGE, name: 'app:1' },
          { image: OTHER, name: 'other:1' },
        ]),
      ),
    );
    for (const { chainId } of fixture.store.listLayers().toReversed())
      await fixture.store.removeLayer(chainId);
    unlinkSync(
      join(
        fixture.root,
        'content/blobs/sha256',
        digestBytes(OTHER.layers[1] ?? assert.fail()).slice(7),
      ),
    );
    const images = await fixture.open();
    assert.deepEqual(
      images.list().map(({ id }) => id),
      [IMAGE.configDigest],
    );
    assert.ok(
      fixture.store.findLayer(images.get('app:1').chain.at(-1) ?? assert.fail()) !== undefined,
    );
    assert.equal(fixture.broken.length, 1);
  });
});

test('history tells steps with their sizes and the images that end with them', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(encodeTar(layoutEntries([{ image: IMAGE, name: 'app:1' }])));
    const upper = join(fixture.root, 'upper');
    mkdirSync(upper);
    writeFileSync(join(upper, 'new'), 'abc');
    const image = await fixture.images.commit({
      parent: IMAGE.configDigest,
      upper,
      exclude: [],
      changes: [],
      reference: 'mine',
      createdBy: '/bin/sh',
      message: 'why',
    });
    const steps = fixture.images.history('mine');
    assert.deepEqual(
      steps.map(({ created_by, sizeBytes, image: end }) => [created_by, sizeBytes, end?.id]),
      [
        ['step 0', 49, undefined],
        ['step 1', 1000, IMAGE.configDigest],
        ['/bin/sh', 3, image.id],
      ],
    );
    await fails(
      fixture.images.remove(IMAGE.configDigest, NOBODY),
      'conflict',
      /image has dependent child images/,
    );
    // By name it loses the name only.
    assert.deepEqual(
      (await fixture.images.remove('app:1', NOBODY)).map(({ kind }) => kind),
      ['untagged'],
    );
    const removals = await fixture.images.remove('mine', NOBODY);
    assert.deepEqual(removals.filter(({ kind }) => kind === 'deleted').length, 2);
    assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
  });
});

/** Change a tree through a real overlay, as a container does. */
function changeThroughOverlay(
  fixture: ImageFixture,
  script: string,
): {
  readonly upper: string;
  readonly lower: readonly string[];
  readonly merged: readonly string[];
} {
  const top = fixture.images.get('app:1').chain.at(-1);
  const { upper, work, lower } = fixture.store.prepare('container', top);
  const merged = join(fixture.root, 'merged');
  const shown = join(fixture.root, 'shown');
  for (const directory of [merged, shown]) mkdirSync(directory);
  const command = `mount -t overlay overlay -o lowerdir=${lower.join(':')},upperdir=${upper},workdir=${work},redirect_dir=off,metacopy=off,index=off "$1" && cd "$1" && ${script} && cp -a . "$2"`;
  execFileSync('unshare', ['-m', 'sh', '-ec', command, 'sh', merged, shown]);
  return { upper, lower, merged: describeTree(shown) };
}

const SCRIPT = [
  'rm etc/passwd',
  'echo more >> bin/sh',
  'mkdir -p a/b',
  'echo new > a/b/new',
  'ln a/b/new a/hard',
  'ln -s /etc/passwd a/link',
  'mknod a/null c 1 3',
  'mkfifo a/fifo',
  'rm -r etc && mkdir etc && echo x > etc/fresh',
  'setfattr -n user.k -v v a/b/new',
  'setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 bin/sh',
  'chmod 2750 a/b && chown 1000:1000 a/b',
  'touch -d 2020-01-02T03:04:05 a/b/new a/b a etc/fresh etc bin/sh bin a/fifo a/null app',
  'touch -h -d 2020-01-02T03:04:05 a/link',
].join(' && ');

test('what a container changed is committed, and shown again exactly', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(encodeTar(layoutEntries([{ image: IMAGE, name: 'app:1' }])));
    const { upper, merged } = changeThroughOverlay(fixture, SCRIPT);
    const image = await fixture.images.commit({
      parent: IMAGE.configDigest,
      upper,
      exclude: [],
      changes: ['WORKDIR sub', 'LABEL a=b'],
      reference: 'mine',
      author: 'me',
    });
    assert.deepEqual(
      [image.config.author, image.config.config?.WorkingDir, image.config.config?.Labels],
      ['me', '/sub', { k: 'v', a: 'b' }],
    );
    assert.deepEqual(image.captured, {
      'etc/passwd': { kind: 'absent' },
      'etc/group': { kind: 'absent' },
    });
    const view = fixture.store.view(image.chain.at(-1));
    const shown = join(fixture.root, 'again');
    const mountPoint = join(fixture.root, 'mount-point');
    for (const directory of [shown, mountPoint]) mkdirSync(directory);
    execFileSync('unshare', [
      '-m',
      'sh',
      '-ec',
      `mount -t overlay overlay -o ro,lowerdir=${view.lower.join(':')} "$1" && cp -a "$1"/. "$2"`,
      'sh',
      mountPoint,
      shown,
    ]);
    view.release();
    assert.deepEqual(
      describeTree(shown).filter((line) => !line.startsWith('\t')),
      merged.filter((line) => !line.startsWith('\t')),
    );
    assert.match(describeXattrs(shown), /user\.k=0x76/);
    assert.match(describeXattrs(shown), /security\.capability/);
  });
});

test('a commit of the same changes gives the same layer', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(encodeTar(layoutEntries([{ image: IMAGE, name: 'app:1' }])));
    const { upper } = changeThroughOverlay(fixture, SCRIPT);
    const commit = async (): Promise<Digest | undefined> =>
      (
        await fixture.images.commit({ parent: IMAGE.configDigest, upper, exclude: [], changes: [] })
      ).config.rootfs.diff_ids.at(-1);
    assert.equal(await commit(), await commit());
  });
});

test('mount points that the engine made are left out of a commit', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(encodeTar(layoutEntries([{ image: IMAGE, name: 'app:1' }])));
    const { upper } = changeThroughOverlay(fixture, 'mkdir -p data/sub && touch etc/hosts kept');
    const image = await fixture.images.commit({
      parent: IMAGE.configDigest,
      upper,
      exclude: ['data', 'etc/hosts'],
      changes: [],
    });
    const layer = fixture.store.findLayer(image.chain.at(-1) ?? assert.fail());
    assert.deepEqual(readdirSync(layer?.directory ?? ''), ['etc', 'kept']);
    assert.deepEqual(readdirSync(join(layer?.directory ?? '', 'etc')), []);
  });
});

test('changes are listed as diff shows them', async () => {
  await ImageFixture.withImages(async (fixture) => {
    const { listChanges } = await import('../../src/layers/diff.ts');
    await fixture.load(encodeTar(layoutEntries([{ image: IMAGE, name: 'app:1' }])));
    const { upper, lower } = changeThroughOverlay(
      fixture,
      'rm etc/passwd && echo x > etc/new && echo y >> app && mkdir d && touch d/e',
    );
    const walk = await new ChiselWalker(CHISEL).open({ directories: [upper], below: lower });
    try {
      assert.deepEqual(
        listChanges(walk.entries, new Set()).map(({ path, kind }) => `${kind} ${path}`),
        [
          'modified /app',
          'added /d',
          'added /d/e',
          'modified /etc',
          'added /etc/new',
          'deleted /etc/passwd',
        ],
      );
    } finally {
      await walk.close();
    }
  });
});

test('the whole root of a container is exported as its overlay shows it', async () => {
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(encodeTar(layoutEntries([{ image: IMAGE, name: 'app:1' }])));
    const { upper, lower, merged } = changeThroughOverlay(fixture, SCRIPT);
    const walk = await new ChiselWalker(CHISEL).open({ directories: [upper, ...lower], below: [] });
    const archive = await collect(writeTar(planTar(walk.entries, { exclude: new Set() }), walk));
    await walk.close();
    const shown = join(fixture.root, 'exported');
    mkdirSync(shown);
    writeFileSync(join(fixture.root, 'export.tar'), archive);
    execFileSync('tar', [
      '-C',
      shown,
      '-xpf',
      join(fixture.root, 'export.tar'),
      '--numeric-owner',
      '--xattrs',
      '--xattrs-include=*',
    ]);
    const wholeSeconds = (lines: readonly string[]): readonly string[] =>
      lines
        .filter((line) => !line.startsWith('\t'))
        .map((line) => line.replace(/\.\d{10}\t/, '\t'));
    assert.deepEqual(wholeSeconds(describeTree(shown)), wholeSeconds(merged));
  });
});

test('a writable directory is measured with hard links once', async () => {
  await ImageFixture.withImages(async (fixture) => {
    const directory = join(fixture.root, 'upper');
    mkdirSync(join(directory, 'a'), { recursive: true });
    writeFileSync(join(directory, 'a/f'), 'x'.repeat(1000));
    execFileSync('ln', [join(directory, 'a/f'), join(directory, 'g')]);
    symlinkSync('/etc', join(directory, 'l'));
    assert.deepEqual(await new ChiselWalker(CHISEL).measure(directory), {
      sizeBytes: 1000,
      entries: 4,
    });
    await fails(
      new ChiselWalker(CHISEL).measure(join(fixture.root, 'nothing')),
      'not-found',
      /Cannot read tree/,
    );
  });
});

test('a tree that changes while it is read gives an archive of the announced sizes', async () => {
  await ImageFixture.withImages(async (fixture) => {
    const directory = join(fixture.root, 'upper');
    mkdirSync(directory);
    for (const name of ['shorter', 'longer', 'gone', 'pipe', 'link'])
      writeFileSync(join(directory, name), 'x'.repeat(2000));
    utimesSync(directory, 1, 1);
    const walk = await new ChiselWalker(CHISEL).open({ directories: [directory], below: [] });
    writeFileSync(join(directory, 'shorter'), 'y');
    writeFileSync(join(directory, 'longer'), 'y'.repeat(5000));
    rmSync(join(directory, 'gone'));
    rmSync(join(directory, 'pipe'));
    execFileSync('mkfifo', [join(directory, 'pipe')]);
    rmSync(join(directory, 'link'));
    symlinkSync('/etc/shadow', join(directory, 'link'));
    const archive = await collect(writeTar(planTar(walk.entries, { exclude: new Set() }), walk));
    await walk.close();
    const [layer] = await fixture.unpack(archive);
    const read = (name: string): Buffer => readFileSync(join(layer?.directory ?? '', name));
    assert.deepEqual(
      [
        read('longer').toString(),
        read('shorter')[0],
        read('shorter')
          .subarray(1)
          .every((byte) => byte === 0),
      ],
      ['y'.repeat(2000), 0x79, true],
    );
    for (const name of ['gone', 'pipe', 'link'])
      assert.ok(read(name).equals(Buffer.alloc(2000)), name);
    assert.equal(statSync(join(layer?.directory ?? '', 'link')).size, 2000);
  });
});

test('a tree of any depth and breadth is removed, and nothing a link in it points at', async () => {
  await ImageFixture.withImages(async (fixture) => {
    const canary = join(fixture.root, 'canary');
    const tree = join(fixture.root, 'tree');
    mkdirSync(canary);
    writeFileSync(join(canary, 'secret'), 'mine');
    mkdirSync(join(tree, 'd'.repeat(200), 'e'.repeat(200)), { recursive: true });
    // Deeper than any path can say.
    const dig = 'chdir shift; for (1..3000) { mkdir "d"; chdir "d"; open F, ">", "f" }';
    execFileSync('perl', ['-e', dig, tree]);
    for (let i = 0; i < 3000; i++) writeFileSync(join(tree, `f${i}`), '');
    for (const name of ['0', '1', 'a']) mkdirSync(join(tree, name));
    writeFileSync(join(tree, '1', 'x'), '');
    symlinkSync(canary, join(tree, 'link'));
    symlinkSync(canary, join(tree, '1', 'link'));
    execFileSync('mkfifo', [join(tree, '1', 'fifo')]);
    execFileSync('chmod', ['000', join(tree, '1'), join(tree, 'a')]);
    await new ChiselWalker(CHISEL).remove(tree);
    assert.equal(existsSync(tree), false);
    assert.deepEqual(readdirSync(canary), ['secret']);
    await fails(new ChiselWalker(CHISEL).remove(tree), 'not-found', /Cannot read tree/);
    symlinkSync(canary, tree);
    await assert.rejects(new ChiselWalker(CHISEL).remove(tree));
    assert.deepEqual(readdirSync(canary), ['secret']);
  });
});
