/** Images between this engine, a real registry, skopeo, and a registry that misbehaves. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test, type TestContext } from 'node:test';
import { isEngineError, type ErrorKind } from '../../src/base/error.ts';
import type { Engine, Progress } from '../../src/engine/engine.ts';
import { parseRegistryConfig } from '../../src/images/registry/config.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { createEngine } from '../../src/wiring.ts';
import {
  authHeader,
  Front,
  RegistryFixture,
  type Meddling,
  type RegistryMode,
} from './registry-fixture.ts';

const CHISEL = process.env['CARVE_CHISEL'] ?? resolve(import.meta.dirname, '../../build/chisel');
const MIB = 1024 * 1024;

async function openEngine(t: TestContext, registries: object = {}): Promise<Engine> {
  const directory = mkdtempSync(join(tmpdir(), 'carve-pull-'));
  const engine = await createEngine({
    root: join(directory, 'root'),
    run: join(directory, 'run'),
    chisel: { kind: 'file', path: CHISEL },
    registries: parseRegistryConfig(JSON.stringify({ registries })),
  });
  t.after(async () => {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return engine;
}

async function openRegistry(t: TestContext, mode: RegistryMode): Promise<RegistryFixture> {
  const registry = await RegistryFixture.start(mode);
  t.after(async () => registry.stop());
  return registry;
}

async function openFront(
  t: TestContext,
  registry: RegistryFixture,
  meddle: (path: string, count: number) => Meddling,
): Promise<Front> {
  const front = await new Front(registry, (request, count) =>
    meddle(`${request.method ?? ''} ${request.url ?? ''}`, count),
  ).listen();
  t.after(() => front.stop());
  return front;
}

async function drain(progress: AsyncIterable<Progress>): Promise<readonly Progress[]> {
  const all: Progress[] = [];
  for await (const step of progress) all.push(step);
  return all;
}

/** An image whose one layer has `sizeBytes` of noise. */
async function importImage(engine: Engine, reference: string, sizeBytes = 1000): Promise<string> {
  const noise = randomBytes(sizeBytes);
  const tar = encodeTar([
    { type: 'directory', path: 'etc', mode: 0o755 },
    { type: 'file', path: 'etc/noise', content: noise, mode: 0o644 },
  ]);
  await drain(
    engine.images.import(Readable.from(tar, { objectMode: false }), {
      reference,
      changes: ['CMD ["sh"]'],
    }),
  );
  return (await engine.images.inspect(reference)).Id;
}

async function fails(work: Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isEngineError(error), String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, message);
    return true;
  });
}

test('an image goes to a registry and comes back the same, by tag and by digest', async (t) => {
  const registry = await openRegistry(t, 'plain');
  const engine = await openEngine(t);
  const name = `${registry.host}/team/app:1`;
  const id = await importImage(engine, name);
  const pushed = await drain(engine.images.push(name, {}));
  const digest = pushed
    .map(({ status }) => /digest: (sha256:[0-9a-f]{64})/.exec(status ?? '')?.[1])
    .find((found) => found !== undefined);
  assert.ok(digest !== undefined);
  const again = await drain(engine.images.push(name, {}));
  assert.ok(again.some(({ status }) => status === 'Layer already exists'));
  await engine.images.remove(name, { force: false, noPrune: false });
  const steps = await drain(engine.images.pull(name, {}));
  assert.equal(steps.at(-1)?.status, `Status: Downloaded newer image for ${name}`);
  const found = await engine.images.inspect(name);
  assert.equal(found.Id, id);
  assert.deepEqual(found.RepoDigests, [`${registry.host}/team/app@${digest}`]);
  assert.equal(
    (await drain(engine.images.pull(name, {}))).at(-1)?.status,
    `Status: Image is up to date for ${name}`,
  );
  const other = await openEngine(t);
  await drain(other.images.pull(`${registry.host}/team/app@${digest}`, {}));
  assert.equal((await other.images.inspect(`${registry.host}/team/app@${digest}`)).Id, id);
});

test('a push tells its layers by what they unpack to, from the top, and each tag as soon as it is there', async (t) => {
  const registry = await openRegistry(t, 'plain');
  const engine = await openEngine(t);
  const name = `${registry.host}/told`;
  await importImage(engine, `${name}:b`);
  await engine.images.tag(`${name}:b`, `${name}:a`);
  const [layer = ''] = (await engine.images.inspect(`${name}:b`)).RootFS.Layers;
  const id = layer.slice('sha256:'.length, 'sha256:'.length + 12);
  const words = (await drain(engine.images.push(name, {})))
    .filter(({ status }) => status !== 'Pushing')
    .map(
      (step) =>
        `${step.id ?? ''} ${step.status?.replace(/sha256.*/, '') ?? ''}${step.aux === undefined ? '' : 'aux'}`,
    );
  assert.deepEqual(words, [
    ` The push refers to repository [${name}]`,
    `${id} Preparing`,
    `${id} Pushed`,
    ' a: digest: ',
    ' aux',
    `${id} Preparing`,
    `${id} Layer already exists`,
    ' b: digest: ',
    ' aux',
  ]);
  const steps: Progress[] = [];
  const absent = async (): Promise<void> => {
    for await (const step of engine.images.push(`${name}:none`, {})) steps.push(step);
  };
  await fails(absent(), 'not-found', /^An image does not exist locally with the tag: /);
  assert.deepEqual(steps, [{ status: `The push refers to repository [${name}]` }]);
});

test('an image pushed under a second name is mounted, not uploaded again', async (t) => {
  const registry = await openRegistry(t, 'plain');
  const engine = await openEngine(t);
  await importImage(engine, `${registry.host}/one:1`);
  await drain(engine.images.push(`${registry.host}/one:1`, {}));
  await engine.images.tag(`${registry.host}/one:1`, `${registry.host}/two:1`);
  const steps = await drain(engine.images.push(`${registry.host}/two:1`, {}));
  assert.ok(
    steps.some(({ status }) => status === 'Mounted from one'),
    JSON.stringify(steps),
  );
});

test('a registry with a password: anonymous and wrong are refused, the right one works', async (t) => {
  const registry = await openRegistry(t, 'password');
  const engine = await openEngine(t);
  const name = `${registry.host}/app:1`;
  await importImage(engine, name);
  await fails(
    drain(engine.images.push(name, {})),
    'unauthorized',
    /wants a user name and a password/,
  );
  const wrong = authHeader({ username: 'tester', password: 'no' });
  await fails(
    drain(engine.images.push(name, { auth: wrong })),
    'unauthorized',
    /refused the credentials/,
  );
  await drain(engine.images.push(name, { auth: authHeader() }));
  await drain(engine.images.pull(name, { auth: authHeader() }));
  const login = { username: 'tester', password: 'open sesame', serveraddress: registry.host };
  assert.equal((await engine.system.login(login)).Status, 'Login Succeeded');
  await fails(
    engine.system.login({ ...login, password: 'no' }),
    'unauthorized',
    /refused the credentials/,
  );
});

test('a registry with a token server: one token for each scope, none for a stranger who pushes', async (t) => {
  const registry = await openRegistry(t, 'token');
  const engine = await openEngine(t);
  const name = `${registry.host}/app:1`;
  await importImage(engine, name);
  await fails(drain(engine.images.push(name, {})), 'unauthorized', /./);
  await drain(engine.images.push(name, { auth: authHeader() }));
  registry.tokenRequests.length = 0;
  await drain(engine.images.pull(name, {}));
  assert.equal(registry.tokenRequests.length, 1);
  assert.match(registry.tokenRequests[0] ?? '', /scope=repository%3Aapp%3Apull$/);
});

test('a registry with a certificate of its own authority: refused without it, taken with it, never in plain HTTP', async (t) => {
  const registry = await openRegistry(t, 'tls');
  const name = `${registry.host}/app:1`;
  const trusting = await openEngine(t, { [registry.host]: { ca: registry.caPath } });
  await importImage(trusting, name);
  await drain(trusting.images.push(name, {}));
  const strict = await openEngine(t);
  await fails(
    drain(strict.images.pull(name, {})),
    'unavailable',
    /its TLS certificate is not accepted/,
  );
  const lax = await openEngine(t, { [registry.host]: { insecure: true } });
  await drain(lax.images.pull(name, {}));
});

test('a registry that wants client certificates: refused without, taken with the ones of its settings', async (t) => {
  const registry = await openRegistry(t, 'client-tls');
  const name = `${registry.host}/app:1`;
  const stranger = await openEngine(t, { [registry.host]: { ca: registry.caPath } });
  await importImage(stranger, name);
  await fails(
    drain(stranger.images.push(name, {})),
    'unavailable',
    /it does not accept the client certificate, or wants one/,
  );
  const known = await openEngine(t, {
    [registry.host]: {
      ca: registry.caPath,
      clientCertificate: join(registry.directory, 'cert.pem'),
      clientKey: join(registry.directory, 'key.pem'),
    },
  });
  await importImage(known, name);
  await drain(known.images.push(name, {}));
  const missing = await openEngine(t, {
    [registry.host]: { clientCertificate: '/nowhere/cert.pem', clientKey: '/nowhere/key.pem' },
  });
  await fails(
    drain(missing.images.pull(name, {})),
    'invalid',
    /\/nowhere\/cert\.pem cannot be read/,
  );
});

test('skopeo reads what was pushed and saved, and what skopeo wrote loads here', async (t) => {
  const registry = await openRegistry(t, 'plain');
  const engine = await openEngine(t);
  const name = `${registry.host}/app:1`;
  const id = await importImage(engine, name);
  await drain(engine.images.push(name, {}));
  const folder = mkdtempSync(join(tmpdir(), 'carve-skopeo-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const skopeo = (...args: string[]): string =>
    execFileSync('skopeo', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const copied = (target: string): string =>
    skopeo('copy', '--src-tls-verify=false', `docker://${name}`, target);
  copied(`docker-archive:${folder}/docker.tar:copied:docker`);
  copied(`oci-archive:${folder}/oci.tar:copied:oci`);
  await engine.images.remove(name, { force: true, noPrune: false });
  for (const kind of ['docker', 'oci']) {
    const loaded = await drain(engine.images.load(createReadStream(join(folder, `${kind}.tar`))));
    assert.ok(
      loaded.some(({ stream }) => stream?.startsWith('Loaded image') === true),
      JSON.stringify(loaded),
    );
    assert.equal((await engine.images.inspect(id)).Id, id, `${kind} keeps the id`);
  }
  await engine.images.tag(id, 'mine:1');
  const archive = await engine.images.save(['mine:1']);
  await pipeline(archive, createWriteStream(join(folder, 'saved.tar')));
  const inspected = JSON.parse(
    skopeo('inspect', '--config', `docker-archive:${folder}/saved.tar`),
  ) as { readonly config: { readonly Cmd: readonly string[] } };
  assert.deepEqual(inspected.config.Cmd, ['sh']);
});

test('a download that breaks goes on where it stopped, also in another engine process', async (t) => {
  const registry = await openRegistry(t, 'plain');
  const source = await openEngine(t);
  await importImage(source, `${registry.host}/big:1`, 3 * MIB);
  await drain(source.images.push(`${registry.host}/big:1`, {}));
  const front = await openFront(t, registry, (path, count) =>
    /^GET .*\/blobs\//.test(path) && count === 1
      ? { kind: 'cut', afterBytes: MIB }
      : { kind: 'pass' },
  );
  const engine = await openEngine(t);
  await drain(engine.images.pull(`${front.host}/big:1`, {}));
  const ranges = front.requests.flatMap(({ range }) => range ?? []);
  assert.ok(
    ranges.some((range) => /^bytes=[1-9]\d+-$/.test(range)),
    JSON.stringify(front.requests),
  );
});

test('many pulls of one image download each blob once', async (t) => {
  const registry = await openRegistry(t, 'plain');
  const source = await openEngine(t);
  await importImage(source, `${registry.host}/shared:1`, 2 * MIB);
  await drain(source.images.push(`${registry.host}/shared:1`, {}));
  const front = await openFront(t, registry, () => ({ kind: 'pass' }));
  const engine = await openEngine(t);
  await Promise.all(
    Array.from({ length: 16 }, async () => drain(engine.images.pull(`${front.host}/shared:1`, {}))),
  );
  const layerRequests = front.requests.filter(
    ({ method, path }) => method === 'GET' && path.includes('/blobs/'),
  );
  const byPath = new Map<string, number>();
  for (const { path } of layerRequests) byPath.set(path, (byPath.get(path) ?? 0) + 1);
  const inspected = await engine.images.inspect(`${front.host}/shared:1`);
  assert.equal(inspected.RootFS.Layers.length, 1);
  const config = `/v2/shared/blobs/${inspected.Id}`;
  for (const [path, count] of byPath) if (path !== config) assert.equal(count, 1, path);
});

test('a cancelled pull leaves no image, and the next one resumes', async (t) => {
  const registry = await openRegistry(t, 'plain');
  const source = await openEngine(t);
  await importImage(source, `${registry.host}/slow:1`, 3 * MIB);
  await drain(source.images.push(`${registry.host}/slow:1`, {}));
  const { promise: release, resolve: letGo } = Promise.withResolvers<void>();
  t.after(() => letGo());
  const front = await openFront(t, registry, (path, count) =>
    /^GET .*\/blobs\//.test(path) && count === 1
      ? { kind: 'hold', afterBytes: 2 * MIB, release }
      : { kind: 'pass' },
  );
  const engine = await openEngine(t);
  const cancel = new AbortController();
  const pull = (async () => {
    for await (const { status } of engine.images.pull(`${front.host}/slow:1`, {
      signal: cancel.signal,
    })) {
      if (status === 'Downloading') cancel.abort();
    }
  })();
  await fails(pull, 'cancelled', /cancelled/);
  assert.deepEqual(
    await engine.images.list({ all: true, filters: {}, digests: false, sharedSize: false }),
    [],
  );
  await drain(engine.images.pull(`${front.host}/slow:1`, {}));
  assert.ok(
    front.requests.some(({ range }) => range !== undefined),
    'the second pull asked for the rest only',
  );
});

test('a registry that lies or fails ends in one sentence and no image', async (t) => {
  const registry = await openRegistry(t, 'plain');
  const source = await openEngine(t);
  await importImage(source, `${registry.host}/app:1`);
  await drain(source.images.push(`${registry.host}/app:1`, {}));
  const rows: readonly (readonly [string, RegExp, Meddling, ErrorKind, RegExp])[] = [
    [
      'wrong layer bytes',
      /^GET .*\/blobs\//,
      { kind: 'answer', status: 200, body: Buffer.alloc(10) },
      'unavailable',
      /ended after|could not|digest|size/i,
    ],
    [
      'a manifest of another type',
      /^GET .*\/manifests\//,
      { kind: 'answer', status: 200, headers: { 'Content-Type': 'text/html' }, body: '<html>' },
      'invalid',
      /./,
    ],
    [
      'a manifest that is two things',
      /^GET .*\/manifests\//,
      {
        kind: 'answer',
        status: 200,
        headers: { 'Content-Type': 'application/vnd.oci.image.index.v1+json' },
        body: '{"schemaVersion":2,"manifests":[],"layers":[]}',
      },
      'invalid',
      /index and a manifest at once/,
    ],
    [
      'a huge manifest',
      /^GET .*\/manifests\//,
      {
        kind: 'answer',
        status: 200,
        headers: { 'Content-Type': 'application/vnd.oci.image.manifest.v1+json' },
        body: Buffer.alloc(5 * MIB, 32),
      },
      'exhausted',
      /larger than/,
    ],
    [
      'a wrong digest header',
      /^GET .*\/manifests\//,
      {
        kind: 'answer',
        status: 200,
        headers: { 'Docker-Content-Digest': `sha256:${'0'.repeat(64)}` },
        body: '{}',
      },
      'corrupt',
      /instead of/,
    ],
    [
      'not found',
      /^GET .*\/manifests\//,
      {
        kind: 'answer',
        status: 404,
        body: '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}',
      },
      'not-found',
      /manifest for .* not found: manifest unknown/,
    ],
    [
      'denied',
      /^GET .*\/manifests\//,
      { kind: 'answer', status: 403, body: '{"errors":[{"code":"DENIED","message":"no"}]}' },
      'not-found',
      /pull access denied/,
    ],
    [
      'a server that has gone mad',
      /^GET .*\/manifests\//,
      { kind: 'answer', status: 418 },
      'invalid',
      /status 418/,
    ],
  ];
  for (const [name, pattern, meddling, kind, message] of rows) {
    const front = await openFront(t, registry, (path) =>
      pattern.test(path) ? meddling : { kind: 'pass' },
    );
    const engine = await openEngine(t);
    await assert.rejects(drain(engine.images.pull(`${front.host}/app:1`, {})), (error) => {
      assert.ok(isEngineError(error), `${name}: ${String(error)}`);
      assert.match(error.message, message, name);
      assert.ok(
        error.kind === kind || error.kind === 'corrupt',
        `${name}: ${error.kind} ${error.message}`,
      );
      return true;
    });
    assert.deepEqual(
      await engine.images.list({ all: true, filters: {}, digests: false, sharedSize: false }),
      [],
      name,
    );
  }
});

test('mirrors answer first, and the registry when they do not', async (t) => {
  const registry = await openRegistry(t, 'plain');
  const source = await openEngine(t);
  await importImage(source, `${registry.host}/app:1`);
  await drain(source.images.push(`${registry.host}/app:1`, {}));
  const good = await openFront(t, registry, () => ({ kind: 'pass' }));
  const bad = await openFront(t, registry, (path) =>
    path.includes('/manifests/') ? { kind: 'answer', status: 404 } : { kind: 'pass' },
  );
  const engine = await openEngine(t, {
    'nowhere.invalid': { mirrors: [`http://${bad.host}`, `http://${good.host}`] },
  });
  await drain(engine.images.pull('nowhere.invalid/app:1', { auth: authHeader() }));
  assert.ok(bad.requests.some(({ path }) => path.includes('/manifests/')));
  assert.ok(
    [...bad.requests, ...good.requests].every(({ authorization }) => authorization === undefined),
    'mirrors never see the credentials',
  );
  assert.deepEqual((await engine.images.inspect('nowhere.invalid/app:1')).RepoTags, [
    'nowhere.invalid/app:1',
  ]);
  const blocked = await openEngine(t, { 'nowhere.invalid': { blocked: true } });
  await fails(drain(blocked.images.pull('nowhere.invalid/app:1', {})), 'denied', /blocked/);
});
