/**
 * The pull policy against a real registry: signatures made by openssl, pushed
 * in cosign's layout.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { isEngineError, type ErrorKind } from '../../src/base/error.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { parsePullPolicy } from '../../src/images/signature/policy.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { createEngine } from '../../src/wiring.ts';
import { Front, RegistryFixture, type Meddling } from './registry-fixture.ts';

const CHISEL = process.env['CARVE_CHISEL'] ?? resolve(import.meta.dirname, '../../build/chisel');
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const PAYLOAD = 'application/vnd.dev.cosign.simplesigning.v1+json';
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const ARTIFACT = 'application/vnd.dev.cosign.artifact.sig.v1+json';

function temporary(t: TestContext, name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `carve-${name}-`));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function openEngine(t: TestContext, repositories: object = {}): Promise<Engine> {
  const directory = mkdtempSync(join(tmpdir(), 'carve-signature-'));
  const engine = await createEngine({
    root: join(directory, 'root'),
    run: join(directory, 'run'),
    chisel: { kind: 'file', path: CHISEL },
    policy: parsePullPolicy(JSON.stringify({ repositories })),
  });
  t.after(async () => {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return engine;
}

/** Keys made by openssl, by kind. */
type KeyKind = 'ecdsa' | 'rsa' | 'ed25519';

class Signer {
  readonly publicPath: string;
  readonly #privatePath: string;
  readonly #kind: KeyKind;

  constructor(directory: string, name: string, kind: KeyKind = 'ecdsa') {
    this.publicPath = join(directory, `${name}.pem`);
    this.#privatePath = join(directory, `${name}.key`);
    this.#kind = kind;
    const options = {
      ecdsa: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
      ed25519: ['-algorithm', 'ED25519'],
    } as const;
    openssl('genpkey', ...options[kind], '-out', this.#privatePath);
    openssl('pkey', '-in', this.#privatePath, '-pubout', '-out', this.publicPath);
  }

  sign(payload: Buffer): Buffer {
    const input = `${this.#privatePath}.payload`;
    writeFileSync(input, payload);
    return this.#kind === 'ed25519'
      ? openssl('pkeyutl', '-sign', '-inkey', this.#privatePath, '-rawin', '-in', input)
      : openssl('dgst', '-sha256', '-sign', this.#privatePath, input);
  }
}

function openssl(...args: string[]): Buffer {
  return execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
}

function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A registry's repository, as a signer writes to it. */
class Repository {
  readonly name: string;
  readonly #base: string;

  constructor(host: string, path: string) {
    this.name = `${host}/${path}`;
    this.#base = `http://${host}/v2/${path}`;
  }

  async putBlob(bytes: Buffer): Promise<object> {
    const opened = await fetch(`${this.#base}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(opened.headers.get('location') ?? '', this.#base);
    location.searchParams.set('digest', digestOf(bytes));
    const headers = { 'Content-Type': 'application/octet-stream' };
    const put = await fetch(location, { method: 'PUT', body: bytes, headers });
    assert.equal(put.status, 201);
    return { digest: digestOf(bytes), size: bytes.length };
  }

  async putManifest(reference: string, mediaType: string, document: object): Promise<string> {
    const body = JSON.stringify({ schemaVersion: 2, mediaType, ...document });
    const url = `${this.#base}/manifests/${reference}`;
    const put = await fetch(url, { method: 'PUT', body, headers: { 'Content-Type': mediaType } });
    assert.equal(put.status, 201, await put.text());
    return digestOf(body);
  }

  async digestOfTag(tag: string): Promise<string> {
    const headers = { Accept: `${MANIFEST}, ${INDEX}` };
    const got = await fetch(`${this.#base}/manifests/${tag}`, { headers });
    return digestOf(Buffer.from(await got.arrayBuffer()));
  }

  /** The manifest of a signature, as cosign lays it out. */
  async signatureManifest(signature: Signature, configType: string): Promise<object> {
    const blob = await this.putBlob(signature.payload);
    const config = await this.putBlob(Buffer.from('{}'));
    const annotations = {
      'dev.cosignproject.cosign/signature': signature.bytes.toString('base64'),
    };
    return {
      config: { mediaType: configType, ...config },
      layers: [{ mediaType: PAYLOAD, ...blob, annotations }],
    };
  }

  /** Put bundles into the list of what refers to `digest`, in place of what was there. */
  async attachBundles(digest: string, bundles: readonly Buffer[]): Promise<void> {
    const config = {
      mediaType: 'application/vnd.oci.empty.v1+json',
      ...(await this.putBlob(Buffer.from('{}'))),
    };
    const manifests: object[] = [];
    for (const bytes of bundles) {
      const layers = [{ mediaType: BUNDLE, ...(await this.putBlob(bytes)) }];
      const document = { artifactType: BUNDLE, config, layers };
      const held = await this.putManifest('bundle', MANIFEST, document);
      manifests.push({ mediaType: MANIFEST, digest: held, size: 1, artifactType: BUNDLE });
    }
    await this.putManifest(digest.replace(':', '-'), INDEX, { manifests });
  }

  /** Put a signature where the signatures of `digest` are looked for. */
  async attach(digest: string, signature: Signature): Promise<void> {
    const type = 'application/vnd.oci.image.config.v1+json';
    const manifest = await this.signatureManifest(signature, type);
    await this.putManifest(`${digest.replace(':', '-')}.sig`, MANIFEST, manifest);
  }
}

/** Signed bytes and the signature. */
interface Signature {
  readonly payload: Buffer;
  readonly bytes: Buffer;
}

function claim(digest: string, name: string): Buffer {
  const critical = {
    identity: { 'docker-reference': name },
    image: { 'docker-manifest-digest': digest },
    type: 'cosign container image signature',
  };
  return Buffer.from(JSON.stringify({ critical, optional: null }));
}

function signed(signer: Signer, digest: string, name: string): Signature {
  const payload = claim(digest, name);
  return { payload, bytes: signer.sign(payload) };
}

/** A bundle as newer signers make it. */
function bundle(
  signer: Signer,
  digest: string,
  predicateType: string,
  payloadType = 'application/vnd.in-toto+json',
): Buffer {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: digest.slice('sha256:'.length) } }],
    predicateType,
    predicate: {},
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const head = `DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `;
  const sig = signer.sign(Buffer.concat([Buffer.from(head), payload])).toString('base64');
  const dsseEnvelope = {
    payload: payload.toString('base64'),
    payloadType,
    signatures: [{ sig, keyid: '' }],
  };
  const verificationMaterial = { publicKey: { hint: 'none' } };
  return Buffer.from(JSON.stringify({ mediaType: BUNDLE, verificationMaterial, dsseEnvelope }));
}

async function drain(progress: AsyncIterable<unknown>): Promise<void> {
  for await (const step of progress) void step;
}

/** Push an image of noise; the digest of its manifest. */
async function pushImage(t: TestContext, repository: Repository, tag: string): Promise<string> {
  const engine = await openEngine(t);
  const name = `${repository.name}:${tag}`;
  const tar = encodeTar([{ type: 'file', path: 'noise', content: randomBytes(1000), mode: 0o644 }]);
  const options = { reference: name, changes: ['CMD ["sh"]'] };
  await drain(engine.images.import(Readable.from(tar, { objectMode: false }), options));
  await drain(engine.images.push(name, {}));
  return await repository.digestOfTag(tag);
}

async function openRegistry(t: TestContext): Promise<RegistryFixture> {
  const registry = await RegistryFixture.start('plain');
  t.after(async () => registry.stop());
  return registry;
}

interface Refusal {
  readonly kind: ErrorKind;
  readonly message: RegExp;
}

/** The pull ends in one sentence and no image. */
async function refuses(engine: Engine, name: string, { kind, message }: Refusal): Promise<void> {
  await assert.rejects(drain(engine.images.pull(name, {})), (error) => {
    assert.ok(isEngineError(error), String(error));
    assert.match(error.message, message);
    assert.equal(error.kind, kind, error.message);
    assert.ok(!error.message.includes('\n'));
    return true;
  });
  const all = { all: true, filters: {}, digests: false, sharedSize: false };
  assert.deepEqual(await engine.images.list(all), []);
}

function requiring(repository: Repository, signers: readonly Signer[], more: object = {}): object {
  const keys = signers.map(({ publicPath }) => publicPath);
  return { '*': 'deny', [repository.name]: { require: { keys, ...more } } };
}

test('a signature by a required key lets an image in, whatever the kind of key', async (t) => {
  const registry = await openRegistry(t);
  const keys = temporary(t, 'keys');
  const stranger = new Signer(keys, 'stranger');
  for (const kind of ['ecdsa', 'rsa', 'ed25519'] as const) {
    const repository = new Repository(registry.host, `team/${kind}`);
    const name = `${repository.name}:1`;
    const digest = await pushImage(t, repository, '1');
    const signer = new Signer(keys, kind, kind);
    await repository.attach(digest, signed(signer, digest, repository.name));
    const engine = await openEngine(t, requiring(repository, [stranger, signer]));
    await drain(engine.images.pull(name, {}));
    await drain(engine.images.pull(`${repository.name}@${digest}`, {}));
    assert.deepEqual((await engine.images.inspect(name)).RepoDigests, [
      `${repository.name}@${digest}`,
    ]);
  }
});

test('an unsigned, wrongly signed, tampered or replayed signature is refused in one sentence', async (t) => {
  const registry = await openRegistry(t);
  const keys = temporary(t, 'keys');
  const signer = new Signer(keys, 'signer');
  const stranger = new Signer(keys, 'stranger');
  const repository = new Repository(registry.host, 'team/app');
  const [digest, other] = [
    await pushImage(t, repository, '1'),
    await pushImage(t, repository, '2'),
  ];
  const name = `${repository.name}:1`;
  const engine = await openEngine(t, requiring(repository, [signer]));
  await refuses(engine, name, {
    kind: 'denied',
    message: /requires a signature by the key \/.*signer\.pem, and sha256:[0-9a-f]{64} has none$/,
  });
  const good = signed(signer, digest, repository.name);
  const altered = Buffer.from(good.payload.toString().replace('"optional":null', '"optional":{}'));
  const untyped = Buffer.from(good.payload.toString().replace('cosign container', 'some other'));
  const rows: readonly (readonly [string, Signature, RegExp])[] = [
    ['another key', signed(stranger, digest, repository.name), /none of the 1 found is valid for/],
    ['a tampered payload', { ...good, payload: altered }, /none of the 1 found is valid for/],
    ['no signature bytes', { ...good, bytes: Buffer.alloc(0) }, /none of the 1 found is valid/],
    ['another image', signed(signer, other, repository.name), new RegExp(`one is of ${other}$`)],
    ['another kind', { payload: untyped, bytes: signer.sign(untyped) }, /is not one of an image/],
  ];
  for (const [what, signature, message] of rows) {
    await t.test(what, async () => {
      await repository.attach(digest, signature);
      await refuses(engine, name, { kind: 'denied', message });
    });
  }
  await repository.attach(digest, good);
  await drain(engine.images.pull(name, {}));
});

test('the name in a signature counts only where the policy says so', async (t) => {
  const registry = await openRegistry(t);
  const signer = new Signer(temporary(t, 'keys'), 'signer');
  const repository = new Repository(registry.host, 'copies/app');
  const digest = await pushImage(t, repository, '1');
  await repository.attach(digest, signed(signer, digest, 'origin.example/app'));
  const name = `${repository.name}:1`;
  const strict = await openEngine(t, requiring(repository, [signer], { identity: 'repository' }));
  await refuses(strict, name, {
    kind: 'denied',
    message: /is for 127\.0\.0\.1:\d+\/copies\/app: a trusted one is for origin\.example\/app$/,
  });
  await drain((await openEngine(t, requiring(repository, [signer]))).images.pull(name, {}));
  await repository.attach(digest, signed(signer, digest, repository.name));
  await drain(strict.images.pull(name, {}));
});

test('a signed index vouches for its manifests, a signed manifest for itself', async (t) => {
  const registry = await openRegistry(t);
  const signer = new Signer(temporary(t, 'keys'), 'signer');
  const repository = new Repository(registry.host, 'team/multi');
  const inner = await pushImage(t, repository, 'inner');
  const raw = await fetch(`http://${registry.host}/v2/team/multi/manifests/inner`, {
    headers: { Accept: MANIFEST },
  });
  const size = (await raw.arrayBuffer()).byteLength;
  const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
  const entry = { mediaType: MANIFEST, digest: inner, size, platform };
  const index = await repository.putManifest('1', INDEX, { manifests: [entry] });
  const policy = requiring(repository, [signer]);
  await refuses(await openEngine(t, policy), `${repository.name}:1`, {
    kind: 'denied',
    message: new RegExp(`and ${index} or ${inner} has none$`),
  });
  await repository.attach(index, signed(signer, index, repository.name));
  await drain((await openEngine(t, policy)).images.pull(`${repository.name}:1`, {}));
  await refuses(await openEngine(t, policy), `${repository.name}@${inner}`, {
    kind: 'denied',
    message: /has none$/,
  });
  await repository.attach(index, signed(signer, inner, repository.name));
  await refuses(await openEngine(t, policy), `${repository.name}:1`, {
    kind: 'denied',
    message: /a trusted one is of/,
  });
  await repository.attach(inner, signed(signer, inner, repository.name));
  await drain((await openEngine(t, policy)).images.pull(`${repository.name}:1`, {}));
  await drain((await openEngine(t, policy)).images.pull(`${repository.name}@${inner}`, {}));
});

test('signatures attached as referrers count, by the API and by the tag schema', async (t) => {
  const registry = await openRegistry(t);
  const signer = new Signer(temporary(t, 'keys'), 'signer');
  const repository = new Repository(registry.host, 'team/attached');
  const digest = await pushImage(t, repository, '1');
  const manifest = await repository.signatureManifest(
    signed(signer, digest, repository.name),
    ARTIFACT,
  );
  const referrer = await repository.putManifest('elsewhere', MANIFEST, manifest);
  const entry = { mediaType: MANIFEST, digest: referrer, size: 1 };
  const manifests = [
    { ...entry, artifactType: 'application/spdx+json' },
    { ...entry, artifactType: ARTIFACT },
  ];
  const answer: Meddling = {
    kind: 'answer',
    status: 200,
    headers: { 'Content-Type': INDEX },
    body: JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }),
  };
  const front = await new Front(registry, ({ url }) =>
    url?.includes('/referrers/') === true ? answer : { kind: 'pass' },
  ).listen();
  t.after(() => front.stop());
  const seen = new Repository(front.host, 'team/attached');
  const engine = await openEngine(t, requiring(seen, [signer]));
  await drain(engine.images.pull(`${seen.name}:1`, {}));
  const plain = await openEngine(t, requiring(repository, [signer]));
  await refuses(plain, `${repository.name}:1`, { kind: 'denied', message: /has none$/ });
  await repository.putManifest(digest.replace(':', '-'), INDEX, { manifests });
  await drain(plain.images.pull(`${repository.name}:1`, {}));
});

test('a signature in a bundle counts, an attestation in one does not', async (t) => {
  const registry = await openRegistry(t);
  const keys = temporary(t, 'keys');
  const signer = new Signer(keys, 'signer');
  const stranger = new Signer(keys, 'stranger');
  const repository = new Repository(registry.host, 'team/bundled');
  const [digest, other] = [
    await pushImage(t, repository, '1'),
    await pushImage(t, repository, '2'),
  ];
  const name = `${repository.name}:1`;
  const engine = await openEngine(t, requiring(repository, [signer]));
  const sign = 'https://sigstore.dev/cosign/sign/v1';
  const good = bundle(signer, digest, sign);
  const rows: readonly (readonly [string, readonly Buffer[], RegExp])[] = [
    ['another key', [bundle(stranger, digest, sign)], /none of the 1 found is valid for/],
    ['another image', [bundle(signer, other, sign)], new RegExp(`one is of ${other}$`)],
    [
      'an attestation',
      [bundle(signer, digest, 'https://slsa.dev/provenance/v1')],
      /it is no signature but says "https:\/\/slsa\.dev/,
    ],
    ['a payload of another type', [bundle(signer, digest, sign, 'text/plain')], /has none$/],
    ['no bundle', [Buffer.from('[')], /has none$/],
    [
      'a tampered payload',
      [Buffer.from(String(good).replace(/"payload":"./, '"payload":"f'))],
      /none of the 1 found is valid for/,
    ],
  ];
  for (const [what, bundles, message] of rows) {
    await t.test(what, async () => {
      await repository.attachBundles(digest, bundles);
      await refuses(engine, name, { kind: 'denied', message });
    });
  }
  await repository.attachBundles(digest, [Buffer.from('['), bundle(stranger, digest, sign), good]);
  const strict = await openEngine(t, requiring(repository, [signer], { identity: 'repository' }));
  await refuses(strict, name, {
    kind: 'denied',
    message: /a trusted one is for no repository$/,
  });
  await drain(engine.images.pull(name, {}));
});

test('what cannot be decided is refused: a missing key, a failing registry; a denied one is not asked', async (t) => {
  const registry = await openRegistry(t);
  const keys = temporary(t, 'keys');
  const signer = new Signer(keys, 'signer');
  const repository = new Repository(registry.host, 'team/app');
  await pushImage(t, repository, '1');
  const lost = { require: { keys: [join(keys, 'lost.pem')] } };
  await refuses(await openEngine(t, { [repository.name]: lost }), `${repository.name}:1`, {
    kind: 'unavailable',
    message: /Cannot read the signature key .*lost\.pem/,
  });
  const failing: Meddling = { kind: 'answer', status: 418 };
  const front = await new Front(registry, ({ url }) =>
    url?.endsWith('.sig') === true ? failing : { kind: 'pass' },
  ).listen();
  t.after(() => front.stop());
  const seen = new Repository(front.host, 'team/app');
  await refuses(await openEngine(t, requiring(seen, [signer])), `${seen.name}:1`, {
    kind: 'invalid',
    message: /status 418/,
  });
  assert.ok(
    front.requests.every(({ path }) => !path.includes('/blobs/')),
    'no layer is fetched before the image is let in',
  );
  const before = front.requests.length;
  await refuses(await openEngine(t, { '*': 'deny' }), `${seen.name}:1`, {
    kind: 'denied',
    message: /^Cannot pull 127\.0\.0\.1:\d+\/team\/app:1: the pull policy denies images of /,
  });
  assert.equal(front.requests.length, before);
});
