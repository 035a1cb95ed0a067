/**
 * A registry that lies, stalls, breaks or refuses, row by row: one clear
 * sentence, never a broken image in the list, and once the registry is honest
 * the same pull succeeds, with what came before or without it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type http from 'node:http';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type ErrorKind, isEngineError } from '../../src/base/error.ts';
import { pullImage } from '../../src/images/pull/pull.ts';
import { createRegistryAccess } from '../../src/images/registry/access.ts';
import { parseRegistryConfig } from '../../src/images/registry/config.ts';
import { createTransport } from '../../src/images/registry/transport.ts';
import type { ImageRecord } from '../../src/images/store.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { MEDIA_TYPE } from '../../src/spec/media-type.ts';
import { parseReference } from '../../src/spec/reference.ts';
import { answer, ScriptedRegistry, type Script, sha256 } from '../fakes/scripted-registry.ts';
import { type HandImage, ImageFixture, rawImage } from '../kernel/image-fixture.ts';

const MIB = 1024 * 1024;
/** Bytes of a layer that come before a break. */
const CUT = 100_000;
const HOST = { os: 'linux', architecture: 'amd64' } as const;
const IMAGE = rawImage([
  encodeTar([{ type: 'file', path: 'noise', content: randomBytes(3 * CUT), mode: 0o644 }]),
]);
const [LAYER = Buffer.alloc(0)] = IMAGE.layers;
const { mediaType: MANIFEST_TYPE } = IMAGE.manifestDescriptor;

type Answering = (response: http.ServerResponse) => void;

const isManifest = (path: string): boolean => path.includes('/manifests/');
const isLayer = (path: string): boolean => path.endsWith(`/blobs/${sha256(LAYER)}`);
const isConfig = (path: string): boolean => path.endsWith(`/blobs/${IMAGE.configDigest}`);

/** Answers like `answering` wherever `fits` says, every time or only the first so many. */
function always(fits: (path: string) => boolean, answering: Answering, times = Infinity): Script {
  return ({ path, count }) => (fits(path) && count <= times ? answering : undefined);
}

const reset: Answering = (response) => void response.socket?.resetAndDestroy();
const cut =
  (bytes: Buffer, at: number, headers: http.OutgoingHttpHeaders = {}): Answering =>
  (response) => {
    response.writeHead(200, { 'Content-Length': bytes.length, ...headers });
    // An end, not a reset: that would take with it what was not read yet.
    response.write(bytes.subarray(0, at), () => response.socket?.end());
  };
const stall =
  (bytes: Buffer, at: number): Answering =>
  (response) => {
    response.writeHead(200, { 'Content-Length': bytes.length });
    response.write(bytes.subarray(0, at));
  };
const silent: Answering = () => undefined;
const endless: Answering = (response) => {
  response.writeHead(200, { 'Content-Type': MANIFEST_TYPE });
  const more = (): void => {
    while (response.write(Buffer.alloc(65_536, 32)));
  };
  response.on('drain', more);
  more();
};
const document = (value: object | string, type: string = MANIFEST_TYPE): Answering =>
  answer(200, { 'Content-Type': type }, typeof value === 'string' ? value : JSON.stringify(value));
const problem = (status: number, code: string, headers = {}): Answering =>
  answer(status, headers, JSON.stringify({ errors: [{ code, message: `a word of ${code}` }] }));
const changed = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes);
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
  return copy;
};

const MANIFEST = JSON.parse(IMAGE.manifest.toString()) as {
  readonly config: object;
  readonly layers: readonly object[];
};
const INDEX = MEDIA_TYPE.ociIndex;
const entryOf = (more: object): object => ({
  ...IMAGE.manifestDescriptor,
  platform: { os: 'linux', architecture: 'amd64' },
  ...more,
});
const index = (...manifests: readonly object[]): object => ({ schemaVersion: 2, manifests });

type Row = readonly [name: string, script: Script, kind: ErrorKind, message: RegExp];

const MANIFEST_ROWS: readonly Row[] = [
  [
    'a digest header that lies',
    always(
      isManifest,
      answer(
        200,
        { 'Docker-Content-Digest': `sha256:${'0'.repeat(64)}`, 'Content-Type': MANIFEST_TYPE },
        IMAGE.manifest,
      ),
    ),
    'corrupt',
    /sent a manifest with digest sha256:\w+ instead of sha256:0+/,
  ],
  [
    'a manifest that is cut',
    always(isManifest, cut(IMAGE.manifest, 40, { 'Content-Type': MANIFEST_TYPE })),
    'unavailable',
    /Cannot read the manifest of /,
  ],
  ['a manifest that never comes', always(isManifest, silent), 'unavailable', /timed out/],
  [
    'a manifest that stalls',
    always(isManifest, stall(IMAGE.manifest, 40)),
    'unavailable',
    /nothing came for/,
  ],
  [
    'connections that are reset',
    always(isManifest, reset),
    'unavailable',
    /the connection was reset/,
  ],
  [
    'a manifest of 5 MiB',
    always(isManifest, document(' '.repeat(5 * MIB))),
    'exhausted',
    /larger than 4194304 bytes/,
  ],
  ['a manifest without end', always(isManifest, endless), 'exhausted', /larger than 4194304 bytes/],
  [
    '429 for ever',
    always(isManifest, problem(429, 'TOOMANYREQUESTS', { 'Retry-After': '7' })),
    'unavailable',
    /a word of TOOMANYREQUESTS/,
  ],
  ['500 for ever', always(isManifest, answer(500)), 'unavailable', /answered status 500/],
  [
    '502 with a page of HTML',
    always(isManifest, answer(502, {}, '<html>Bad gateway</html>')),
    'unavailable',
    /answered status 502/,
  ],
  ['503 for ever', always(isManifest, answer(503)), 'unavailable', /answered status 503/],
  ['501', always(isManifest, answer(501)), 'unavailable', /answered status 501/],
  [
    'not found',
    always(isManifest, problem(404, 'MANIFEST_UNKNOWN')),
    'not-found',
    /a word of MANIFEST_UNKNOWN/,
  ],
  ['forbidden', always(isManifest, problem(403, 'DENIED')), 'denied', /a word of DENIED/],
  [
    '401 without a word how',
    always(isManifest, answer(401)),
    'unauthorized',
    /user name and a password/,
  ],
  ['a teapot', always(isManifest, answer(418)), 'invalid', /status 418/],
  [
    'an error with control characters',
    always(isManifest, problem(400, 'BAD\u001b[2J\r\nX')),
    'invalid',
    /a word of/,
  ],
  [
    'redirects in a circle',
    ({ path }) => (isManifest(path) ? answer(307, { Location: path }) : undefined),
    'unavailable',
    /redirects more than 8 times/,
  ],
  [
    'a redirect to a file',
    always(isManifest, answer(302, { Location: 'file:///etc/passwd' })),
    'unavailable',
    /redirects to nowhere/,
  ],
  [
    'a redirect to gopher',
    always(isManifest, answer(302, { Location: 'gopher://127.0.0.1/' })),
    'unavailable',
    /redirects to nowhere/,
  ],
  ['a redirect without a place', always(isManifest, answer(302)), 'unavailable', /redirects/],
  [
    'a redirect with a password',
    always(isManifest, answer(302, { Location: 'http://a:b@127.0.0.1/' })),
    'unavailable',
    /an address with credentials/,
  ],
  [
    'a redirect to the cloud’s metadata',
    always(isManifest, answer(302, { Location: 'http://169.254.169.254/x' })),
    'denied',
    /may not send carve to 169\.254\.169\.254/,
  ],
  [
    'a redirect to metadata, as a number',
    always(isManifest, answer(302, { Location: 'http://2852039166/x' })),
    'denied',
    /may not send carve to 169\.254\.169\.254/,
  ],
  [
    'no HTTP at all',
    always(isManifest, (response) => void response.socket?.end('SSH-2.0-OpenSSH\r\n')),
    'unavailable',
    /Cannot reach/,
  ],
  ['HTML with 200', always(isManifest, document('<html>', 'text/html')), 'invalid', /not JSON/],
  [
    'a manifest as text',
    always(isManifest, document(MANIFEST, 'text/plain')),
    'unsupported',
    /media type "text\/plain"/,
  ],
  ['JSON that is a list', always(isManifest, document('[]')), 'invalid', /not an object/],
  ['an empty object', always(isManifest, document({})), 'invalid', /no schemaVersion 2/],
  [
    'schema 1',
    always(
      isManifest,
      document(
        { schemaVersion: 1, fsLayers: [] },
        'application/vnd.docker.distribution.manifest.v1+prettyjws',
      ),
    ),
    'unsupported',
    /media type/,
  ],
  [
    'schema 1 under another name',
    always(isManifest, document({ schemaVersion: 1, layers: [] })),
    'unsupported',
    /schema 1/,
  ],
  ['a number for a manifest', always(isManifest, document('7')), 'invalid', /not an object/],
  [
    'layers that are text',
    always(isManifest, document({ schemaVersion: 2, config: MANIFEST.config, layers: 'x' })),
    'invalid',
    /layers is not a list/,
  ],
  [
    'a digest that is a path',
    always(
      isManifest,
      document({
        schemaVersion: 2,
        config: { ...MANIFEST.config, digest: 'sha256:../../../etc/passwd' },
        layers: [],
      }),
    ),
    'invalid',
    /not a digest/,
  ],
  [
    'an md5 digest',
    always(
      isManifest,
      document({
        schemaVersion: 2,
        config: { ...MANIFEST.config, digest: 'md5:d41d8cd98f00b204e9800998ecf8427e' },
        layers: [],
      }),
    ),
    'invalid',
    /not a digest/,
  ],
  [
    'a size below zero',
    always(
      isManifest,
      document({ schemaVersion: 2, config: { ...MANIFEST.config, size: -1 }, layers: [] }),
    ),
    'invalid',
    /not a count of bytes/,
  ],
  [
    'an artifact',
    always(
      isManifest,
      document({
        schemaVersion: 2,
        artifactType: 'x/chart',
        config: { ...MANIFEST.config, mediaType: 'application/vnd.oci.empty.v1+json' },
        layers: [],
      }),
    ),
    'unsupported',
    /artifact of type "x\/chart"/,
  ],
  [
    'a layer that is none',
    always(
      isManifest,
      document({
        ...MANIFEST,
        schemaVersion: 2,
        layers: [{ ...MANIFEST.layers[0], mediaType: 'x/y' }],
      }),
    ),
    'unsupported',
    /none of a file system layer/,
  ],
  [
    'an index without an image for here',
    always(
      isManifest,
      document(index(entryOf({ platform: { os: 'plan9', architecture: 'mips' } })), INDEX),
    ),
    'not-found',
    /no matching manifest for linux\/amd64/,
  ],
  [
    'an empty index',
    always(isManifest, document(index(), INDEX)),
    'not-found',
    /no matching manifest/,
  ],
  [
    'an index that leads to nothing',
    ({ path }) =>
      path.endsWith('/1')
        ? document(index(entryOf({ digest: sha256(Buffer.from('x')) })), INDEX)
        : undefined,
    'not-found',
    /not here/,
  ],
  [
    'an index with a wrong size',
    ({ path }) => (path.endsWith('/1') ? document(index(entryOf({ size: 7 })), INDEX) : undefined),
    'corrupt',
    /has \d+ bytes where 7 were announced|more than the announced 7/,
  ],
  [
    'an index that calls a manifest an index',
    ({ path }) =>
      path.endsWith('/1') ? document(index(entryOf({ mediaType: INDEX })), INDEX) : undefined,
    'invalid',
    /says it is .* but was announced as/,
  ],
  [
    'an index that leads to itself',
    ({ path }) => (isManifest(path) ? nested(path) : undefined),
    'invalid',
    /leads to more indexes than are followed/,
  ],
];

/** Six indexes, each in the next. */
const NEST = ((): readonly Buffer[] => {
  const documents: Buffer[] = [];
  let inner = entryOf({});
  for (let i = 0; i < 6; i++) {
    const bytes = Buffer.from(JSON.stringify(index(inner)));
    documents.push(bytes);
    inner = entryOf({ mediaType: INDEX, digest: sha256(bytes), size: bytes.length });
  }
  return documents;
})();

function nested(path: string): Answering {
  const found = NEST.find((bytes) => path.endsWith(sha256(bytes))) ?? NEST.at(-1);
  return answer(200, { 'Content-Type': INDEX }, found);
}

const BLOB_ROWS: readonly Row[] = [
  [
    'a configuration of other bytes',
    always(isConfig, answer(200, {}, changed(IMAGE.config))),
    'corrupt',
    /the content has digest/,
  ],
  [
    'a configuration that is too long',
    always(isConfig, answer(200, {}, Buffer.concat([IMAGE.config, IMAGE.config]))),
    'exhausted',
    /larger than \d+ bytes/,
  ],
  [
    'a configuration that is too short',
    always(isConfig, answer(200, {}, IMAGE.config.subarray(1))),
    'corrupt',
    /bytes where|digest/,
  ],
  [
    'a configuration that is not there',
    always(isConfig, problem(404, 'BLOB_UNKNOWN')),
    'not-found',
    /BLOB_UNKNOWN/,
  ],
  [
    'a layer of other bytes',
    always(isLayer, answer(200, {}, changed(LAYER))),
    'corrupt',
    /digest|damaged/,
  ],
  [
    'a layer with bytes behind it',
    always(isLayer, answer(200, {}, Buffer.concat([LAYER, Buffer.from('more')]))),
    'corrupt',
    /were announced/,
  ],
  [
    'a layer packed once more',
    always(isLayer, answer(200, { 'Content-Encoding': 'gzip' }, gzipSync(LAYER))),
    'corrupt',
    /were announced|digest|checksum/,
  ],
  [
    'a layer that is always cut',
    always(isLayer, cut(LAYER, CUT)),
    'unavailable',
    /Cannot download sha256:/,
  ],
  [
    'a layer that stalls',
    always(isLayer, stall(LAYER, CUT)),
    'unavailable',
    /nothing came for|Cannot download/,
  ],
  [
    'a layer that is empty',
    always(isLayer, answer(200)),
    'unavailable',
    /ended after 0 of \d+ bytes/,
  ],
  [
    'a layer that is not there',
    always(isLayer, problem(404, 'BLOB_UNKNOWN')),
    'not-found',
    /BLOB_UNKNOWN/,
  ],
  ['a layer that is forbidden', always(isLayer, problem(403, 'DENIED')), 'denied', /DENIED/],
  ['a layer that is reset', always(isLayer, reset), 'unavailable', /the connection was reset/],
  ['a layer behind 503', always(isLayer, answer(503)), 'unavailable', /status 503/],
  [
    'a layer behind redirects in a circle',
    ({ path }) =>
      path.includes('/blobs/') && isLayer(path) ? answer(307, { Location: path }) : undefined,
    'unavailable',
    /redirects more than 8 times/,
  ],
  [
    'a range that nobody asked for',
    always(
      isLayer,
      answer(206, { 'Content-Range': `bytes 0-9/${LAYER.length}` }, LAYER.subarray(0, 10)),
    ),
    'invalid',
    /status 206/,
  ],
];

interface Rig {
  readonly fixture: ImageFixture;
  readonly registry: ScriptedRegistry;
  /** Waits that a retry asked for, in milliseconds. */
  readonly waits: readonly number[];
  /** `stepMs`: how much later it is at each look at the clock. */
  readonly clock: { stepMs: number };
  /** `isImpatient`: gives silence up after a moment. */
  readonly pull: (isImpatient?: boolean) => Promise<ImageRecord>;
}

/** A store and a registry with one image, for one row. */
async function withRig(body: (rig: Rig) => Promise<void>, image: HandImage = IMAGE): Promise<void> {
  await ImageFixture.withImages(async (fixture) => {
    await using registry = await ScriptedRegistry.start();
    for (const blob of [image.config, ...image.layers]) registry.addBlob(blob);
    registry.addDocument('1', { mediaType: MANIFEST_TYPE, bytes: image.manifest });
    const waits: number[] = [];
    const clock = { stepMs: 0 };
    let atMs = 0;
    const sleep = (ms: number): Promise<void> => Promise.resolve(void waits.push(ms));
    const { images, content } = fixture;
    const admit = (): Promise<void> => Promise.resolve();
    const reference = parseReference(`${registry.host}/app:1`);
    const pull = async (isImpatient = false): Promise<ImageRecord> => {
      const patienceMs = isImpatient ? 300 : 30_000;
      const transport = createTransport({
        timeouts: { responseMs: patienceMs, storeMs: patienceMs, idleMs: patienceMs },
      });
      const access = createRegistryAccess({
        config: parseRegistryConfig(
          JSON.stringify({ registries: { [registry.host]: { insecure: true } } }),
        ),
        transport,
        nowMs: () => 0,
        retry: { clock: { nowMs: () => (atMs += clock.stepMs), dice: () => 0, sleep } },
      });
      const parts = { images, content, access, host: HOST, admit };
      try {
        return (await pullImage(parts, { reference, credentials: undefined })).image;
      } finally {
        transport.close();
      }
    };
    await body({ fixture, registry, waits, clock, pull });
  });
}

const isSilent = (name: string): boolean => /stalls|never comes/.test(name);

for (const [name, script, kind, message] of [...MANIFEST_ROWS, ...BLOB_ROWS]) {
  test(`I1 I2 I7: a registry with ${name} is one sentence and no image`, async () => {
    await withRig(async ({ fixture, registry, pull }) => {
      registry.script = script;
      await assert.rejects(pull(isSilent(name)), (error) => {
        assert.ok(isEngineError(error), error instanceof Error ? error.stack : String(error));
        assert.match(error.message, message);
        assert.match(error.message, /^[A-Za-z]\P{Cc}{10,500}$/u);
        assert.equal(error.kind, kind, error.message);
        return true;
      });
      assert.deepEqual(fixture.images.list(), []);
      assert.deepEqual(fixture.store.listLayers(), []);
      await fixture.images.collect();
      assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
      registry.script = () => undefined;
      assert.equal((await pull()).id, IMAGE.configDigest);
    });
  });
}

/** Rows that an engine gets over by itself. */
const PASSING: readonly (readonly [name: string, script: Script, waits: readonly number[]])[] = [
  [
    '429 twice, with a time to wait',
    always(isManifest, problem(429, 'TOOMANYREQUESTS', { 'Retry-After': '7' }), 2),
    [7000, 7000],
  ],
  [
    '429 with a time of hours',
    always(isManifest, problem(429, 'X', { 'Retry-After': '86400' }), 1),
    [30_000],
  ],
  [
    '429 with a time that is none',
    always(isManifest, problem(429, 'X', { 'Retry-After': 'soon' }), 1),
    [100],
  ],
  ['500, 500, 500', always(isManifest, answer(500), 3), [100, 200, 400]],
  ['a reset', always(isManifest, reset, 1), [100]],
  ['a layer that is cut once', always(isLayer, cut(LAYER, CUT), 1), [100]],
  ['a layer that is reset three times', always(isLayer, reset, 3), [100, 200, 400]],
  ['a layer that stalls once', always(isLayer, stall(LAYER, CUT), 1), [100]],
];
for (const [name, script, expected] of PASSING) {
  test(`a registry with ${name} is got over`, async () => {
    await withRig(async ({ registry, waits, pull }) => {
      registry.script = script;
      assert.equal((await pull(isSilent(name))).id, IMAGE.configDigest);
      if (isSilent(name)) assert.notDeepEqual(waits, []);
      else assert.deepEqual(waits, expected);
    });
  });
}

test('what came before a break is not asked for again', async () => {
  await withRig(async ({ registry, pull }) => {
    registry.script = always(isLayer, cut(LAYER, CUT), 1);
    await pull();
    const ranges = registry.requests.flatMap(({ headers }) => headers.range ?? []);
    // A break takes with it what the client had and did not read yet: less than the whole.
    const [range = ''] = ranges;
    const from = Number(/^bytes=(\d+)-$/.exec(range)?.[1]);
    assert.equal(ranges.length, 1);
    assert.ok(from > 0 && from <= CUT, range);
  });
});

test('what an earlier pull kept of a registry that lied is fetched anew', async () => {
  await withRig(async ({ fixture, registry, pull }) => {
    const wrong = Buffer.from(LAYER);
    // Inside the file's content: only a digest tells.
    wrong[1024] = (wrong[1024] ?? 0) ^ 1;
    registry.script = ({ path, headers }) => {
      if (!isLayer(path)) return undefined;
      return headers.range === undefined ? cut(wrong, CUT) : answer(503, {});
    };
    await assert.rejects(pull(), (error) => isEngineError(error) && error.kind === 'unavailable');
    assert.deepEqual(fixture.images.list(), []);
    registry.script = () => undefined;
    const before = registry.requests.length;
    assert.equal((await pull()).id, IMAGE.configDigest);
    const asked = registry.requests.slice(before).filter(({ path }) => isLayer(path));
    assert.deepEqual(
      asked.map(({ headers }) => headers.range !== undefined),
      [true, false],
      'the rest first, then all of it',
    );
  });
});

/** Answers to a question for the rest from a byte on, after answers that were cut. */
const RANGES: readonly (readonly [
  name: string,
  rest: (from: number) => Answering,
  kind: ErrorKind | undefined,
])[] = [
  ['all of it', () => answer(200, {}, LAYER), undefined],
  ['a refusal', () => answer(416, { 'Content-Range': `bytes */${LAYER.length}` }), undefined],
  [
    'another part',
    () => answer(206, { 'Content-Range': `bytes 5-9/${LAYER.length}` }, LAYER.subarray(5, 10)),
    undefined,
  ],
  ['a part without its place', (from) => answer(206, {}, LAYER.subarray(from)), undefined],
  [
    'the right place and other bytes',
    (from) => answer(206, placeFrom(from), changed(LAYER).subarray(from)),
    'corrupt',
  ],
  ['the right place and too much', (from) => answer(206, placeFrom(from), LAYER), 'corrupt'],
];

function placeFrom(from: number): Readonly<Record<string, string>> {
  return { 'Content-Range': `bytes ${from}-${LAYER.length - 1}/${LAYER.length}` };
}

for (const [name, rest, kind] of RANGES) {
  test(`I1: a registry that answers a range with ${name} makes no broken image`, async () => {
    await withRig(async ({ fixture, registry, pull }) => {
      let ranges = 0;
      registry.script = ({ path, headers }) => {
        if (!isLayer(path)) return undefined;
        const from = /^bytes=(\d+)-/.exec(headers.range ?? '')?.[1];
        if (from === undefined) return ranges === 0 ? cut(LAYER, CUT) : undefined;
        ranges += 1;
        return rest(Number(from));
      };
      const pulled = pull();
      if (kind === undefined) assert.equal((await pulled).id, IMAGE.configDigest);
      else {
        await assert.rejects(pulled, (error) => isEngineError(error) && error.kind === kind);
        assert.deepEqual(fixture.images.list(), []);
      }
      assert.ok(ranges > 0, 'a range was asked for');
      registry.script = () => undefined;
      assert.equal((await pull()).id, IMAGE.configDigest);
    });
  });
}

/** An image whose layer is large enough to come in parts. */
function largeImage(): HandImage {
  const noise = randomBytes(37 * MIB);
  return rawImage([encodeTar([{ type: 'file', path: 'noise', content: noise }])], {
    pack: (tar) => tar,
    layerType: MEDIA_TYPE.ociLayer,
  });
}

/** Lines of one connection: what the clock adds between two looks, and how many requests a large layer takes. */
const LINES = [
  { line: 'fast', stepMs: 1, isParted: false },
  { line: 'slow', stepMs: 1000, isParted: true },
] as const;

for (const { line, stepMs, isParted } of LINES) {
  test(`a large layer comes over a ${line} line in ${isParted ? 'many parts' : 'two parts'}`, async () => {
    const large = largeImage();
    await withRig(async ({ registry, clock, pull }) => {
      clock.stepMs = stepMs;
      assert.equal((await pull()).id, large.configDigest);
      const ranges = registry.requests.flatMap(({ headers }) => headers.range ?? []);
      assert.equal(ranges[0], `bytes=0-${4 * MIB - 1}`);
      assert.equal(ranges[1]?.startsWith(`bytes=${4 * MIB}-`), true);
      assert.equal(ranges.length > 10, isParted, ranges.join(' '));
      assert.equal(ranges.length === 2, !isParted, ranges.join(' '));
    }, large);
  });

  test(`I1: parts of a large layer that are not what was asked for make no broken image (${line} line)`, async () => {
    const large = largeImage();
    const [layer = Buffer.alloc(0)] = large.layers;
    const part = (bytes: Buffer, from: number, to: number): Answering =>
      answer(206, { 'Content-Range': `bytes ${from}-${to - 1}/${layer.length}` }, bytes);
    const short = (from: number, to: number): Answering =>
      part(layer.subarray(from, to - 1), from, to);
    const lies: readonly ((from: number, to: number) => Answering)[] = [
      (from, to) => part(changed(layer.subarray(from, to)), from, to),
      (from, to) => part(layer.subarray(0, to - from), from, to),
      (from, to) => part(Buffer.concat([layer.subarray(from), Buffer.from('more')]), from, to),
      // On a fast line only the rest of it is asked for again.
      ...(isParted ? [short] : []),
    ];
    await withRig(async ({ fixture, registry, clock, pull }) => {
      clock.stepMs = stepMs;
      const lying =
        (lie: (from: number, to: number) => Answering): ScriptedRegistry['script'] =>
        ({ headers }) => {
          const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
          return from === undefined || from === '0' ? undefined : lie(Number(from), Number(to) + 1);
        };
      for (const lie of lies) {
        registry.script = lying(lie);
        await assert.rejects(pull(), isEngineError);
        assert.deepEqual(fixture.images.list(), []);
      }
      registry.script = isParted ? () => undefined : lying(short);
      assert.equal((await pull()).id, large.configDigest);
    }, large);
  });
}
