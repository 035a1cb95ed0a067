/** I1–I11: what a hostile registry, or somebody between, would like to get. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import tls from 'node:tls';
import { type ErrorKind, isEngineError } from '../../src/base/error.ts';
import { pushImage } from '../../src/images/push/push.ts';
import type { Credentials } from '../../src/images/remote.ts';
import { parseReference } from '../../src/spec/reference.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { digestBytes } from '../../src/spec/digest.ts';
import { MEDIA_TYPE } from '../../src/spec/media-type.ts';
import { answer, ScriptedRegistry } from '../fakes/scripted-registry.ts';
import { handImage, ImageFixture, layoutEntries } from '../kernel/image-fixture.ts';
import { PullRig, serveImage } from '../kernel/pull-rig.ts';
import { DaemonFixture } from './daemon-fixture.ts';

const SECRET = 'canary-secret-7d1f';
const USER: Credentials = { kind: 'password', username: 'tester', password: SECRET };
const IMAGE = handImage([[{ type: 'file', path: 'f', content: 'x' }]]);
const OTHER = handImage([[{ type: 'file', path: 'f', content: 'another' }]]);

async function startRegistry(t: TestContext, address?: string): Promise<ScriptedRegistry> {
  const registry = await ScriptedRegistry.start(address);
  t.after(() => registry.stop());
  return registry;
}

async function fails(work: Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isEngineError(error), error instanceof Error ? error.stack : String(error));
    assert.match(error.message, message);
    assert.equal(error.kind, kind, error.message);
    return true;
  });
}

/** Whether anything of a request says who asks. */
function betrays(registry: ScriptedRegistry): readonly string[] {
  const basic = Buffer.from(`tester:${SECRET}`).toString('base64');
  return registry.requests.flatMap(({ path, headers }) => {
    const all = `${path} ${JSON.stringify(headers)}`;
    const isSecret = [SECRET, basic, 'authorization', 'cookie'].some((word) => all.includes(word));
    return isSecret ? [all] : [];
  });
}

test('I4: credentials follow no redirect, no upload address and no foreign layer to another origin', async (t) => {
  const registry = await startRegistry(t);
  const spies = await Promise.all(
    ['127.0.0.2', '127.0.0.3', '127.0.0.4'].map(async (address) => startRegistry(t, address)),
  );
  const [blobs, uploads, foreign] = spies;
  assert.ok(blobs !== undefined && uploads !== undefined && foreign !== undefined);
  const manifest = JSON.parse(IMAGE.manifest.toString()) as { readonly layers: readonly object[] };
  const withUrls = Buffer.from(
    JSON.stringify({
      ...manifest,
      layers: manifest.layers.map((layer) => ({
        ...layer,
        urls: [`http://${foreign.host}/layer`],
      })),
    }),
  );
  serveImage(registry, '1', IMAGE);
  for (const blob of [IMAGE.config, ...IMAGE.layers]) blobs.addBlob(blob);
  registry.addDocument('1', { mediaType: MEDIA_TYPE.ociManifest, bytes: withUrls });
  uploads.script = () => answer(201);
  registry.script = ({ method, path, headers }) => {
    if (path === '/v2/') return undefined;
    if (headers.authorization === undefined)
      return answer(401, { 'WWW-Authenticate': 'Basic realm="x"', 'Set-Cookie': `s=${SECRET}` });
    if (method === 'HEAD') return answer(404);
    if (method === 'POST') return answer(202, { Location: `http://${uploads.host}/upload` });
    if (path.includes('/blobs/')) return answer(307, { Location: `http://${blobs.host}${path}` });
    return undefined;
  };
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    const { image } = await rig.pull(`${registry.host}/app:1`, { credentials: USER });
    assert.ok(registry.requests.some(({ headers }) => headers.authorization !== undefined));
    const push = pushImage(
      { content: fixture.content, access: rig.access },
      {
        image,
        reference: { ...parseReference(`${registry.host}/copy`), tag: '1' },
        credentials: USER,
      },
    );
    await push.catch(() => undefined);
  });
  assert.ok(blobs.requests.length > 0 && uploads.requests.length > 0);
  assert.deepEqual(foreign.requests, [], 'foreign layers are not fetched');
  for (const spy of spies) assert.deepEqual(betrays(spy), []);
});

test('I4: a registry’s authority vouches for the storage it redirects to; its client certificate stays at home', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'carve-redirect-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  const openssl = (...argv: string[]): void =>
    void execFileSync('openssl', argv, { cwd: folder, stdio: 'ignore' });
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test');
  openssl('req', ...key, '-keyout', 'key.pem', '-out', 'request.pem', '-subj', '/CN=us');
  writeFileSync(join(folder, 'ext'), 'subjectAltName=IP:127.0.0.1,IP:127.0.0.2\n');
  const issuer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
  openssl('x509', '-req', '-in', 'request.pem', ...issuer, '-extfile', 'ext', '-out', 'cert.pem');
  const pem = (name: string): Buffer => readFileSync(join(folder, name));
  const serve = async (address: string, wantsClient: boolean, target = ''): Promise<string> => {
    const options = { cert: pem('cert.pem'), key: pem('key.pem'), ca: pem('ca.pem') };
    const client = { requestCert: wantsClient, rejectUnauthorized: wantsClient };
    const server = https.createServer({ ...options, ...client }, (request, response) => {
      const { url: path = '/' } = request;
      const blob = [IMAGE.config, ...IMAGE.layers].find((bytes) =>
        path.endsWith(digestBytes(bytes)),
      );
      if (blob === undefined)
        response.setHeader('Content-Type', MEDIA_TYPE.ociManifest).end(IMAGE.manifest);
      else if (target === '') response.end(blob);
      else response.writeHead(307, { Location: `https://${target}${path}` }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return `${address}:${(server.address() as AddressInfo).port}`;
  };
  const pull = async (wantsClient: boolean): Promise<void> => {
    const storage = await serve('127.0.0.2', wantsClient);
    const registry = await serve('127.0.0.1', true, storage);
    await ImageFixture.withImages(async (fixture) => {
      using rig = new PullRig(fixture, {
        [registry]: {
          ca: join(folder, 'ca.pem'),
          clientCertificate: join(folder, 'cert.pem'),
          clientKey: join(folder, 'key.pem'),
        },
      });
      const { image } = await rig.pull(`${registry}/app:1`);
      assert.equal(image.id, IMAGE.configDigest);
    });
  };
  await pull(false);
  await fails(pull(true), 'unavailable', /127\.0\.0\.2.* the client certificate/);
});

test('I4: a token server that redirects gets nobody’s credentials to another place', async (t) => {
  const registry = await startRegistry(t);
  const tokens = await startRegistry(t, '127.0.0.2');
  const spy = await startRegistry(t, '127.0.0.3');
  tokens.script = () => answer(307, { Location: `http://${spy.host}/token` });
  registry.script = ({ headers }) =>
    headers.authorization === undefined
      ? answer(401, {
          'WWW-Authenticate': `Bearer realm="http://${tokens.host}/token",service="x"`,
        })
      : undefined;
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    const pull = rig.pull(`${registry.host}/app:1`, { credentials: USER });
    await fails(pull, 'unavailable', /token server .* answered 307/);
  });
  assert.deepEqual(spy.requests, []);
});

test('I4: a mirror never sees the credentials of the registry', async (t) => {
  const mirror = await startRegistry(t, '127.0.0.2');
  serveImage(mirror, '1', IMAGE);
  mirror.script = ({ headers, path }) =>
    headers.authorization === undefined && path.includes('/manifests/')
      ? answer(401, { 'WWW-Authenticate': 'Basic realm="give it to me"' })
      : undefined;
  const registry = await startRegistry(t);
  serveImage(registry, '1', IMAGE);
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture, {
      [registry.host]: { mirrors: [{ url: `http://${mirror.host}` }] },
    });
    await rig.pull(`${registry.host}/app:1`, { credentials: USER });
  });
  assert.ok(mirror.requests.length > 0);
  assert.deepEqual(betrays(mirror), []);
});

test('I4: an upload address that is none, or gives up TLS, is refused in a sentence', async (t) => {
  const registry = await startRegistry(t);
  const places = [
    'file:///etc/passwd',
    'gopher://127.0.0.1/',
    'http://u:p@127.0.0.1/x',
    'http://[',
  ];
  await ImageFixture.withImages(async (fixture) => {
    serveImage(registry, '1', IMAGE);
    using rig = new PullRig(fixture);
    const { image } = await rig.pull(`${registry.host}/app:1`);
    for (const place of places) {
      registry.script = ({ method }) => {
        if (method === 'HEAD') return answer(404);
        return method === 'POST' ? answer(202, { Location: place }) : undefined;
      };
      const push = pushImage(
        { content: fixture.content, access: rig.access },
        {
          image,
          reference: { ...parseReference(`${registry.host}/copy`), tag: '1' },
          credentials: undefined,
        },
      );
      await fails(push, 'unavailable', /^Cannot push .*: .* sends to an address that is none$/);
    }
  });
});

test('I7: a registry sends nobody to addresses that only this machine reaches', async (t) => {
  const registry = await startRegistry(t);
  const realms: readonly (readonly [realm: string, message: RegExp])[] = [
    ['http://169.254.169.254/token', /may not send carve to 169\.254\.169\.254/],
    ['http://2852039166/token', /may not send carve to/],
    ['http://0xa9fea9fe/token', /may not send carve to/],
    ['http://[::ffff:169.254.169.254]/token', /may not send carve to/],
    ['http://[fe80::1]/token', /may not send carve to/],
    ['http://0.0.0.0/token', /may not send carve to/],
    ['file:///etc/passwd', /no usable address/],
    ['gopher://127.0.0.1/', /no usable address/],
    ['http://user:word@127.0.0.1/', /no usable address/],
    ['', /Cannot/],
  ];
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    for (const [realm, message] of realms) {
      registry.script = () => answer(401, { 'WWW-Authenticate': `Bearer realm="${realm}"` });
      await assert.rejects(
        rig.pull(`${registry.host}/app:1`, { credentials: USER }),
        (error) => isEngineError(error) && message.test(error.message),
        realm,
      );
    }
  });
});

/** Listens for TLS with a certificate, and remembers the first byte of every connection. */
async function startTls(
  t: TestContext,
  names: string,
  days = '2',
): Promise<{ readonly port: number; readonly first: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'carve-tls-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-out',
      certificate,
      '-days',
      days,
      '-subj',
      '/CN=x',
      '-addext',
      `subjectAltName=${names}`,
    ],
    { stdio: 'ignore' },
  );
  const secure = tls.createServer({ key: readFileSync(key), cert: readFileSync(certificate) });
  const first: number[] = [];
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes) => {
      first.push(bytes[0] ?? -1);
      socket.pause();
      secure.emit('connection', socket);
      socket.unshift(bytes);
      socket.resume();
    });
  });
  secure.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    secure.close();
  });
  return { port: (server.address() as AddressInfo).port, first };
}

test('I6: a certificate that is not accepted ends the pull, and nothing is said in plain text', async (t) => {
  const servers = [
    ['signed by itself', await startTls(t, 'IP:127.0.0.1')],
    ['for another name', await startTls(t, 'DNS:other.example')],
  ] as const;
  for (const [what, { port, first }] of servers) {
    await ImageFixture.withImages(async (fixture) => {
      using rig = new PullRig(fixture);
      const pull = rig.pull(`127.0.0.1:${port}/app:1`, { credentials: USER });
      await fails(pull, 'unavailable', /its TLS certificate is not accepted/);
    });
    assert.ok(first.length > 0, what);
    assert.deepEqual(
      first.filter((byte) => byte !== 0x16),
      [],
      `${what}: plain text was sent`,
    );
  }
});

/** Documents that are two things, or not what they are called. */
const AMBIGUOUS: readonly (readonly [
  name: string,
  mediaType: string,
  change: (m: object) => object,
])[] = [
  ['an index and a manifest', MEDIA_TYPE.ociManifest, (m) => ({ ...m, manifests: [] })],
  [
    'an index with layers',
    MEDIA_TYPE.ociIndex,
    (m) => ({ ...m, mediaType: MEDIA_TYPE.ociIndex, manifests: [] }),
  ],
  [
    'an index with a configuration',
    MEDIA_TYPE.ociIndex,
    () => ({ schemaVersion: 2, manifests: [], config: {} }),
  ],
  ['a manifest called an index', MEDIA_TYPE.ociIndex, (m) => ({ ...m, mediaType: undefined })],
  [
    'an index called a manifest',
    MEDIA_TYPE.ociManifest,
    () => ({ schemaVersion: 2, manifests: [] }),
  ],
  [
    'a manifest that says it is an index',
    MEDIA_TYPE.ociManifest,
    (m) => ({ ...m, mediaType: MEDIA_TYPE.ociIndex }),
  ],
  [
    'a manifest of OCI that says it is Docker’s',
    MEDIA_TYPE.ociManifest,
    (m) => ({ ...m, mediaType: MEDIA_TYPE.dockerManifest }),
  ],
  ['neither of both', MEDIA_TYPE.ociManifest, () => ({ schemaVersion: 2 })],
  [
    'a manifest with a null type and an index',
    MEDIA_TYPE.ociManifest,
    (m) => ({ ...m, mediaType: null, manifests: [{}] }),
  ],
];
for (const [name, mediaType, change] of AMBIGUOUS) {
  test(`I2: ${name} is refused by pull and load`, async (t) => {
    const registry = await startRegistry(t);
    const manifest = Buffer.from(
      JSON.stringify(change(JSON.parse(IMAGE.manifest.toString()) as object)),
    );
    serveImage(registry, '1', IMAGE);
    registry.addDocument('1', { mediaType, bytes: manifest });
    const manifestDescriptor = { mediaType, digest: digestBytes(manifest), size: manifest.length };
    const layout = layoutEntries([
      { image: { ...IMAGE, manifest, manifestDescriptor }, name: 'app:1' },
    ]);
    await ImageFixture.withImages(async (fixture) => {
      using rig = new PullRig(fixture);
      await fails(rig.pull(`${registry.host}/app:1`), 'invalid', /^Cannot use manifest: /);
      await fails(fixture.load(encodeTar(layout)), 'invalid', /^Cannot use manifest: /);
      await fixture.images.collect();
      assert.deepEqual(await fixture.inventory(), { images: 0, layers: 0, blobs: 0 });
    });
  });
}

test('I11: what a tag led to is pulled, though the tag moves in the middle', async (t) => {
  const registry = await startRegistry(t);
  serveImage(registry, '1', IMAGE);
  registry.script = ({ path }) => {
    // From the first question on the tag is another image’s.
    if (path.includes('/blobs/')) serveImage(registry, '1', OTHER);
    return undefined;
  };
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    const { image, digest } = await rig.pull(`${registry.host}/app:1`);
    assert.deepEqual([image.id, digest], [IMAGE.configDigest, IMAGE.manifestDescriptor.digest]);
    const pinned = `${registry.host}/app:1@${IMAGE.manifestDescriptor.digest}`;
    registry.requests.length = 0;
    assert.equal((await rig.pull(pinned)).image.id, IMAGE.configDigest);
    const asked = registry.requests.filter(({ path }) => path.includes('/manifests/'));
    assert.ok(asked.every(({ path }) => path.endsWith(IMAGE.manifestDescriptor.digest)));
  });
});

test('I11: a name with a digest is answered by nothing but that digest', async (t) => {
  const registry = await startRegistry(t);
  serveImage(registry, '1', OTHER);
  const name = `${registry.host}/app`;
  const pinned = `${name}@${IMAGE.manifestDescriptor.digest}`;
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    await rig.pull(`${name}:1`);
    assert.equal(fixture.images.find(`${name}:1`)?.id, OTHER.configDigest);
    for (const ref of [pinned, `${name}:1@${IMAGE.manifestDescriptor.digest}`]) {
      assert.equal(fixture.images.find(ref), undefined, ref);
      await fails(rig.pull(ref), 'not-found', /not here/);
    }
    registry.script = ({ path }) =>
      path.endsWith(IMAGE.manifestDescriptor.digest)
        ? answer(200, { 'Content-Type': MEDIA_TYPE.ociManifest }, OTHER.manifest)
        : undefined;
    await fails(rig.pull(pinned), 'corrupt', /instead of/);
  });
});

test('I10: a list of tags without end ends', async (t) => {
  const registry = await startRegistry(t);
  registry.script = ({ path }) => {
    if (!path.includes('/tags/list')) return undefined;
    const next = `</v2/app/tags/list?last=${registry.requests.length}>; rel="next"`;
    return answer(200, { Link: next }, '{"name":"app","tags":["a"]}');
  };
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    const { pullEndpoints } = await import('../../src/images/registry/endpoint.ts');
    const [endpoint] = pullEndpoints(parseReference(`${registry.host}/app:1`), rig.access.config);
    assert.ok(endpoint !== undefined);
    const client = await rig.access.open(endpoint, { display: 'app', credentials: undefined });
    await client.listTags().catch((error: unknown) => assert.ok(isEngineError(error)));
    assert.ok(registry.requests.length <= 1100, String(registry.requests.length));
  });
});

test('I5: a secret is in no log, no file, no command line and no event', async (t) => {
  const registry = await startRegistry(t);
  registry.script = ({ headers }) =>
    headers.authorization === undefined
      ? answer(401, { 'WWW-Authenticate': 'Basic realm="x"' })
      : undefined;
  serveImage(registry, '1', IMAGE);
  await using daemon = new DaemonFixture();
  await daemon.start({ env: { CARVE_LOG: 'debug', CARVE_LOG_LEVEL: 'debug' } });
  const login = { username: 'tester', password: SECRET, serveraddress: registry.host };
  const { status, text } = await daemon.api('POST', '/auth', login);
  assert.equal(status, 200, text);
  const wrong = await daemon.api('POST', '/auth', { ...login, serveraddress: `${registry.host}9` });
  assert.notEqual(wrong.status, 200);
  const events = await daemon.api('GET', '/events?since=0&until=1');
  const words = [SECRET, Buffer.from(`tester:${SECRET}`).toString('base64')];
  const texts = [text, wrong.text, events.text, daemon.log, ...commandLines()];
  for (const word of words) {
    assert.ok(texts.every((each) => !each.includes(word)));
    const places = [daemon.root, daemon.run];
    const found = execFileSync('sh', ['-c', 'grep -rlaF "$0" "$@" || true', word, ...places], {
      encoding: 'utf8',
    });
    assert.equal(found, '');
  }
});

function commandLines(): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8')] : [];
    } catch {
      return [];
    }
  });
}

test('F6: pulls that share layers, cancelled and spoilt in between, all end, and each layer is there once', async (t) => {
  const registry = await startRegistry(t);
  const shared = Array.from({ length: 3 }, (_, i) => [
    { type: 'file' as const, path: `shared-${i}`, content: String(i).repeat(50_000) },
  ]);
  const images = Array.from({ length: 8 }, (_, i) =>
    handImage([...shared, [{ type: 'file', path: 'own', content: String(i).repeat(20_000) }]]),
  );
  for (const [i, image] of images.entries()) serveImage(registry, `t${i}`, image);
  let turn = 0;
  registry.script = ({ path }) => {
    // One blob of ten comes spoilt.
    if (!path.includes('/blobs/') || ++turn % 10 !== 3) return undefined;
    const blob = Buffer.from(registry.blobs.get(path.slice(path.lastIndexOf('/') + 1)) ?? '');
    blob[blob.length >> 1] = (blob[blob.length >> 1] ?? 0) ^ 1;
    return answer(200, {}, blob);
  };
  await ImageFixture.withImages(async (fixture) => {
    using rig = new PullRig(fixture);
    const outcomes = await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        const abort = new AbortController();
        let steps = 0;
        const onProgress = (): void => {
          // Three of ten give up, each at another step.
          if (i % 10 < 3 && ++steps > i % 7) abort.abort();
        };
        const options = { signal: abort.signal, onProgress };
        return await rig.pull(`${registry.host}/app:t${i % 8}`, options).then(
          () => 'pulled',
          (error: unknown) => (isEngineError(error) ? error.kind : String(error)),
        );
      }),
    );
    const kinds = new Set(outcomes);
    for (const kind of kinds) assert.match(kind, /^(?:pulled|cancelled|corrupt|invalid)$/);
    registry.script = () => undefined;
    for (let i = 0; i < 8; i++) await rig.pull(`${registry.host}/app:t${i}`);
    assert.equal(fixture.images.list().length, 8);
    assert.equal(fixture.store.listLayers().length, 3 + 8);
    for (const { digest } of await blobsOf(fixture)) await fixture.content.verify(digest);
  });
});

async function blobsOf(
  fixture: ImageFixture,
): Promise<readonly { readonly digest: ReturnType<typeof digestBytes> }[]> {
  const blobs = [];
  for await (const blob of fixture.content.list()) blobs.push(blob);
  return blobs;
}
