import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../base/error.ts';
import { digestBytes } from '../spec/digest.ts';
import { MEDIA_TYPE } from '../spec/media-type.ts';
import {
  checkLayout,
  checkRunnable,
  parseConfig,
  parseDockerArchive,
  parseTarget,
} from './documents.ts';

const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const D = digestBytes('x');
const descriptor = { mediaType: MEDIA_TYPE.ociLayerGzip, digest: D, size: 3 };
const config = { mediaType: MEDIA_TYPE.ociConfig, digest: D, size: 3 };

test('a manifest keeps what carve knows and drops the rest', () => {
  const document = parseTarget(
    bytes({
      schemaVersion: 2,
      config,
      layers: [{ ...descriptor, urls: ['https://x'], annotations: { a: 'b' }, extra: 1 }],
      annotations: { c: 'd' },
      unknown: true,
    }),
    MEDIA_TYPE.ociManifest,
  );
  assert.deepEqual(document, {
    kind: 'manifest',
    manifest: {
      schemaVersion: 2,
      config,
      layers: [{ ...descriptor, urls: ['https://x'], annotations: { a: 'b' } }],
      annotations: { c: 'd' },
    },
  });
});

test('an index keeps the platforms of its entries', () => {
  const platform = {
    os: 'linux',
    architecture: 'arm',
    variant: 'v7',
    'os.version': '1',
    'os.features': ['f'],
  };
  const document = parseTarget(
    bytes({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.dockerIndex,
      manifests: [
        { ...descriptor, platform },
        { ...descriptor, platform: { os: 'linux', architecture: 'amd64', variant: '' } },
      ],
    }),
    '',
  );
  assert.ok(document.kind === 'index');
  assert.deepEqual(
    document.index.manifests.map((entry) => entry.platform),
    [platform, { os: 'linux', architecture: 'amd64' }],
  );
});

const TARGETS: readonly (readonly [
  what: string,
  value: unknown,
  mediaType: string,
  message: RegExp,
])[] = [
  ['no JSON', 'x', '', /not JSON/],
  ['bytes that are no UTF-8', '\ud800', '', /not JSON|no schemaVersion|not an object/],
  ['a list', [], '', /not an object/],
  ['null', null, '', /not an object/],
  ['no version', { config, layers: [] }, '', /no schemaVersion 2/],
  [
    'a version as text',
    { schemaVersion: '2', config, layers: [] },
    '',
    /schemaVersion is not a number/,
  ],
  ['schema 1', { schemaVersion: 1, fsLayers: [] }, '', /old schema 1/],
  ['nothing in it', { schemaVersion: 2 }, '', /neither an index nor a manifest/],
  ['both kinds', { schemaVersion: 2, manifests: [], layers: [] }, '', /at once/],
  ['both kinds by configuration', { schemaVersion: 2, manifests: [], config }, '', /at once/],
  [
    'an index announced as a manifest',
    { schemaVersion: 2, manifests: [] },
    MEDIA_TYPE.ociManifest,
    /by its fields and something else/,
  ],
  [
    'an index that calls itself a manifest',
    { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, manifests: [] },
    '',
    /by its fields and something else/,
  ],
  [
    'another type than announced',
    { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [] },
    MEDIA_TYPE.dockerManifest,
    /was announced as/,
  ],
  [
    'a type of no image',
    { schemaVersion: 2, config, layers: [] },
    'text/html',
    /media type "text\/html"/,
  ],
  ['no configuration', { schemaVersion: 2, layers: [] }, '', /it has no config/],
  ['no layers', { schemaVersion: 2, config }, '', /it has no layers/],
  ['a layer that is text', { schemaVersion: 2, config, layers: ['x'] }, '', /not an object/],
  [
    'a size as text',
    { schemaVersion: 2, config, layers: [{ ...descriptor, size: '3' }] },
    '',
    /size is not a number/,
  ],
  [
    'a fractional size',
    { schemaVersion: 2, config, layers: [{ ...descriptor, size: 1.5 }] },
    '',
    /not a count/,
  ],
  [
    'an endless size',
    bytes({ schemaVersion: 2, config, layers: [descriptor] })
      .toString()
      .replace('"size":3}]', '"size":1e999}]'),
    '',
    /not a count/,
  ],
  [
    'a digest that is a path',
    { schemaVersion: 2, config, layers: [{ ...descriptor, digest: 'sha256:../../etc' }] },
    '',
    /not a digest/,
  ],
  [
    'annotations that are numbers',
    { schemaVersion: 2, config, layers: [], annotations: { a: 1 } },
    '',
    /annotations holds something that is not text/,
  ],
  [
    'five hundred and one layers',
    { schemaVersion: 2, config, layers: Array.from({ length: 501 }, () => descriptor) },
    '',
    /at most 500/,
  ],
];
for (const [what, value, mediaType, message] of TARGETS) {
  test(`a manifest with ${what} is refused`, () => {
    assert.throws(
      () => parseTarget(bytes(value), mediaType),
      (error) => isEngineError(error) && message.test(error.message),
    );
  });
}

const IMAGE = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [D] } };

test('a configuration keeps every field that is known and has its type', () => {
  const execution = {
    User: 'u',
    ExposedPorts: { '80/tcp': {} },
    Env: ['A=1'],
    Entrypoint: ['/e'],
    Cmd: ['c'],
    Volumes: { '/v': {} },
    WorkingDir: '/w',
    Labels: { l: '1' },
    StopSignal: 'SIGINT',
    Healthcheck: {
      Test: ['CMD', 'x'],
      Interval: 1,
      Timeout: 2,
      StartPeriod: 3,
      StartInterval: 4,
      Retries: 5,
    },
    OnBuild: ['RUN x'],
    Shell: ['/s'],
    ArgsEscaped: true,
    StopTimeout: 6,
  };
  const full = {
    ...IMAGE,
    created: '2024-01-01T00:00:00Z',
    author: 'a',
    variant: 'v2',
    'os.version': '1',
    comment: 'c',
    docker_version: '1',
    config: execution,
    history: [{ created: 'x', created_by: 'y', author: 'z', comment: 'w', empty_layer: true }],
  };
  assert.deepEqual(parseConfig(bytes({ ...full, unknown: 1, container_config: {} })), full);
});

test('null fields, as Go writes them, are absent', () => {
  assert.deepEqual(
    parseConfig(
      bytes({
        ...IMAGE,
        history: null,
        config: { Env: null, Cmd: null, Volumes: null, Labels: null, Healthcheck: null, User: '' },
      }),
    ),
    { ...IMAGE, config: {} },
  );
});

test('names like __proto__ are names', () => {
  const parsed = parseConfig(
    Buffer.from(
      '{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"__proto__":"x","constructor":"y"},"ExposedPorts":{"__proto__":{}}}}',
    ),
  );
  assert.deepEqual(Object.entries(parsed.config?.Labels ?? {}), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
  assert.equal(Object.getPrototypeOf(parsed.config?.Labels), Object.prototype);
});

test('a field that is only inherited is absent', () => {
  assert.throws(
    () =>
      parseConfig(
        Buffer.from(
          '{"__proto__":{"os":"linux"},"architecture":"amd64","rootfs":{"type":"layers"}}',
        ),
      ),
    /it has no os/,
  );
});

const CONFIGS: readonly (readonly [what: string, value: unknown, message: RegExp])[] = [
  ['no root', { os: 'linux', architecture: 'amd64' }, /has no rootfs/],
  ['a root of another type', { ...IMAGE, rootfs: { type: 'x', diff_ids: [] } }, /unknown type "x"/],
  [
    'a diff id that is none',
    { ...IMAGE, rootfs: { type: 'layers', diff_ids: ['x'] } },
    /diff id "x" is not a digest/,
  ],
  ['no architecture', { ...IMAGE, architecture: null }, /has no architecture/],
  ['an execution part that is text', { ...IMAGE, config: 'x' }, /config is not an object/],
  ['a command that is text', { ...IMAGE, config: { Cmd: 'sh' } }, /Cmd is not a list/],
  [
    'a command of numbers',
    { ...IMAGE, config: { Cmd: [1] } },
    /Cmd holds something that is not text/,
  ],
  [
    'a label that is a number',
    { ...IMAGE, config: { Labels: { a: 1 } } },
    /Labels holds something that is not text/,
  ],
  [
    'ports that are a list',
    { ...IMAGE, config: { ExposedPorts: ['80'] } },
    /ExposedPorts is not an object/,
  ],
  [
    'a health check that is text',
    { ...IMAGE, config: { Healthcheck: 'x' } },
    /Healthcheck is not an object/,
  ],
  [
    'an interval that is text',
    { ...IMAGE, config: { Healthcheck: { Interval: '1s' } } },
    /Interval is not a number/,
  ],
];
for (const [what, value, message] of CONFIGS) {
  test(`a configuration with ${what} is refused`, () => {
    assert.throws(
      () => parseConfig(bytes(value)),
      (error) => isEngineError(error) && error.kind === 'invalid' && message.test(error.message),
    );
  });
}

test('documents above 4 MiB and nested without end are refused quickly', () => {
  assert.throws(
    () => parseConfig(Buffer.alloc(4 * 1024 * 1024 + 1, ' ')),
    (error) => isEngineError(error) && error.kind === 'exhausted',
  );
  const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
  assert.throws(
    () => parseConfig(Buffer.from(deep)),
    (error) => isEngineError(error),
  );
});

test('manifest.json, oci-layout and artifacts are checked', () => {
  assert.deepEqual(parseDockerArchive(bytes([{ Config: 'c', RepoTags: null, Layers: ['l'] }])), [
    { Config: 'c', RepoTags: [], Layers: ['l'] },
  ]);
  assert.throws(() => parseDockerArchive(bytes([{ RepoTags: [] }])), /has no Config/);
  checkLayout(bytes({ imageLayoutVersion: '1.0.0' }));
  assert.throws(() => checkLayout(bytes({})), /has no imageLayoutVersion/);
  checkRunnable({ schemaVersion: 2, config, layers: [descriptor] });
  assert.throws(
    () =>
      checkRunnable({
        schemaVersion: 2,
        config: { ...config, mediaType: 'application/x' },
        layers: [],
      }),
    /artifact of type "application\/x"/,
  );
});

test('thousands of mutated documents are refused or read, and nothing else happens', () => {
  const seeds = [
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config,
      layers: [descriptor],
      annotations: { a: 'b' },
    }),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ ...descriptor, platform: { os: 'linux', architecture: 'amd64' } }],
    }),
    JSON.stringify({
      ...IMAGE,
      config: { Env: ['A=1'], Healthcheck: { Test: ['x'], Interval: 1 } },
      history: [{ created: 'x' }],
    }),
  ];
  const pieces = [
    'null',
    '[]',
    '{}',
    '-1',
    '1e999',
    '"x"',
    'true',
    '__proto__',
    '\\u0000',
    ',',
    ':',
    '"',
    '\ud800',
    ' ',
  ];
  let random = 7;
  const next = (): number => (random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0) >>> 8;
  for (let i = 0; i < 20_000; i++) {
    let text = seeds[next() % seeds.length] ?? '';
    for (let n = next() % 3; n >= 0; n--) {
      const at = next() % text.length;
      text =
        text.slice(0, at) + (pieces[next() % pieces.length] ?? '') + text.slice(at + (next() % 6));
    }
    for (const parse of [
      () => parseTarget(Buffer.from(text), ''),
      () => parseConfig(Buffer.from(text)),
      () => parseDockerArchive(Buffer.from(text)),
    ]) {
      try {
        parse();
      } catch (error) {
        assert.ok(isEngineError(error), `${String(error)} for ${text}`);
      }
    }
  }
});
