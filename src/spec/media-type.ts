/**
 * Media types of image documents and layers, OCI's and Docker's schema 2.
 *
 * Source: OCI image-spec 1.1.1 media-types.md; Docker distribution
 * manifest-v2-2 and manifest-list.
 */

/** Every media type carve writes or looks for by name. */
export const MEDIA_TYPE = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
} as const;

/** What a document is; `undefined` kinds are artifacts carve only carries. */
export type DocumentKind = 'index' | 'manifest' | 'config' | 'layer';

/** How the bytes of a layer are packed. */
export type LayerCompression = 'none' | 'gzip' | 'zstd';

const LAYER =
  /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar)(?:[+.](gzip|zstd))?$/;

/** Kind of document a media type names; `undefined` when it is none of an image. Parameters after `;` are ignored. */
export function documentKindOf(mediaType: string): DocumentKind | undefined {
  const type = (mediaType.split(';', 1)[0] ?? '').trim().toLowerCase();
  switch (type) {
    case MEDIA_TYPE.ociIndex:
    case MEDIA_TYPE.dockerIndex:
      return 'index';
    case MEDIA_TYPE.ociManifest:
    case MEDIA_TYPE.dockerManifest:
      return 'manifest';
    case MEDIA_TYPE.ociConfig:
    case MEDIA_TYPE.dockerConfig:
      return 'config';
    default:
      return LAYER.test(type) ? 'layer' : undefined;
  }
}

/** OCI media type of a layer packed with `compression`. */
export function layerMediaType(compression: LayerCompression): string {
  switch (compression) {
    case 'none':
      return MEDIA_TYPE.ociLayer;
    case 'gzip':
      return MEDIA_TYPE.ociLayerGzip;
    case 'zstd':
      return MEDIA_TYPE.ociLayerZstd;
  }
}

/** Compression by the first four bytes; the media type may lie, the magic may not. Source: RFC 1952, RFC 8878 §3.1. */
export function compressionOf(head: Uint8Array): LayerCompression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  // A skippable frame (zstd:chunked may start with one): 0x184D2A50..5F.
  if (
    head[0] !== undefined &&
    (head[0] & 0xf0) === 0x50 &&
    head[1] === 0x2a &&
    head[2] === 0x4d &&
    head[3] === 0x18
  )
    return 'zstd';
  return 'none';
}
