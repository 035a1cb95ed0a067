import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compressionOf, documentKindOf, layerMediaType } from './media-type.ts';

const KINDS: readonly (readonly [type: string, kind: string | undefined])[] = [
  ['application/vnd.oci.image.index.v1+json', 'index'],
  ['application/vnd.docker.distribution.manifest.list.v2+json', 'index'],
  ['application/vnd.oci.image.manifest.v1+json; charset=utf-8', 'manifest'],
  ['APPLICATION/vnd.docker.distribution.manifest.v2+json', 'manifest'],
  ['application/vnd.docker.container.image.v1+json', 'config'],
  ['application/vnd.oci.image.config.v1+json', 'config'],
  ['application/vnd.oci.image.layer.v1.tar', 'layer'],
  ['application/vnd.oci.image.layer.v1.tar+gzip', 'layer'],
  ['application/vnd.oci.image.layer.v1.tar+zstd', 'layer'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'layer'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'layer'],
  ['application/vnd.docker.image.rootfs.diff.tar', 'layer'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'layer'],
  ['application/vnd.in-toto+json', undefined],
  ['application/vnd.docker.distribution.manifest.v1+prettyjws', undefined],
  ['text/html', undefined],
  ['', undefined],
];
for (const [type, kind] of KINDS) {
  test(`documentKindOf(${JSON.stringify(type)}) is ${kind ?? 'undefined'}`, () => {
    assert.equal(documentKindOf(type), kind);
  });
}

test('layerMediaType() gives types that are layers', () => {
  for (const compression of ['none', 'gzip', 'zstd'] as const)
    assert.equal(documentKindOf(layerMediaType(compression)), 'layer');
});

test('compressionOf() looks at the magic only', () => {
  assert.equal(compressionOf(new Uint8Array([0x1f, 0x8b, 8])), 'gzip');
  assert.equal(compressionOf(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd])), 'zstd');
  assert.equal(compressionOf(new Uint8Array([0x5a, 0x2a, 0x4d, 0x18])), 'zstd');
  assert.equal(compressionOf(new Uint8Array([0x28, 0xb5, 0x2f])), 'none');
  assert.equal(compressionOf(new Uint8Array()), 'none');
});
