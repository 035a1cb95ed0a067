/**
 * Images between carve and skopeo, both ways: as docker archives, as OCI layouts
 * and through a real registry that is plain, behind a password, behind a token
 * server, and with TLS of a test CA. The image is the same at both ends.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { runChild } from '../../scripts/child.ts';
import { openRegistryImages } from '../../src/images/registry/remote.ts';
import { parseRegistryConfig } from '../../src/images/registry/config.ts';
import type { Credentials, RemoteImages } from '../../src/images/remote.ts';
import type { ImageRecord } from '../../src/images/store.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { parseReference } from '../../src/spec/reference.ts';
import { collect, handImage, ImageFixture, layoutEntries } from '../kernel/image-fixture.ts';
import { RegistryFixture, type RegistryMode, USER } from './registry-fixture.ts';

const IMAGE = handImage(
  [
    [
      { type: 'directory', path: 'etc', mode: 0o755 },
      { type: 'file', path: 'etc/passwd', content: 'root:x:0:0::/:/bin/sh\n', mode: 0o644 },
    ],
    [{ type: 'file', path: 'etc/.wh.passwd' }],
  ],
  { config: { Cmd: ['/bin/sh'], Env: ['A=1'], Labels: { 'a b': 'ü' } } },
);
const KEPT: Credentials = { kind: 'password', ...USER };

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'carve-skopeo-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Never blocks: the token server is in this process. */
async function skopeo(...args: readonly string[]): Promise<void> {
  const { code, output } = await runChild(['skopeo', ...args], { timeoutMs: 60_000 });
  assert.equal(code, 0, output);
}

/** What an image is, however its documents are written: skopeo writes those of another format anew. */
function essence({ config }: ImageRecord): unknown {
  return [config.rootfs.diff_ids, config.config, config.architecture, config.os];
}

async function withImage(
  body: (fixture: ImageFixture, name: string) => Promise<void>,
): Promise<void> {
  const name = 'example.org/team/app:1';
  await ImageFixture.withImages(async (fixture) => {
    await fixture.load(encodeTar(layoutEntries([{ image: IMAGE, name }])));
    await body(fixture, name);
  });
}

/** Loads an archive into a store of its own. */
async function loaded(path: string): Promise<unknown> {
  let found: unknown;
  await ImageFixture.withImages(async (fixture) => {
    const [first] = await fixture.images.load(createReadStream(path), {});
    assert.ok(first !== undefined);
    found = essence(first.image);
  });
  return found;
}

test('skopeo copies what carve saved to every kind of archive, and carve loads each as the same image', async (t) => {
  const folder = tempFolder(t);
  await withImage(async (fixture, name) => {
    writeFileSync(join(folder, 'saved.tar'), await collect(fixture.images.save([name], {})));
    const wanted = essence(fixture.images.get(name));
    mkdirSync(join(folder, 'layout'));
    execFileSync('tar', ['-xf', join(folder, 'saved.tar'), '-C', join(folder, 'layout')]);
    const sources = [
      `docker-archive:${folder}/saved.tar`,
      `oci-archive:${folder}/saved.tar`,
      `oci:${folder}/layout:1`,
    ];
    for (const [i, source] of sources.entries()) {
      for (const kind of ['docker-archive', 'oci-archive']) {
        const path = join(folder, `${i}-${kind}.tar`);
        await skopeo('copy', source, `${kind}:${path}:example.org/copied:1`);
        assert.deepEqual(await loaded(path), wanted, `${source} as ${kind}`);
      }
      await skopeo('copy', source, `oci:${folder}/out-${i}:1`);
      await ImageFixture.withImages(async (other) => {
        const [first] = await other.images.loadLayout(join(folder, `out-${i}`), {});
        assert.ok(first !== undefined);
        assert.deepEqual(essence(first.image), wanted, `${source} as a layout`);
      });
    }
  });
});

const MODES: readonly RegistryMode[] = ['plain', 'password', 'token', 'tls'];

for (const mode of MODES) {
  test(`through a registry that is ${mode}, carve and skopeo give each other the same image`, async (t) => {
    const folder = tempFolder(t);
    const registry = await RegistryFixture.start(mode);
    t.after(async () => registry.stop());
    const credentials = mode === 'password' || mode === 'token' ? KEPT : undefined;
    await withImage(async (fixture, name) => {
      const remote = openRemote(fixture, registry, mode);
      try {
        const image = fixture.images.get(name);
        const wanted = essence(image);
        const pushed = { ...parseReference(`${registry.host}/team/ours`), tag: '1' };
        await remote.push({ image, reference: pushed, credentials });
        const options = skopeoOptions(folder, registry, credentials);
        const theirs = `docker://${registry.host}/team/theirs:1`;
        await skopeo('copy', ...options.both, `docker://${registry.host}/team/ours:1`, theirs);
        await skopeo(
          'copy',
          ...options.source,
          theirs,
          `docker-archive:${folder}/out.tar:x.org/y:1`,
        );
        assert.deepEqual(await loaded(join(folder, 'out.tar')), wanted);
        await ImageFixture.withImages(async (other) => {
          const their = openRemote(other, registry, mode);
          const reference = parseReference(`${registry.host}/team/theirs:1`);
          try {
            const { image: pulled } = await their.pull({ reference, credentials });
            assert.deepEqual(essence(pulled), wanted);
            assert.equal(pulled.id, image.id);
          } finally {
            their.close();
          }
        });
      } finally {
        remote.close();
      }
    });
  });
}

function openRemote(
  fixture: ImageFixture,
  registry: RegistryFixture,
  mode: RegistryMode,
): RemoteImages {
  const settings = mode === 'tls' ? { ca: registry.caPath } : {};
  return openRegistryImages({
    images: fixture.images,
    content: fixture.content,
    host: { os: 'linux', architecture: 'amd64' },
    config: parseRegistryConfig(JSON.stringify({ registries: { [registry.host]: settings } })),
    nowMs: () => Date.now(),
  });
}

/** How skopeo reaches the registry, as its source and at both ends. */
function skopeoOptions(
  folder: string,
  registry: RegistryFixture,
  credentials: Credentials | undefined,
): { readonly source: readonly string[]; readonly both: readonly string[] } {
  const auth = join(folder, 'auth.json');
  const pair = Buffer.from(`${USER.username}:${USER.password}`).toString('base64');
  const auths = credentials === undefined ? {} : { [registry.host]: { auth: pair } };
  writeFileSync(auth, JSON.stringify({ auths }));
  const source = ['--authfile', auth, '--src-tls-verify=false'];
  return { source, both: [...source, '--dest-tls-verify=false'] };
}
