/** Verbs of images and registries, by carve's and docker's command lines, against real registries on loopback. Needs root. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { RegistryFixture } from './registry-fixture.ts';
import { type Outcome, run, runtimes, Target } from './target.ts';

const entry = fileURLToPath(new URL('../cli/carve-entry.ts', import.meta.url));

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** A web server on loopback for one test. */
async function serveWeb(t: TestContext, answer: Answer): Promise<string> {
  const server = http.createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('verbs of images', () => {
  let target: Target;
  let registry: RegistryFixture;
  let directory: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'carve-verbs-'));
    registry = await RegistryFixture.start('plain');
    target = await Target.start('bun', 'serve-whole.ts');
  });
  after(async () => {
    await target[Symbol.asyncDispose]();
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const carve = (args: readonly string[], input?: string): Promise<Outcome> =>
    run([runtimes.bun, entry, ...args], {
      env: { CARVE_HOST: `unix://${target.socket}`, DOCKER_CONFIG: target.directory },
      ...(input === undefined ? {} : { input }),
    });

  /** What a command prints, once it succeeded. */
  async function output(work: Promise<Outcome>): Promise<string> {
    const outcome = await work;
    assert.equal(outcome.code, 0, JSON.stringify(outcome));
    return outcome.stdout;
  }

  /** Asks the API; the body and the status. */
  async function ask(
    method: string,
    path: string,
  ): Promise<{ readonly status: number; readonly body: string }> {
    const request = http.request({ socketPath: target.socket, method, path });
    request.end();
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', reject);
    });
    let body = '';
    for await (const chunk of response) body += String(chunk);
    return { status: response.statusCode ?? 0, body };
  }

  test('every tag of a repository is pushed and pulled at once', async () => {
    const name = `${registry.host}/all/tags`;
    for (const tag of ['1', '2']) {
      await output(carve(['tag', 'busybox', `${name}:${tag}`]));
      await output(
        carve(['import', '-m', tag, '-', `${name}:extra-${tag}`], encodeTar([]).toString('latin1')),
      );
    }
    await output(carve(['push', '-q', '--all-tags', name]));
    const tags = ['1', '2', 'extra-1', 'extra-2'];
    await output(carve(['rmi', ...tags.map((tag) => `${name}:${tag}`)]));
    const pulled = await output(target.docker(['pull', '--all-tags', name]));
    for (const tag of tags)
      assert.match(pulled, new RegExp(`^${tag}: Pulling from all/tags$`, 'm'));
    assert.match(pulled, new RegExp(`^Status: Downloaded newer image for ${name}$`, 'm'));
    const listed = await output(carve(['images', '--format', '{{.Tag}}', name]));
    assert.deepEqual(listed.trim().split('\n').toSorted(), tags);
    assert.match(await output(carve(['pull', '-a', name])), /Status: Image is up to date/);
    await output(carve(['rmi', ...tags.map((tag) => `${name}:${tag}`)]));
  });

  test('a registry is looked into without pulling', async () => {
    const name = `${registry.host}/looked/at:1`;
    await output(carve(['tag', 'busybox', name]));
    await output(carve(['push', '-q', name]));
    await output(carve(['rmi', name]));
    const { status, body } = await ask('GET', `/distribution/${name}/json`);
    assert.equal(status, 200, body);
    const raw = execFileSync('skopeo', [
      'inspect',
      '--raw',
      '--tls-verify=false',
      `docker://${name}`,
    ]);
    const { Descriptor, Platforms } = JSON.parse(body) as {
      readonly Descriptor: { readonly digest: string; readonly size: number };
      readonly Platforms: readonly { readonly os: string; readonly architecture: string }[];
    };
    assert.equal(Descriptor.size, raw.length);
    assert.deepEqual(
      Platforms.map(({ os }) => os),
      ['linux'],
    );
    assert.equal((await ask('GET', `/images/${name}/json`)).status, 404);
    const gone = await ask('GET', `/distribution/${registry.host}/looked/at:none/json`);
    assert.equal(gone.status, 404, gone.body);
    assert.equal((await ask('GET', '/distribution/UPPER/json')).status, 400);
  });

  test('a search asks the registry that is named, with filters', async (t) => {
    const asked: string[] = [];
    const host = await serveWeb(t, (request, response) => {
      asked.push(request.url ?? '');
      if (!(request.url ?? '').startsWith('/v1/search')) {
        response.writeHead(404).end();
        return;
      }
      const results = [
        { name: 'one', description: 'the first\none', star_count: 7, is_official: true },
        { name: 'two', description: null, star_count: 2, is_official: false },
        'nonsense',
      ];
      response.end(JSON.stringify({ num_results: 2, query: 'x', results }));
    });
    const format = ['--format', '{{.Name}} {{.Description}} {{.StarCount}} {{.IsOfficial}}'];
    for (const program of [carve, (args: readonly string[]) => target.docker(args)]) {
      const found = await output(program(['search', '--limit', '5', ...format, `${host}/x y`]));
      assert.equal(found, 'one the first one 7 [OK]\ntwo  2 \n');
      const few = await output(program(['search', '-f', 'stars=3', ...format, `${host}/x`]));
      assert.equal(few, 'one the first one 7 [OK]\n');
      const plain = await program(['search', '-f', 'is-official=false', ...format, `${host}/x`]);
      assert.equal(plain.stdout, 'two  2 \n');
    }
    assert.ok(asked.includes('/v1/search?q=x%20y&n=5'), asked.join(' '));
    assert.ok(asked.includes('/v1/search?q=x&n=25'), asked.join(' '));
    const none = await ask('GET', `/images/search?term=${registry.host}/x`);
    assert.deepEqual(
      [none.status, none.body],
      [404, `{"message":"Cannot search ${registry.host}: this registry has no search"}\n`],
    );
    assert.equal((await ask('GET', '/images/search?term=x&limit=101')).status, 400);
    assert.equal((await ask('GET', '/images/search')).status, 400);
  });

  test('an archive is imported from the web, by redirects, with its progress', async (t) => {
    const tar = encodeTar([{ type: 'file', path: 'hello', content: Buffer.from('hi') }]);
    const seen: (string | undefined)[] = [];
    const other = await serveWeb(t, (request, response) => {
      seen.push(request.headers.authorization);
      response.end(tar);
    });
    const host = await serveWeb(t, (request, response) => {
      seen.push(request.headers.authorization);
      if (request.url === '/moved')
        response.writeHead(302, { Location: `http://${other}/x` }).end();
      else if (request.url === '/cut')
        response
          .writeHead(200, { 'Content-Length': tar.length })
          .write(tar.subarray(0, 600), () => response.destroy());
      else if (request.url === '/root.tar')
        response.writeHead(200, { 'Content-Length': tar.length }).end(tar);
      else response.writeHead(404).end();
    });
    const args = ['-c', 'CMD ["sh"]', '--platform', 'linux/arm64'];
    const done = await output(
      target.docker(['import', ...args, `http://${host}/root.tar`, 'imported:web']),
    );
    assert.match(done, /sha256:[0-9a-f]{64}\n$/);
    const inspected = await output(
      carve([
        'image',
        'inspect',
        '-f',
        '{{.Architecture}} {{.Config.Cmd}} {{.Comment}}',
        'imported:web',
      ]),
    );
    assert.equal(inspected, `arm64 [sh] Imported from http://${host}/root.tar\n`);
    // The password goes to its own origin, not along a redirect, and into no history.
    seen.length = 0;
    await output(
      carve(['import', '-m', 'moved', `http://me:secret@${host}/moved`, 'imported:moved']),
    );
    assert.deepEqual(seen, [`Basic ${Buffer.from('me:secret').toString('base64')}`, undefined]);
    const shown = await output(carve(['history', '--no-trunc', 'imported:moved']));
    assert.ok(!shown.includes('secret'), shown);
    for (const [path, status, text] of [
      ['/gone', 404, /the server answered status 404/],
      ['/cut', 503, /download broke off/],
    ] as const) {
      const answer = await ask('POST', `/images/create?fromSrc=http://${host}${path}&repo=bad`);
      assert.match(answer.body, text);
      // What broke off had begun: its stream tells.
      if (path === '/gone') assert.equal(answer.status, status);
    }
    assert.equal((await ask('POST', '/images/create?fromSrc=ftp://x/y')).status, 400);
    assert.equal((await ask('GET', '/images/bad/json')).status, 404);
    await output(carve(['rmi', 'imported:web', 'imported:moved']));
  });

  test('an operation for another platform finds no such image', async () => {
    const machine = process.arch === 'x64' ? 'amd64' : 'arm64';
    const own = encodeURIComponent(JSON.stringify({ os: 'linux', architecture: machine }));
    const foreign = encodeURIComponent('{"os":"linux","architecture":"s390x"}');
    for (const [method, path, parameter] of [
      ['GET', '/images/busybox/history', 'platform'],
      ['GET', '/images/busybox/get', 'platform'],
      ['DELETE', '/images/busybox', 'platforms'],
    ] as const) {
      const answer = await ask(method, `${path}?${parameter}=${foreign}`);
      assert.equal(answer.status, 404, `${path}: ${answer.body}`);
      assert.match(answer.body, /does not match the specified platform: wanted linux\/s390x/);
    }
    assert.equal((await ask('GET', `/images/busybox/history?platform=${own}`)).status, 200);
    const archive = join(directory, 'busybox.tar');
    await output(carve(['save', '-o', archive, 'busybox']));
    const load = await target.docker(['load', '--platform', 'linux/s390x', '-i', archive]);
    assert.equal(load.code, 1, JSON.stringify(load));
    assert.match(load.stderr + load.stdout, /linux\/s390x/);
    await output(target.docker(['load', '--platform', `linux/${machine}`, '-i', archive]));
    const name = `${registry.host}/platform:1`;
    await output(carve(['tag', 'busybox', name]));
    const push = await target.docker(['push', '--platform', 'linux/s390x', name]);
    assert.equal(push.code, 1, JSON.stringify(push));
    await output(carve(['rmi', name]));
  });

  test('an image of an index shows what the index offers, in docker’s tree too', async () => {
    const machine = process.arch === 'x64' ? 'amd64' : 'arm64';
    const names = { own: `${registry.host}/multi:own`, other: `${registry.host}/multi:other` };
    const tar = encodeTar([]).toString('latin1');
    await output(carve(['tag', 'busybox', names.own]));
    await output(carve(['import', '--platform', 'linux/s390x', '-', names.other], tar));
    for (const name of Object.values(names)) await output(carve(['push', '-q', name]));
    const entries = Object.values(names).map((name, index) => {
      const raw = execFileSync('skopeo', [
        'inspect',
        '--raw',
        '--tls-verify=false',
        `docker://${name}`,
      ]);
      const digest = execFileSync('skopeo', ['manifest-digest', '/dev/stdin'], { input: raw });
      return {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: digest.toString().trim(),
        size: raw.length,
        platform: { os: 'linux', architecture: index === 0 ? machine : 's390x' },
      };
    });
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: entries,
    });
    const put = await fetch(`http://${registry.host}/v2/multi/manifests/index`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/vnd.oci.image.index.v1+json' },
      body: index,
    });
    assert.equal(put.status, 201);
    await output(carve(['rmi', names.own, names.other]));
    await output(carve(['pull', '-q', `${registry.host}/multi:index`]));
    const { body } = await ask('GET', `/images/${registry.host}/multi:index/json?manifests=1`);
    const { Manifests } = JSON.parse(body) as {
      readonly Manifests: readonly {
        readonly ID: string;
        readonly Available: boolean;
        readonly Kind: string;
      }[];
    };
    assert.deepEqual(
      Manifests.map(({ ID, Available, Kind }) => [ID, Available, Kind]),
      [
        [entries[0]?.digest, true, 'image'],
        [entries[1]?.digest, false, 'image'],
      ],
    );
    const tree = await output(target.docker(['image', 'ls', '--tree', `${registry.host}/multi`]));
    assert.match(tree, new RegExp(`linux/${machine}`));
    assert.match(tree, /linux\/s390x/);
    await output(carve(['rmi', `${registry.host}/multi:index`]));
  });

  test('an artifact is refused in one sentence', async () => {
    const blob = Buffer.from('{}');
    const base = `http://${registry.host}/v2/artifact`;
    const started = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
    const digest = `sha256:${execFileSync('sha256sum', { input: blob }).toString().slice(0, 64)}`;
    const location = started.headers.get('location') ?? '';
    const done = await fetch(`${location}&digest=${digest}`, { method: 'PUT', body: blob });
    assert.equal(done.status, 201);
    const empty = { mediaType: 'application/vnd.oci.empty.v1+json', digest, size: blob.length };
    const put = await fetch(`${base}/manifests/1`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/vnd.oci.image.manifest.v1+json' },
      body: JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        artifactType: 'application/vnd.example.sbom',
        config: empty,
        layers: [empty],
      }),
    });
    assert.equal(put.status, 201);
    const pulled = await carve(['pull', `${registry.host}/artifact:1`]);
    assert.equal(pulled.code, 1);
    assert.match(
      pulled.stderr,
      /Cannot use image: it is an artifact of type "application\/vnd\.example\.sbom", not a container image/,
    );
    const looked = await ask('GET', `/distribution/${registry.host}/artifact:1/json`);
    assert.equal(looked.status, 200, looked.body);
    writeFileSync(join(directory, 'artifact.json'), looked.body);
    assert.deepEqual((JSON.parse(looked.body) as { readonly Platforms: unknown }).Platforms, []);
  });
});
