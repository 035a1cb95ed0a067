/**
 * What the tests of images share: a whole image store over real directories and
 * the real chisel, and archives made by hand.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gzipSync } from 'node:zlib';
import type { Digest, HostPath } from '../../src/base/brand.ts';
import type { EngineError } from '../../src/base/error.ts';
import { DiskContentStore } from '../../src/content/disk.ts';
import { SqliteImageStore } from '../../src/images/sqlite.ts';
import type { ImageRecord } from '../../src/images/store.ts';
import { ChiselWalker } from '../../src/layers/chisel-walk.ts';
import { encodeTar, type NewTarEntry } from '../../src/layers/tar-write.ts';
import { digestBytes } from '../../src/spec/digest.ts';
import { MEDIA_TYPE } from '../../src/spec/media-type.ts';
import type { Descriptor, ExecutionConfig } from '../../src/spec/oci/image.ts';
import { CHISEL, type Entry, LayerFixture } from './layer-fixture.ts';
import type { UnpackerOptions } from '../../src/layers/unpack.ts';

/** A store for one test, opened again on demand. */
export class ImageFixture extends LayerFixture {
  readonly content: DiskContentStore;
  readonly database: DatabaseSync;
  readonly broken: string[] = [];
  #images: SqliteImageStore | undefined;
  nowMs = 1_700_000_000_000;

  constructor(options: Partial<UnpackerOptions> = {}) {
    super(options);
    mkdirSync(join(this.root, 'content'));
    this.content = DiskContentStore.open(join(this.root, 'content') as HostPath, Date.now());
    this.database = new DatabaseSync(join(this.root, 'state.db'));
  }

  get images(): SqliteImageStore {
    assert.ok(this.#images !== undefined);
    return this.#images;
  }

  async open(): Promise<SqliteImageStore> {
    this.#images = await SqliteImageStore.open({
      database: this.database,
      content: this.content,
      layers: this.store,
      unpacker: this.unpacker,
      changes: new ChiselWalker(CHISEL),
      host: { os: 'linux', architecture: 'amd64' },
      nowMs: () => this.nowMs++,
      onBroken: (image: ImageRecord, error: EngineError) =>
        this.broken.push(`${image.id}: ${error.message}`),
    });
    return this.#images;
  }

  async load(
    archive: Buffer,
    options: Parameters<SqliteImageStore['load']>[1] = {},
  ): ReturnType<SqliteImageStore['load']> {
    return await this.images.load(chunked(archive), options);
  }

  /** Everything that is stored, for "nothing was left behind". */
  async inventory(): Promise<{
    readonly images: number;
    readonly layers: number;
    readonly blobs: number;
  }> {
    let blobs = 0;
    for await (const _ of this.content.list()) blobs++;
    return { images: this.images.list().length, layers: this.store.listLayers().length, blobs };
  }

  override async dispose(): Promise<void> {
    await super.dispose();
    this.database.close();
  }

  static async withImages(
    body: (fixture: ImageFixture) => Promise<void>,
    options: Partial<UnpackerOptions> = {},
  ): Promise<void> {
    const fixture = new ImageFixture(options);
    try {
      await fixture.open();
      await body(fixture);
    } finally {
      await fixture.dispose();
    }
  }
}

/** Bytes as a stream of chunks. */
export async function* chunked(bytes: Buffer, chunkBytes = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

/** All of a stream. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

/** An image made by hand. */
export interface HandImage {
  readonly config: Buffer;
  readonly configDigest: Digest;
  readonly layers: readonly Buffer[];
  readonly tars: readonly Buffer[];
  readonly manifest: Buffer;
  readonly manifestDescriptor: Descriptor;
}

/** What may differ in an image made by hand. */
export interface HandOptions {
  readonly config?: ExecutionConfig;
  readonly architecture?: string;
  readonly variant?: string;
  readonly pack?: (tar: Buffer) => Buffer;
  readonly layerType?: string;
  readonly docker?: boolean;
}

/** Make an image of layers given as entries. */
export function handImage(
  layers: readonly (readonly Entry[])[],
  options: HandOptions = {},
): HandImage {
  return rawImage(
    layers.map((entries) => encodeTar(entries)),
    options,
  );
}

/** Make an image of layers given as bytes, which need not be archives. */
export function rawImage(tars: readonly Buffer[], options: HandOptions = {}): HandImage {
  const packed = tars.map(options.pack ?? ((tar) => gzipSync(tar)));
  const config = Buffer.from(
    JSON.stringify({
      created: '2024-01-02T03:04:05.678Z',
      architecture: options.architecture ?? 'amd64',
      ...(options.variant === undefined ? {} : { variant: options.variant }),
      os: 'linux',
      config: options.config ?? { Cmd: ['/bin/sh'] },
      rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestBytes(tar)) },
      history: tars.map((_, i) => ({ created: '2024-01-02T03:04:05Z', created_by: `step ${i}` })),
    }),
  );
  const configType = options.docker === true ? MEDIA_TYPE.dockerConfig : MEDIA_TYPE.ociConfig;
  const layerType =
    options.layerType ??
    (options.docker === true ? MEDIA_TYPE.dockerLayerGzip : MEDIA_TYPE.ociLayerGzip);
  const mediaType = options.docker === true ? MEDIA_TYPE.dockerManifest : MEDIA_TYPE.ociManifest;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: configType, digest: digestBytes(config), size: config.length },
      layers: packed.map((blob) => ({
        mediaType: layerType,
        digest: digestBytes(blob),
        size: blob.length,
      })),
    }),
  );
  return {
    config,
    configDigest: digestBytes(config),
    layers: packed,
    tars,
    manifest,
    manifestDescriptor: { mediaType, digest: digestBytes(manifest), size: manifest.length },
  };
}

const blobName = (bytes: Buffer): string => `blobs/sha256/${digestBytes(bytes).slice(7)}`;
const file = (
  path: string,
  content: Buffer | string,
): NewTarEntry & { content: Buffer | string } => ({ type: 'file', path, content });

/** Entries of an OCI layout with images under reference names. */
export function layoutEntries(
  images: readonly {
    readonly image: HandImage;
    readonly name?: string;
    readonly annotation?: string;
    readonly platform?: object;
  }[],
): readonly Entry[] {
  const manifests = images.map(
    ({ image, name, annotation = 'org.opencontainers.image.ref.name', platform }) => ({
      ...image.manifestDescriptor,
      ...(name === undefined ? {} : { annotations: { [annotation]: name } }),
      ...(platform === undefined ? {} : { platform }),
    }),
  );
  return [
    file('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
    file('index.json', JSON.stringify({ schemaVersion: 2, manifests })),
    ...images.flatMap(({ image }) =>
      [image.config, image.manifest, ...image.layers].map((blob) => file(blobName(blob), blob)),
    ),
  ];
}

/** Entries of an archive of `docker save` before it had an OCI layout. */
export function oldDockerEntries(
  images: readonly { readonly image: HandImage; readonly tags: readonly string[] | null }[],
): readonly Entry[] {
  const items = images.map(({ image, tags }) => ({
    Config: `${image.configDigest.slice(7)}.json`,
    RepoTags: tags,
    Layers: image.tars.map((tar) => `${digestBytes(tar).slice(7)}/layer.tar`),
  }));
  const layers = new Map(
    images.flatMap(({ image }) =>
      image.tars.map((tar) => [`${digestBytes(tar).slice(7)}/layer.tar`, tar] as const),
    ),
  );
  return [
    ...[...layers].flatMap(([path, tar]) => [
      file(path.replace('layer.tar', 'VERSION'), '1.0'),
      file(path, tar),
    ]),
    ...images.map(({ image }) => file(`${image.configDigest.slice(7)}.json`, image.config)),
    file('manifest.json', JSON.stringify(items)),
    file('repositories', '{}'),
  ];
}
