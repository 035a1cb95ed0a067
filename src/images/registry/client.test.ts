import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { isEngineError } from '../../base/error.ts';
import { digestBytes } from '../../spec/digest.ts';
import { MEDIA_TYPE } from '../../spec/media-type.ts';
import { parseReference } from '../../spec/reference.ts';
import { RegistryClient } from './client.ts';
import { EMPTY_REGISTRY_CONFIG, parseRegistryConfig } from './config.ts';
import { decodeAuthHeader, type Credentials } from './credentials.ts';
import { pullEndpoints } from './endpoint.ts';
import { nextLink, nextPage } from './link.ts';
import { proxyFor } from './proxy.ts';
import { delayMs, retryAfterMs } from './retry.ts';
import { Session } from './session.ts';
import { problemOf } from './status-error.ts';
import { pushDocument } from './subject.ts';
import { createTransport } from './transport.ts';
import { uploadedBytes, withDigest } from './upload.ts';

type Handler = (request: http.IncomingMessage, response: http.ServerResponse, body: Buffer) => void;

async function serve(
  t: TestContext,
  handler: Handler,
): Promise<{ readonly host: string; readonly seen: http.IncomingMessage[] }> {
  const seen: http.IncomingMessage[] = [];
  const server = http.createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      seen.push(request);
      handler(request, response, Buffer.concat(parts));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

function clientOf(
  t: TestContext,
  host: string,
  credentials?: Credentials,
  sleep: () => Promise<void> = () => Promise.resolve(),
): RegistryClient {
  const transport = createTransport();
  t.after(() => transport.close());
  const reference = parseReference(`${host}/a/b:1`);
  const config = parseRegistryConfig(
    JSON.stringify({ registries: { [host]: { insecure: true } } }),
  );
  const [endpoint] = pullEndpoints(reference, config);
  assert.ok(endpoint !== undefined);
  const clock = { nowMs: () => 0, dice: () => 0, sleep };
  const session = new Session({
    transport,
    endpoint,
    tls: { isVerified: false },
    credentials,
    retry: { clock },
    nowMs: () => 0,
  });
  return new RegistryClient(session, { path: 'a/b', display: `${host}/a/b:1` });
}

const MANIFEST = Buffer.from('{"schemaVersion":2}');

test('getManifest() falls to plain HTTP only for an insecure registry and returns the digest of the bytes', async (t) => {
  const { host, seen } = await serve(t, (_request, response) =>
    response.setHeader('Content-Type', 'x/y; charset=utf-8').end(MANIFEST),
  );
  const found = await clientOf(t, host).getManifest('1');
  assert.equal(found.digest, digestBytes(MANIFEST));
  assert.equal(found.mediaType, 'x/y');
  assert.match(
    seen.at(-1)?.headers['accept'] ?? '',
    /^application\/vnd\.oci\.image\.index\.v1\+json/,
  );
});

test('getManifest() refuses bytes that are not what the digest or the header says', async (t) => {
  const wrong = digestBytes('other');
  const { host } = await serve(t, (_request, response) =>
    response.setHeader('Docker-Content-Digest', wrong).end(MANIFEST),
  );
  const client = clientOf(t, host);
  await assert.rejects(
    client.getManifest('1'),
    (error) => isEngineError(error) && error.kind === 'corrupt',
  );
  await assert.rejects(
    client.getManifest(wrong),
    (error) => isEngineError(error) && error.kind === 'corrupt',
  );
});

test('getManifest() holds bytes against a sha512 digest too', async (t) => {
  const { host } = await serve(t, (_request, response) => response.end(MANIFEST));
  const client = clientOf(t, host);
  const sha512 = (text: Uint8Array | string): string =>
    `sha512:${createHash('sha512').update(text).digest('hex')}`;
  assert.equal((await client.getManifest(sha512(MANIFEST))).digest, digestBytes(MANIFEST));
  await assert.rejects(
    client.getManifest(sha512('other')),
    (error) => isEngineError(error) && error.kind === 'corrupt',
  );
});

test('a bearer challenge is answered once, cached, and basic credentials go to the token server only', async (t) => {
  const tokens = await serve(t, (_request, response) =>
    response.end('{"token":"T1","expires_in":300}'),
  );
  const registry = await serve(t, (request, response) => {
    if (request.headers.authorization !== 'Bearer T1') {
      response
        .writeHead(401, {
          'WWW-Authenticate': `Bearer realm="http://${tokens.host}/token",service="s",scope="repository:a/b:pull"`,
        })
        .end();
    } else response.end(MANIFEST);
  });
  const client = clientOf(t, registry.host, { kind: 'password', username: 'u', password: 'p' });
  await client.getManifest('1');
  await client.getManifest('2');
  assert.equal(tokens.seen.length, 1);
  assert.equal(
    tokens.seen[0]?.headers.authorization,
    `Basic ${Buffer.from('u:p').toString('base64')}`,
  );
  assert.equal(
    tokens.seen.at(0)?.url,
    '/token?service=s&scope=repository%3Aa%2Fb%3Apull&account=u',
  );
  assert.ok(
    registry.seen.every((request) => !(request.headers.authorization ?? '').startsWith('Basic')),
  );
});

test('a redirect to another origin carries no credentials', async (t) => {
  const blob = Buffer.from('blob');
  const storage = await serve(t, (_request, response) => response.end(blob));
  const registry = await serve(t, (request, response) => {
    if (request.headers.authorization === undefined)
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' }).end();
    else response.writeHead(307, { Location: `http://${storage.host}/signed?x=1` }).end();
  });
  const client = clientOf(t, registry.host, { kind: 'password', username: 'u', password: 'p' });
  const { body } = await client.openBlob(digestBytes(blob), { offsetBytes: 0 });
  const parts: Buffer[] = [];
  for await (const part of body as AsyncIterable<Buffer>) parts.push(part);
  assert.equal(Buffer.concat(parts).toString(), 'blob');
  assert.equal(storage.seen[0]?.headers.authorization, undefined);
  assert.equal(storage.seen[0]?.headers['cookie'], undefined);
});

test('a write is sent on by 307 and 308, with its body and without credentials, and by nothing else', async (t) => {
  const bodies: string[] = [];
  const storage = await serve(t, (request, response, body) => {
    bodies.push(
      `${request.method ?? ''} ${request.headers.authorization ?? 'nobody'} ${String(body)}`,
    );
    response.writeHead(201).end();
  });
  let status = 307;
  const registry = await serve(t, (request, response) => {
    if (request.headers.authorization === undefined)
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' }).end();
    else response.writeHead(status, { Location: `http://${storage.host}/there` }).end();
  });
  const client = clientOf(t, registry.host, { kind: 'password', username: 'u', password: 'p' });
  const upload = { reference: '1', mediaType: 'x/y', bytes: MANIFEST };
  for (status of [307, 308]) await client.putManifest(upload);
  assert.deepEqual(bodies, Array(2).fill(`PUT nobody ${String(MANIFEST)}`));
  for (status of [301, 302, 303])
    await assert.rejects(client.putManifest(upload), /redirects a write/);
  assert.equal(bodies.length, 2);
});

test('redirect loops, redirects of writes and to link-local addresses end with one sentence', async (t) => {
  const loop = await serve(t, (request, response) =>
    response.writeHead(302, { Location: request.url ?? '/' }).end(),
  );
  await assert.rejects(clientOf(t, loop.host).getManifest('1'), /redirects more than 8 times/);
  await assert.rejects(
    clientOf(t, loop.host).putManifest({ reference: '1', mediaType: 'x/y', bytes: MANIFEST }),
    /redirects a write/,
  );
  const inner = await serve(t, (_request, response) =>
    response.writeHead(302, { Location: 'http://169.254.169.254/latest' }).end(),
  );
  await assert.rejects(
    clientOf(t, inner.host).getManifest('1'),
    (error) => isEngineError(error) && error.kind === 'denied',
  );
  const odd = await serve(t, (_request, response) =>
    response.writeHead(302, { Location: 'file:///etc/passwd' }).end(),
  );
  await assert.rejects(clientOf(t, odd.host).getManifest('1'), /redirects to nowhere/);
});

test('429 and 503 are tried again as often as the policy says, 404 is not', async (t) => {
  let count = 0;
  const flaky = await serve(t, (request, response) => {
    if (request.url === '/v2/') return void response.end();
    count += 1;
    if (count === 1) response.writeHead(429, { 'Retry-After': '1' }).end();
    else if (count === 2) response.writeHead(503).end();
    else response.end(MANIFEST);
  });
  await clientOf(t, flaky.host).getManifest('1');
  assert.equal(count, 3);
  let misses = 0;
  const empty = await serve(t, (request, response) => {
    if (request.url !== '/v2/') misses += 1;
    response
      .writeHead(404)
      .end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  });
  await assert.rejects(
    clientOf(t, empty.host).getManifest('1'),
    (error) =>
      isEngineError(error) && error.kind === 'not-found' && /manifest unknown/.test(error.message),
  );
  assert.equal(misses, 1);
});

test('a registry that answered before and restarts is asked again, one that never did is not', async (t) => {
  const server = http.createServer((_request, response) => response.end(MANIFEST));
  const listen = async (port: number): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  const port = await listen(0);
  let waits = 0;
  const client = clientOf(t, `127.0.0.1:${port}`, undefined, async () => {
    waits += 1;
    if (waits === 2) await listen(port);
  });
  await client.getManifest('1');
  await close();
  await client.getManifest('1');
  assert.ok(waits >= 2, String(waits));
  await close();
  const before = waits;
  const stranger = clientOf(t, `127.0.0.1:${port}`, undefined, async () => void (waits += 1));
  await assert.rejects(stranger.getManifest('1'), /the connection was refused/);
  assert.equal(waits, before);
});

test('openBlob() asks for a range and says where the registry really starts', async (t) => {
  const { host } = await serve(t, (request, response) => {
    if (request.headers.range === 'bytes=2-3')
      response.writeHead(206, { 'Content-Range': 'bytes 2-3/5' }).end('cd');
    else if (request.headers.range === 'bytes=4-')
      response.writeHead(206, { 'Content-Range': 'bytes 0-4/5' }).end('abcde');
    else response.end('abcde');
  });
  const client = clientOf(t, host);
  const digest = digestBytes('abcde');
  assert.equal((await client.openBlob(digest, { offsetBytes: 2, endBytes: 4 })).offsetBytes, 2);
  assert.equal((await client.openBlob(digest, { offsetBytes: 1 })).offsetBytes, 0);
  await assert.rejects(client.openBlob(digest, { offsetBytes: 4 }), /another range/);
});

test('tags and referrers are read to the last page, wherever the registry says it is', async (t) => {
  const index = (type: string): string =>
    JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { type } });
  const { host, seen } = await serve(t, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
    const page = Number(searchParams.get('page') ?? '0');
    const links = [`${pathname}?page=1`, '?page=2', `https://inside:1234${pathname}?page=3`];
    if (page < links.length) response.setHeader('Link', `<${links[page] ?? ''}>; rel="next"`);
    response.end(pathname.endsWith('/tags/list') ? `{"tags":["t${page}"]}` : index(String(page)));
  });
  const client = clientOf(t, host);
  assert.deepEqual(await client.listTags(), ['t0', 't1', 't2', 't3']);
  assert.equal((await client.getReferrers(digestBytes('x'), 'a/b')).length, 4);
  assert.ok(seen.every(({ headers }) => headers.host === host));
});

test('referrers are asked for by tag where the registry has no API, of a long digest by its first part', async (t) => {
  const { host, seen } = await serve(t, (request, response) => {
    if ((request.url ?? '').includes('/manifests/')) response.end('{}');
    else response.writeHead(404).end();
  });
  const digest = `sha512:${'a1'.repeat(64)}` as ReturnType<typeof digestBytes>;
  assert.equal((await clientOf(t, host).getReferrers(digest)).length, 1);
  assert.equal(seen.at(-1)?.url, `/v2/a/b/manifests/sha512-${'a1'.repeat(32)}`);
});

test('uploads.chunked() follows locations, resumes where the registry stands, and closes with the digest', async (t) => {
  const content = Buffer.from('0123456789');
  let held = Buffer.alloc(0);
  let failed = false;
  const { host, seen } = await serve(t, (request, response, body) => {
    const where = { Location: '/v2/a/b/blobs/uploads/u1?state=x' };
    if (request.method === 'POST') return void response.writeHead(202, where).end();
    if (request.method === 'GET' && request.url !== '/v2/')
      return void response.writeHead(204, { ...where, Range: `0-${held.length - 1}` }).end();
    if (request.method === 'PATCH') {
      const start = Number((request.headers['content-range'] ?? '').split('-')[0]);
      if (held.length > 0 && !failed) {
        failed = true;
        return void response.writeHead(416).end();
      }
      assert.equal(start, held.length);
      held = Buffer.concat([held, body]);
      return void response.writeHead(202, where).end();
    }
    return void response.writeHead(request.method === 'PUT' ? 201 : 200).end();
  });
  const digest = digestBytes(content);
  const open = (offset: number, length: number): Readable =>
    Readable.from([content.subarray(offset, offset + length)]);
  await clientOf(t, host).uploads.chunked({ digest, sizeBytes: 10, open }, 4);
  assert.equal(held.toString(), '0123456789');
  assert.equal(
    seen.at(-1)?.url,
    `/v2/a/b/blobs/uploads/u1?state=x&digest=${encodeURIComponent(digest)}`,
  );
});

test('a registry that takes no second piece gets the blob in one stream', async (t) => {
  const content = Buffer.from('0123456789');
  for (const status of [400, 404, 405, 416, 501]) {
    let starts = 0;
    const got: string[] = [];
    const { host } = await serve(t, (request, response, body) => {
      const { method = '', url = '' } = request;
      if (method === 'POST') starts += 1;
      const location = { Location: `/v2/a/b/blobs/uploads/u${starts}` };
      if (method === 'PATCH' && request.headers['content-range'] !== '0-3')
        response.writeHead(status).end();
      else if (method === 'GET' && url !== '/v2/') response.writeHead(404).end();
      else response.writeHead(method === 'PUT' ? 201 : 202, location).end();
      if (method === 'PUT') got.push(`${url.split('?', 1)[0] ?? ''} ${String(body)}`);
    });
    const open = (offset: number, length: number): Readable =>
      Readable.from([content.subarray(offset, offset + length)]);
    const upload = { digest: digestBytes(content), sizeBytes: 10, open };
    await clientOf(t, host).uploads.chunked(upload, 4);
    assert.deepEqual(got, ['/v2/a/b/blobs/uploads/u2 0123456789'], String(status));
  }
});

test('a registry that wants larger pieces than the blob gets it in one', async (t) => {
  const content = Buffer.from('0123456789');
  const got: string[] = [];
  const { host } = await serve(t, (request, response, body) => {
    got.push(`${request.method ?? ''} ${String(body)}`);
    const location = {
      Location: '/v2/a/b/blobs/uploads/u1',
      'OCI-Chunk-Min-Length': '99999999999',
    };
    response.writeHead(request.method === 'PUT' ? 201 : 202, location).end();
  });
  const open = (offset: number, length: number): Readable =>
    Readable.from([content.subarray(offset, offset + length)]);
  const upload = { digest: digestBytes(content), sizeBytes: 10, open };
  await clientOf(t, host).uploads.chunked(upload, 4);
  assert.deepEqual(got.slice(-3), ['POST ', 'PATCH 0123456789', 'PUT ']);
});

test('an upload that broke and is spoilt at the registry is begun anew, a few times', async (t) => {
  let starts = 0;
  let isGood = true;
  const { host } = await serve(t, (request, response, body) => {
    if (request.method === 'POST') {
      starts += 1;
      response.writeHead(202, { Location: `/v2/a/b/blobs/uploads/u${starts}` }).end();
    } else if (request.method === 'PUT' && isGood && (request.url ?? '').includes('/u2')) {
      assert.equal(String(body), 'abcde');
      response.writeHead(201).end();
    } else response.writeHead(416).end();
  });
  const content = {
    digest: digestBytes('abcde'),
    sizeBytes: 5,
    open: () => Readable.from([Buffer.from('abcde')], { objectMode: false }),
  };
  const { uploads } = clientOf(t, host);
  await uploads.whole(content);
  assert.equal(starts, 2);
  isGood = false;
  await assert.rejects(uploads.whole(content), /status 416/);
  assert.equal(starts, 5);
});

test('a manifest about another one gets into the list of referrers, by whoever keeps it', async (t) => {
  const subject = { mediaType: 'x/y', digest: digestBytes('subject'), size: 7 };
  const documentOf = (text: string): Buffer =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        config: { mediaType: 'x/config', digest: digestBytes(text), size: 1 },
        layers: [],
        subject,
        annotations: { text },
      }),
    );
  const mediaType = MEDIA_TYPE.ociManifest;
  const stored = new Map<string, Buffer>();
  let keepsLists = false;
  const { host } = await serve(t, (request, response, body) => {
    const name = /\/manifests\/(.*)$/.exec(request.url ?? '')?.[1] ?? '';
    if (request.method === 'PUT') {
      stored.set(name, body);
      if (keepsLists) response.setHeader('OCI-Subject', subject.digest);
      response.writeHead(201).end();
    } else if (stored.has(name))
      response.setHeader('Content-Type', MEDIA_TYPE.ociIndex).end(stored.get(name));
    else response.writeHead(404).end();
  });
  const client = clientOf(t, host);
  const push = async (text: string): Promise<void> => {
    const bytes = documentOf(text);
    const digest = digestBytes(bytes);
    await pushDocument(client, { reference: text, digest, mediaType, bytes }, undefined);
  };
  for (const text of ['one', 'two', 'two']) await push(text);
  const list = (): unknown =>
    JSON.parse(stored.get(subject.digest.replace(':', '-'))?.toString() ?? '');
  const entry = (text: string): object => ({
    mediaType,
    digest: digestBytes(documentOf(text)),
    size: documentOf(text).length,
    annotations: { text },
    artifactType: 'x/config',
  });
  const expected = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: [entry('one'), entry('two')],
  };
  assert.deepEqual(list(), expected);
  keepsLists = true;
  await push('three');
  assert.deepEqual(list(), expected);
});

test('pullEndpoints() puts fitting mirrors first and never plain HTTP for a strange host', () => {
  const config = parseRegistryConfig(
    '{"registries":{"docker.io":{"mirrors":[{"url":"https://d.example","pull":"digest"},{"url":"https://t.example","pull":"tag"}]},"bad.example":{"blocked":true}}}',
  );
  const urls = pullEndpoints(parseReference('debian:12'), config).map(
    (endpoint) => endpoint.baseUrls[0],
  );
  assert.deepEqual(urls, ['https://t.example', 'https://registry-1.docker.io']);
  assert.deepEqual(
    pullEndpoints(parseReference('r.example/x'), EMPTY_REGISTRY_CONFIG)[0]?.baseUrls,
    ['https://r.example'],
  );
  assert.throws(() => pullEndpoints(parseReference('bad.example/x'), config), /blocked/);
});

test('small parsers: Link, Range, digest query, Retry-After, problems, auth header, proxy', () => {
  assert.equal(nextLink('</v2/x/tags/list?last=b&n=2>; rel="next"'), '/v2/x/tags/list?last=b&n=2');
  assert.equal(nextLink('</a>; rel="prev"'), undefined);
  const next = (link: string): string | undefined =>
    nextPage(`<${link}>; rel=next`, '/v2/x/tags/list?n=1');
  assert.equal(next('/v2/x/tags/list?last=b'), '/v2/x/tags/list?last=b');
  assert.equal(next('list?last=b'), '/v2/x/tags/list?last=b');
  assert.equal(next('?last=b'), '/v2/x/tags/list?last=b');
  assert.equal(next('http://elsewhere/below/v2/x/tags/list?last=b'), '/v2/x/tags/list?last=b');
  assert.throws(() => next('http://['), /no usable address/);
  assert.throws(() => next('/x'), /no usable address/);
  assert.equal(uploadedBytes('0-9'), 10);
  assert.equal(uploadedBytes('nonsense'), 0);
  assert.equal(withDigest('/u?x=1', digestBytes('')).startsWith('/u?x=1&digest=sha256%3A'), true);
  assert.equal(retryAfterMs('2', 0), 2000);
  assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:00:05 GMT', 1000), 4000);
  assert.equal(retryAfterMs('soon', 0), undefined);
  assert.equal(delayMs({ attempts: 5, baseDelayMs: 100, maxDelayMs: 500 }, 9, 0), 250);
  assert.deepEqual(
    problemOf(Buffer.from('{"errors":[{"code":"DENIED","message":"no\\u001b[31m"}]}')),
    { code: 'DENIED', message: 'no [31m' },
  );
  assert.equal(problemOf(Buffer.from('<html>')), undefined);
  const header = Buffer.from('{"username":"u","password":"p"}').toString('base64');
  assert.deepEqual(decodeAuthHeader(header), { kind: 'password', username: 'u', password: 'p' });
  assert.equal(decodeAuthHeader('%%%'), undefined);
  const proxies = {
    http: 'http://p:3128',
    https: 'p:3128',
    no: '.corp.example,direct.example:443',
  };
  assert.equal(proxyFor(proxies, new URL('https://r.example/'))?.host, 'p:3128');
  assert.equal(proxyFor(proxies, new URL('https://a.corp.example/')), undefined);
  assert.equal(proxyFor(proxies, new URL('https://direct.example/')), undefined);
  assert.equal(proxyFor(proxies, new URL('http://direct.example/'))?.host, 'p:3128');
  const exempt = { http: 'p:1', no: 'plain.example,.below.example,10.0.0.0/8,fd00::/8,10/8,bad/1' };
  for (const [url, isDirect] of [
    ['http://plain.example/', true],
    ['http://a.plain.example/', true],
    ['http://notplain.example/', false],
    ['http://below.example/', false],
    ['http://a.below.example/', true],
    ['http://10.1.2.3/', true],
    ['http://11.1.2.3/', false],
    ['http://[fd00::1]/', true],
    ['http://[fe80::1]/', false],
  ] as const)
    assert.equal(proxyFor(exempt, new URL(url)) === undefined, isDirect, url);
  assert.throws(
    () => proxyFor({ http: 'https://me:secret@p:1' }, new URL('http://x.example/')),
    (error) =>
      error instanceof Error &&
      /https:\/\/p:1/.test(error.message) &&
      !error.message.includes('secret'),
  );
  assert.equal(proxyFor(proxies, new URL('http://127.0.0.1:5000/')), undefined);
});
