/** F4 and I8: what layers and configurations of images may not do to the machine. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { digestBytes as digestOf } from '../../src/spec/digest.ts';
import { chunked, handImage, ImageFixture, layoutEntries, rawImage } from './image-fixture.ts';
import { LayerFixture } from './layer-fixture.ts';

const named = (name: string): { readonly name: string; readonly value: Buffer } => ({
  name,
  value: Buffer.from('x'),
});

test('F4: nobody but the engine gets at the programs and devices in a layer', async () => {
  await ImageFixture.withImages(async (fixture) => {
    const tar = encodeTar([
      { type: 'directory', path: './', mode: 0o777 },
      { type: 'file', path: 'su', content: '#!/bin/sh\n', mode: 0o6755 },
      { type: 'block', path: 'disk', deviceMajor: 8, deviceMinor: 0, mode: 0o666 },
    ]);
    await fixture.images.import(chunked(tar), { changes: [], reference: 'a:1' });
    const [layer] = fixture.store.listLayers();
    assert.ok(layer !== undefined);
    assert.equal(lstatSync(join(layer.directory, 'su')).mode & 0o7777, 0o6755);
    // The test's own directory must not be what protects them.
    chmodSync(fixture.root, 0o755);
    for (const [program, path] of [
      ['cat', join(layer.directory, 'su')],
      ['stat', join(layer.directory, 'disk')],
      ['ls', layer.directory],
      ['ls', join(fixture.root, 'content/blobs/sha256')],
    ] as const) {
      const others = ['--reuid=65534', '--regid=65534', '--clear-groups', program, path];
      const { status, stderr } = spawnSync('setpriv', others, { encoding: 'utf8' });
      assert.notEqual(status, 0, path);
      assert.match(stderr, /Permission denied/, path);
    }
    execFileSync('cat', [join(layer.directory, 'su')]);
  });
});

test('F3 F4: of a layer’s attributes only capabilities and those of users reach the disk', async () => {
  await LayerFixture.with(async (fixture) => {
    const root = await fixture.unpackEntries(
      {
        type: 'directory',
        path: 'd',
        xattrs: [
          'trusted.overlay.opaque',
          'trusted.overlay.redirect',
          'trusted.anything',
          'user.overlay.redirect',
          'security.selinux',
          'security.ima',
          'security.evm',
          'system.posix_acl_access',
          'user.kept',
        ].map(named),
      },
      { type: 'file', path: 'd/f', content: 'x', xattrs: [named('trusted.overlay.metacopy')] },
    );
    const out = execFileSync('getfattr', ['-R', '-h', '-d', '-m', '-', '.'], {
      cwd: root,
      encoding: 'utf8',
    });
    const names = out.split('\n').filter((line) => line.includes('='));
    assert.deepEqual(
      names.filter((line) => !line.startsWith('security.selinux=')),
      ['user.kept="x"'],
    );
  });
});

test('F1: links of a layer lead where they would in its root, from any depth', async () => {
  await LayerFixture.with(async (fixture) => {
    const link = (path: string, linkPath: string) => ({ type: 'symlink', path, linkPath }) as const;
    const file = (path: string) => ({ type: 'file', path, content: path }) as const;
    const root = await fixture.unpackEntries(
      link('a/b/absolute', '/target'),
      file('a/b/absolute/1'),
      link('a/b/up', '../../../../target'),
      file('a/b/up/2'),
      link('a/b/beside', '../c'),
      file('a/b/beside/3'),
    );
    const found = execFileSync('find', ['.', '-type', 'f'], { cwd: root, encoding: 'utf8' });
    assert.deepEqual(found.trim().split('\n').toSorted(), ['./a/c/3', './target/1', './target/2']);
  });
});

test('I8: an image’s configuration says nothing about how its containers are kept', async () => {
  const image = handImage([[{ type: 'file', path: 'f', content: 'x' }]]);
  const config = Buffer.from(
    JSON.stringify({
      ...(JSON.parse(image.config.toString()) as object),
      config: {
        Cmd: ['sh'],
        Labels: { 'org.opencontainers.image.title': 'x', 'io.carve.internal': 'y' },
        Privileged: true,
        HostConfig: { Privileged: true, Binds: ['/:/host'] },
        SecurityOpt: ['seccomp=unconfined'],
        CapAdd: ['ALL'],
        Devices: [{ PathOnHost: '/dev/sda' }],
        Mounts: [{ Type: 'bind', Source: '/', Target: '/host' }],
        Runtime: 'evil',
        NetworkMode: 'host',
        PidMode: 'host',
        Annotations: { 'run.oci.handler': 'x' },
        LogConfig: { Type: 'none', Config: { path: '/etc/passwd' } },
      },
      hooks: { prestart: [{ path: '/evil' }] },
      linux: { namespaces: [] },
    }),
  );
  const hostile = withConfig(config);
  await ImageFixture.withImages(async (fixture) => {
    const [loaded] = await fixture.load(
      encodeTar(layoutEntries([{ image: hostile, name: 'a:1' }])),
    );
    assert.ok(loaded !== undefined);
    const { config: kept } = loaded.image;
    assert.deepEqual(Object.keys(kept).toSorted(), [
      'architecture',
      'config',
      'created',
      'history',
      'os',
      'rootfs',
    ]);
    assert.deepEqual(Object.keys(kept.config ?? {}).toSorted(), ['Cmd', 'Labels']);
  });

  function withConfig(bytes: Buffer): typeof image {
    const again = rawImage(image.tars);
    const digest = digestOf(bytes);
    const manifest = Buffer.from(
      JSON.stringify({
        ...(JSON.parse(again.manifest.toString()) as object),
        config: {
          mediaType: 'application/vnd.oci.image.config.v1+json',
          digest,
          size: bytes.length,
        },
      }),
    );
    const { mediaType } = again.manifestDescriptor;
    const manifestDescriptor = { mediaType, digest: digestOf(manifest), size: manifest.length };
    return { ...again, config: bytes, configDigest: digest, manifest, manifestDescriptor };
  }
});
