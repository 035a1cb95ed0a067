/**
 * Images where something outside is wrong: a disk that is full or read-only, a
 * registry that is down or refuses, a platform that nobody has. One sentence
 * that names the cause, nothing half-made, and all is well once it is put right.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statfsSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ErrorKind, isEngineError } from '../../src/base/error.ts';
import { pushImage } from '../../src/images/push/push.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { parseReference } from '../../src/spec/reference.ts';
import { answer, ScriptedRegistry, type Script } from '../fakes/scripted-registry.ts';
import {
  chunked,
  handImage,
  ImageFixture,
  layoutEntries,
  rawImage,
} from '../kernel/image-fixture.ts';
import { PullRig, serveImage } from '../kernel/pull-rig.ts';
import { until } from './daemon-fixture.ts';

const MIB = 1024 * 1024;
const LARGE_TAR = encodeTar([{ type: 'file', path: 'noise', content: randomBytes(6 * MIB) }]);
const LARGE = rawImage([LARGE_TAR]);
const SMALL = handImage([[{ type: 'file', path: 'f', content: 'x' }]]);

async function fails(work: Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isEngineError(error), error instanceof Error ? error.stack : String(error));
    assert.match(error.message, message);
    assert.match(error.message, /^\P{Cc}+$/u);
    assert.equal(error.kind, kind, error.message);
    return true;
  });
}

/** A store with all it has in a file system of its own. */
async function onDisk(
  sizeBytes: number,
  body: (fixture: ImageFixture, disk: string) => Promise<void>,
): Promise<void> {
  const disk = mkdtempSync(join(tmpdir(), 'carve-disk-'));
  const before = process.env['TMPDIR'];
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', disk]);
  try {
    process.env['TMPDIR'] = disk;
    const fixture = new ImageFixture();
    try {
      await fixture.open();
      await body(fixture, disk);
    } finally {
      await fixture.dispose();
    }
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    execFileSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true, force: true });
  }
}

type Way = (fixture: ImageFixture, image: typeof LARGE, tar: Buffer) => Promise<unknown>;

const WAYS: readonly (readonly [name: string, take: Way])[] = [
  [
    'load',
    async (fixture, image) => fixture.load(encodeTar(layoutEntries([{ image, name: 'a:1' }]))),
  ],
  ['import', async (fixture, _, tar) => fixture.images.import(chunked(tar), { changes: [] })],
  [
    'pull',
    async (fixture, image) => {
      await using registry = await ScriptedRegistry.start();
      serveImage(registry, '1', image);
      using rig = new PullRig(fixture);
      return await rig.pull(`${registry.host}/app:1`);
    },
  ],
];

for (const [name, take] of WAYS) {
  for (const [what, sizeBytes] of [
    ['the blob', 4 * MIB],
    ['the layer', 9 * MIB],
  ] as const) {
    test(`${name}: a disk too small for ${what} is one sentence, and has room again`, async () => {
      await onDisk(sizeBytes, async (fixture, disk) => {
        const free = statfsSync(disk).bavail;
        await fails(take(fixture, LARGE, LARGE_TAR), 'exhausted', /no space is left on the disk/);
        assert.deepEqual(fixture.images.list(), []);
        await fixture.images.collect();
        assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
        // What was unpacked is deleted behind the answer.
        await until('its room is free', () => {
          const { bavail, bsize } = statfsSync(disk);
          return (free - bavail) * bsize < MIB / 2;
        });
        await take(fixture, SMALL, SMALL.tars[0] ?? assert.fail());
        assert.equal(fixture.images.list().length, 1);
      });
    });
  }

  test(`${name}: a read-only disk is one sentence, and works when it can be written again`, async () => {
    await ImageFixture.withImages(async (fixture) => {
      const places = ['content', 'store'].map((place) => join(fixture.root, place));
      const [tar = assert.fail()] = SMALL.tars;
      try {
        for (const place of places) {
          execFileSync('mount', ['--bind', place, place]);
          execFileSync('mount', ['-o', 'remount,bind,ro', place]);
        }
        await fails(take(fixture, SMALL, tar), 'denied', /read-only/);
        assert.deepEqual(fixture.images.list(), []);
      } finally {
        for (const place of places) execFileSync('umount', ['-l', place]);
      }
      await take(fixture, SMALL, tar);
      assert.equal(fixture.images.list().length, 1);
    });
  });
}

test('pull and push: a registry that is down, or whose name nobody knows, is named', async () => {
  const gone = await ScriptedRegistry.start();
  const { host } = gone;
  gone.stop();
  await ImageFixture.withImages(async (fixture) => {
    const [loaded] = await fixture.load(encodeTar(layoutEntries([{ image: SMALL, name: 'a:1' }])));
    assert.ok(loaded !== undefined);
    using rig = new PullRig(fixture);
    const push = async (name: string): Promise<unknown> =>
      pushImage(
        { content: fixture.content, access: rig.access },
        {
          image: loaded.image,
          reference: { ...parseReference(name), tag: '1' },
          credentials: undefined,
        },
      );
    for (const ask of [async (name: string) => rig.pull(name), push]) {
      await fails(
        ask(`${host}/app:1`),
        'unavailable',
        /Cannot reach 127\.0\.0\.1:\d+: the connection was refused/,
      );
      await fails(
        ask('registry.invalid/app:1'),
        'unavailable',
        /Cannot reach registry\.invalid: the name (?:does not exist|cannot be resolved now)/,
      );
    }
    assert.equal(fixture.images.list().length, 1);
  });
});

test('pull and load: a platform that nobody has is named, with what there is', async () => {
  const platform = { os: 'linux', architecture: 's390x' };
  await using registry = await ScriptedRegistry.start();
  serveImage(registry, '1', SMALL);
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    const pull = rig.pull(`${registry.host}/app:1`, { platform });
    await fails(pull, 'not-found', /linux\/s390x.*linux\/amd64/);
    const archive = encodeTar(layoutEntries([{ image: SMALL, name: 'a:1' }]));
    await fails(fixture.load(archive, { platform }), 'not-found', /linux\/s390x/);
    await fixture.images.collect();
    assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
  });
});

const isUpload = (path: string): boolean => path.includes('/blobs/uploads/');
const problem = (status: number, code: string): ReturnType<typeof answer> =>
  answer(status, {}, JSON.stringify({ errors: [{ code, message: `a word of ${code}` }] }));

const PUSHES: readonly (readonly [
  name: string,
  script: Script,
  kind: ErrorKind,
  message: RegExp,
])[] = [
  ['401 without a word how', () => answer(401), 'unauthorized', /user name and a password/],
  [
    '403',
    ({ path }) => (isUpload(path) ? problem(403, 'DENIED') : undefined),
    'denied',
    /a word of DENIED/,
  ],
  [
    '404 for the repository',
    ({ path }) => (isUpload(path) ? problem(404, 'NAME_UNKNOWN') : undefined),
    'not-found',
    /NAME_UNKNOWN/,
  ],
  [
    '429 for ever',
    ({ path }) => (isUpload(path) ? problem(429, 'TOOMANYREQUESTS') : undefined),
    'unavailable',
    /TOOMANYREQUESTS/,
  ],
  [
    '500 for ever',
    ({ path }) => (isUpload(path) ? answer(500) : undefined),
    'unavailable',
    /status 500/,
  ],
  [
    '507, its own disk full',
    ({ path }) => (isUpload(path) ? problem(507, 'UNKNOWN') : undefined),
    'unavailable',
    /a word of UNKNOWN/,
  ],
  [
    'an upload without a place',
    ({ path }) => (isUpload(path) ? answer(202) : undefined),
    'unavailable',
    /gave no upload location/,
  ],
  [
    'a digest it does not believe',
    ({ method, path }) => {
      if (!isUpload(path)) return undefined;
      return method === 'POST' ? answer(202, { Location: path }) : problem(400, 'DIGEST_INVALID');
    },
    'invalid',
    /DIGEST_INVALID/,
  ],
  [
    'a manifest it does not like',
    ({ method, path }) => {
      if (method === 'HEAD') return answer(200);
      return path.includes('/manifests/') ? problem(400, 'MANIFEST_INVALID') : undefined;
    },
    'invalid',
    /MANIFEST_INVALID/,
  ],
  [
    'a redirect of an upload',
    ({ path }) => (isUpload(path) ? answer(302, { Location: '/elsewhere' }) : undefined),
    'unavailable',
    /redirects a write/,
  ],
];
for (const [name, script, kind, message] of PUSHES) {
  test(`push: ${name} is one sentence`, async () => {
    await using registry = await ScriptedRegistry.start();
    registry.script = (asked) => (asked.path === '/v2/' ? undefined : script(asked));
    await ImageFixture.withImages(async (fixture) => {
      const [loaded] = await fixture.load(
        encodeTar(layoutEntries([{ image: SMALL, name: 'a:1' }])),
      );
      assert.ok(loaded !== undefined);
      using rig = new PullRig(fixture);
      const reference = { ...parseReference(`${registry.host}/app`), tag: '1' };
      const parts = { content: fixture.content, access: rig.access };
      await fails(
        pushImage(parts, { image: loaded.image, reference, credentials: undefined }),
        kind,
        message,
      );
    });
  });
}

test('push: a blob that is damaged on the disk is not sent as if it were whole', async () => {
  await using registry = await ScriptedRegistry.start();
  registry.script = ({ method, path }) => {
    if (method === 'HEAD') return answer(404);
    if (method === 'POST') return answer(202, { Location: path });
    return path === '/v2/' ? undefined : answer(201);
  };
  await ImageFixture.withImages(async (fixture) => {
    const [loaded] = await fixture.load(encodeTar(layoutEntries([{ image: SMALL, name: 'a:1' }])));
    assert.ok(loaded !== undefined);
    const [layer] = loaded.image.layers;
    assert.ok(layer !== undefined);
    const place = await fixture.content.locate(layer.digest);
    truncateSync(place.path, layer.size - 1);
    using rig = new PullRig(fixture);
    const reference = { ...parseReference(`${registry.host}/app`), tag: '1' };
    const parts = { content: fixture.content, access: rig.access };
    await fails(
      pushImage(parts, { image: loaded.image, reference, credentials: undefined }),
      'corrupt',
      /sha256:/,
    );
    assert.ok(!registry.requests.some(({ path }) => path.includes('/manifests/')));
  });
});
