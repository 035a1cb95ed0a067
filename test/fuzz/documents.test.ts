/**
 * I3: documents that anybody may have written: whatever they hold, the answer is
 * a value or an `EngineError`, and a value is plain JSON again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import {
  checkLayout,
  checkRunnable,
  parseConfig,
  parseDockerArchive,
  parseTarget,
} from '../../src/images/documents.ts';
import { parseChallenges } from '../../src/images/registry/challenge.ts';
import { parseRegistryConfig } from '../../src/images/registry/config.ts';
import { decodeAuthHeader } from '../../src/images/registry/credentials.ts';
import { problemOf } from '../../src/images/registry/status-error.ts';
import {
  BUNDLE_TYPE,
  parseBundle,
  parseStatement,
  SIGNATURE_PREDICATE,
} from '../../src/images/signature/bundle.ts';
import { parseClaim } from '../../src/images/signature/payload.ts';
import { MEDIA_TYPE } from '../../src/spec/media-type.ts';
import { tryParseReference } from '../../src/spec/reference.ts';
import { Dice, FUZZ_FACTOR, FUZZ_SEED, mutateBytes, mutateJson } from './mutate.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const descriptor = (mediaType: string): object => ({
  mediaType,
  digest: DIGEST,
  size: 100,
  urls: ['https://x.example/y'],
  annotations: { 'org.opencontainers.image.ref.name': 'a:1' },
  platform: { os: 'linux', architecture: 'arm', variant: 'v7', 'os.features': ['x'] },
});
const MANIFEST = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociManifest,
  config: descriptor(MEDIA_TYPE.ociConfig),
  layers: [descriptor(MEDIA_TYPE.ociLayerGzip), descriptor(MEDIA_TYPE.ociLayer)],
  annotations: { a: 'b' },
  subject: descriptor(MEDIA_TYPE.ociManifest),
};
const INDEX = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociIndex,
  manifests: [descriptor(MEDIA_TYPE.ociManifest), descriptor(MEDIA_TYPE.ociIndex)],
};
const CONFIG = {
  created: '2024-01-02T03:04:05Z',
  architecture: 'amd64',
  os: 'linux',
  config: {
    User: '1:2',
    ExposedPorts: { '80/tcp': {} },
    Env: ['A=1'],
    Entrypoint: ['/bin/sh'],
    Cmd: ['-c', 'x'],
    Volumes: { '/data': {} },
    WorkingDir: '/x',
    Labels: { k: 'v' },
    StopSignal: 'SIGTERM',
    Healthcheck: { Test: ['CMD', 'true'], Interval: 1_000_000, Timeout: 5, Retries: 3 },
    Shell: ['/bin/sh'],
    OnBuild: ['RUN x'],
  },
  rootfs: { type: 'layers', diff_ids: [DIGEST] },
  history: [{ created: '2024-01-02T03:04:05Z', created_by: 'x', empty_layer: true }],
};
const ARCHIVE = [{ Config: 'a.json', RepoTags: ['a:1'], Layers: ['b/layer.tar'] }];
const LAYOUT = { imageLayoutVersion: '1.0.0' };
const REGISTRIES = {
  registries: {
    'docker.io': { mirrors: [{ url: 'https://m.example', pull: 'all' }], ca: '/x.pem' },
    '*.example': { insecure: true, blocked: false },
  },
};
const CLAIM = {
  critical: {
    identity: { 'docker-reference': 'x.example/a' },
    image: { 'docker-manifest-digest': DIGEST },
    type: 'cosign container image signature',
  },
  optional: null,
};
const BUNDLE = {
  mediaType: BUNDLE_TYPE,
  verificationMaterial: { publicKey: { hint: 'x' } },
  dsseEnvelope: {
    payload: 'e30=',
    payloadType: 'application/vnd.in-toto+json',
    signatures: [{ sig: 'AA==', keyid: '' }],
  },
};
const STATEMENT = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ digest: { sha256: DIGEST.slice(7) } }],
  predicateType: SIGNATURE_PREDICATE,
};
const PROBLEM = { errors: [{ code: 'DENIED', message: 'no', detail: {} }] };

type Reader = readonly [name: string, example: unknown, read: (bytes: Buffer) => unknown];

const READERS: readonly Reader[] = [
  ['manifest', MANIFEST, (bytes) => runnable(parseTarget(bytes, MEDIA_TYPE.ociManifest))],
  ['manifest of no type', MANIFEST, (bytes) => runnable(parseTarget(bytes, ''))],
  ['index', INDEX, (bytes) => parseTarget(bytes, MEDIA_TYPE.ociIndex)],
  ['configuration', CONFIG, parseConfig],
  ['manifest.json', ARCHIVE, parseDockerArchive],
  ['oci-layout', LAYOUT, checkLayout],
  ['registry configuration', REGISTRIES, (bytes) => void parseRegistryConfig(bytes.toString())],
  ['signature’s claim', CLAIM, parseClaim],
  ['signature’s bundle', BUNDLE, parseBundle],
  ['signature’s statement', STATEMENT, parseStatement],
  ['registry’s problem', PROBLEM, problemOf],
  [
    'credentials',
    { username: 'a', password: 'b' },
    (bytes) => decodeAuthHeader(bytes.toString('base64url')),
  ],
];

function runnable(document: ReturnType<typeof parseTarget>): unknown {
  if (document.kind === 'manifest') checkRunnable(document.manifest);
  return document;
}

for (const [name, example, read] of READERS) {
  test(`I3: a mutated ${name} is read or refused in a sentence`, () => {
    const text = Buffer.from(JSON.stringify(example));
    let refused = 0;
    const count = 2000 * FUZZ_FACTOR;
    for (let i = 0; i < count; i++) {
      const dice = new Dice(FUZZ_SEED + i);
      const isText = dice.roll(3) === 0;
      const bytes = isText
        ? mutateBytes(dice, text, [text])
        : Buffer.from(JSON.stringify(mutateJson(dice, example) ?? null));
      try {
        const value = read(bytes);
        if (value !== undefined) {
          const again = JSON.stringify(value);
          assert.equal(JSON.stringify(JSON.parse(again)), again);
        }
      } catch (error) {
        assert.ok(
          isEngineError(error),
          `seed ${FUZZ_SEED + i}: ${error instanceof Error ? error.stack : String(error)}`,
        );
        assert.match(error.message, /^\P{Cc}+$/u, `seed ${FUZZ_SEED + i}`);
        refused++;
      }
    }
    assert.ok(refused < count, 'every input was refused: the mutator destroys too much');
  });
}

test('I3: mutated headers and names are read or are none', () => {
  const headers = [
    'Bearer realm="https://auth.example/token",service="x",scope="repository:a/b:pull,push"',
    'Basic realm="a \\"b\\" c", Digest nonce=x, Bearer realm=y',
  ].map((text) => Buffer.from(text));
  const names = ['registry.example:5000/a/b_c:tag', `a@${DIGEST}`, '[::1]:5000/x'].map((text) =>
    Buffer.from(text),
  );
  for (let i = 0; i < 4000 * FUZZ_FACTOR; i++) {
    const dice = new Dice(FUZZ_SEED + i);
    const challenges = parseChallenges(
      mutateBytes(dice, dice.pick(headers), headers).toString('latin1'),
    );
    assert.ok(challenges.every(({ scheme }) => scheme !== ''));
    const reference = tryParseReference(
      mutateBytes(dice, dice.pick(names), names).toString('latin1'),
    );
    if (reference !== undefined) {
      assert.doesNotMatch(
        `${reference.domain}/${reference.path}`,
        /\.\.(?:\/|$)|\/\/|[\s\p{Cc}?#%]/u,
      );
    }
  }
});
