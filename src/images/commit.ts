/**
 * `commit`: what a container changed becomes a layer on top of its image.
 *
 * **Invariant:** the layer is unpacked from the blob like any other, so an image
 * committed here is the image that a pull of it gives elsewhere.
 * Source: Docker CLI reference `docker commit`; OCI image-spec 1.1.1 layer.md.
 */
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Digest } from '../base/brand.ts';
import type { BlobInfo, Lease } from '../content/store.ts';
import { planTar, writeTar } from '../layers/diff.ts';
import type { Walk } from '../layers/walk.ts';
import { chainIds, createDigester, digestOf } from '../spec/digest.ts';
import { DEFAULT_ROOT, type RootAttributes } from '../spec/layer.ts';
import { layerMediaType } from '../spec/media-type.ts';
import type { ExecutionConfig, HistoryEntry, ImageConfig } from '../spec/oci/image.ts';
import { recordOf, type ResolvedImage, unpackImage } from './add.ts';
import { applyChanges } from './changes.ts';
import type { NewImage } from './decode-row.ts';
import { getImage } from './find.ts';
import { fullName } from './import.ts';
import { putConfig, putManifest } from './manifest.ts';
import type { ImageParts } from './parts.ts';
import type { CommitOptions, ImageRecord } from './store.ts';
import { sweep } from './sweep.ts';

/** What a commit works with. */
interface CommitContext {
  readonly parts: ImageParts;
  /** Holds everything it stores. */
  readonly lease: Lease;
  readonly options: CommitOptions;
  readonly parent: ImageRecord | undefined;
  /** Digests of what it stored. */
  readonly stored: Digest[];
}

/** Make the image. Errors: `not-found` for the parent, `invalid` for changes, those of the disk. */
export async function commitImage(parts: ImageParts, options: CommitOptions): Promise<ImageRecord> {
  const parent =
    options.parent === undefined ? undefined : getImage(parts.table, options.parent, undefined);
  const execution = applyChanges(options.config ?? parent?.config.config ?? {}, options.changes);
  const name = options.reference === undefined ? undefined : fullName(options.reference);
  const lease = parts.content.lease('commit');
  const context: CommitContext = { parts, lease, options, parent, stored: [] };
  const pins = [parts.pins.pin(parent?.chain ?? [])];
  try {
    for (const { digest } of parent?.layers ?? []) lease.add(digest);
    const resolved = await storeImage(context, execution);
    pins.push(parts.pins.pin(chainIds(resolved.config.rootfs.diff_ids)));
    const image = await unpackImage(parts, resolved, options);
    return recordImage(context, image, name);
  } finally {
    lease.release();
    for (const release of pins) release();
    await sweep(parts, context.stored);
  }
}

function recordImage(
  { parts, parent }: CommitContext,
  image: NewImage,
  name: string | undefined,
): ImageRecord {
  const names = name === undefined ? [] : [{ name, imageId: image.id, target: image.manifest }];
  const whole = parent === undefined ? image : { ...image, parent: parent.id };
  parts.table.add([whole], names, parts.nowMs());
  return recordOf(parts, image.id);
}

/** Store layer, configuration and manifest. */
async function storeImage(
  context: CommitContext,
  execution: ExecutionConfig,
): Promise<ResolvedImage> {
  const { parts, lease, parent, stored } = context;
  const { blob, diffId } = await storeChanges(context);
  stored.push(blob.digest);
  const config = configOf(context, execution, diffId);
  const configDescriptor = await putConfig(parts, config, lease);
  const layer = { mediaType: layerMediaType('gzip'), digest: blob.digest, size: blob.sizeBytes };
  const layers = [...(parent?.layers ?? []), layer];
  const resolved = await putManifest(parts, { config, configDescriptor, layers, lease });
  stored.push(configDescriptor.digest, resolved.manifestDescriptor.digest);
  return resolved;
}

/** The changes as a blob: tar, gzip without name and time. */
async function storeChanges(
  context: CommitContext,
): Promise<{ readonly blob: BlobInfo; readonly diffId: Digest }> {
  const { parts, lease, options } = context;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const walk = await parts.changes.open({ directories: [options.upper], below: [], ...signal });
  try {
    const exclude = new Set(options.exclude.map((path) => Buffer.from(path).toString('latin1')));
    const tar = tarOf(walk, { exclude, root: rootBelow(context) });
    const blob = await parts.content.put(gzip(tar.bytes), { lease, deferSync: true, ...signal });
    return { blob, diffId: tar.diffId() };
  } finally {
    await walk.close();
  }
}

function rootBelow({ parts, parent }: CommitContext): RootAttributes {
  const top = parent?.chain.at(-1);
  return (top === undefined ? undefined : parts.target.findLayer(top)?.root) ?? DEFAULT_ROOT;
}

/** The tar of the changes, hashed on the way. */
function tarOf(
  walk: Walk,
  plan: { readonly exclude: ReadonlySet<string>; readonly root: RootAttributes },
): { readonly bytes: AsyncIterable<Uint8Array>; readonly diffId: () => Digest } {
  const hash = createDigester();
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for await (const chunk of writeTar(planTar(walk.entries, plan), walk)) {
      hash.update(chunk);
      yield chunk;
    }
  }
  return { bytes: bytes(), diffId: () => digestOf(hash) };
}

function gzip(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const packer = createGzip({ level: 6, chunkSize: 256 * 1024 });
  const input = Readable.from(source, { objectMode: true, highWaterMark: 4 });
  input.on('error', (error) => packer.destroy(error));
  return input.pipe(packer);
}

function configOf(
  { parts, options, parent }: CommitContext,
  execution: ExecutionConfig,
  diffId: Digest,
): ImageConfig {
  const created = new Date(parts.nowMs()).toISOString();
  const { os, architecture, variant } = parent?.platform ?? parts.host;
  const author = options.author ?? parent?.config.author;
  return {
    created,
    ...given('author', author),
    architecture,
    os,
    ...given('variant', variant),
    config: execution,
    rootfs: { type: 'layers', diff_ids: [...(parent?.config.rootfs.diff_ids ?? []), diffId] },
    history: [...(parent?.config.history ?? []), stepOf(options, created)],
    ...given('comment', options.message),
  };
}

function stepOf(options: CommitOptions, created: string): HistoryEntry {
  return {
    created,
    ...given('created_by', options.createdBy),
    ...given('author', options.author),
    ...given('comment', options.message),
  };
}

/** The field, or nothing where its text is missing or empty. */
function given<Name extends string>(
  name: Name,
  text: string | undefined,
): Partial<Record<Name, string>> {
  const field: Partial<Record<Name, string>> = {};
  if (text !== undefined && text !== '') field[name] = text;
  return field;
}
