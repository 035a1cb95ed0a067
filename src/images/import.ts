/**
 * `import`: a root file system in a tar → an image of one layer. The stream is
 * stored and unpacked at once; nothing is read twice.
 *
 * Source: Docker CLI reference `docker import`; OCI image-spec 1.1.1 config.md.
 */
import type { Digest } from '../base/brand.ts';
import { EngineError, isEngineError } from '../base/error.ts';
import { Growth } from '../content/growth.ts';
import type { BlobInfo, Lease, PutOptions } from '../content/store.ts';
import { blameInput } from '../layers/input-error.ts';
import { interruptible } from '../layers/interruptible.ts';
import { bytesOf, followFile, type LayerBytes } from '../layers/layer-bytes.ts';
import type { UnpackResult } from '../layers/unpack-job.ts';
import { baseChainId } from '../spec/digest.ts';
import { mergeCaptured } from '../spec/layer.ts';
import { layerMediaType } from '../spec/media-type.ts';
import type { ExecutionConfig, ImageConfig } from '../spec/oci/image.ts';
import { formatReference, parseReference, withDefaultTag } from '../spec/reference.ts';
import { recordOf } from './add.ts';
import { applyChanges } from './changes.ts';
import type { NewImage } from './decode-row.ts';
import { putConfig, putManifest } from './manifest.ts';
import type { ImageParts } from './parts.ts';
import type { ImageRecord, ImportOptions } from './store.ts';
import { sweep } from './sweep.ts';

/** What an import works with. */
interface ImportContext {
  readonly parts: ImageParts;
  /** Holds everything it stores. */
  readonly lease: Lease;
  readonly options: ImportOptions;
  /** Digests of what it stored. */
  readonly stored: Digest[];
}

/** The layer an import made: as it is stored, and as it is unpacked. */
interface ImportedLayer {
  readonly blob: BlobInfo;
  readonly result: UnpackResult;
}

/** Import a root. Errors: `invalid`, `corrupt`, `exhausted`, those of the source. */
export async function importImage(
  parts: ImageParts,
  source: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImageRecord> {
  // Wrong words are refused before gigabytes are read.
  const execution = applyChanges({}, options.changes);
  const name = options.reference === undefined ? undefined : fullName(options.reference);
  const lease = parts.content.lease('import');
  const context: ImportContext = { parts, lease, options, stored: [] };
  let unpin: (() => void) | undefined;
  try {
    const layer = await storeAndUnpack(context, source);
    unpin = parts.pins.pin([baseChainId(layer.result.facts.diffId)]);
    const image = await describeImage(context, execution, layer);
    context.stored.push(image.id, image.manifest.digest);
    await parts.content.sync();
    const names = name === undefined ? [] : [{ name, imageId: image.id, target: image.manifest }];
    parts.table.add([image], names, parts.nowMs());
    return recordOf(parts, image.id);
  } catch (error) {
    throw blameInput(error);
  } finally {
    lease.release();
    unpin?.();
    await sweep(parts, context.stored);
  }
}

/** Full name with a tag for what someone typed. Errors: `invalid`. */
export function fullName(text: string): string {
  const reference = parseReference(text);
  if (reference.digest !== undefined)
    throw new EngineError('invalid', 'refusing to create a tag with a digest reference');
  return formatReference(withDefaultTag(reference));
}

async function describeImage(
  { parts, lease, options }: ImportContext,
  execution: ExecutionConfig,
  { blob, result }: ImportedLayer,
): Promise<NewImage> {
  const created = new Date(parts.nowMs()).toISOString();
  const { os, architecture, variant } = options.platform ?? parts.host;
  const { message = '', sourceName = '-' } = options;
  const config: ImageConfig = {
    created,
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    config: execution,
    rootfs: { type: 'layers', diff_ids: [result.facts.diffId] },
    history: [{ created, comment: message === '' ? `Imported from ${sourceName}` : message }],
  };
  const layer = {
    mediaType: layerMediaType(result.compression),
    digest: blob.digest,
    size: blob.sizeBytes,
  };
  const configDescriptor = await putConfig(parts, config, lease);
  const content = { config, configDescriptor, layers: [layer], lease };
  const { manifestDescriptor } = await putManifest(parts, content);
  return {
    id: configDescriptor.digest,
    manifest: manifestDescriptor,
    configDescriptor,
    config,
    layers: [layer],
    layerSizesBytes: [result.facts.sizeBytes],
    captured: mergeCaptured([result.facts]),
  };
}

async function storeAndUnpack(
  context: ImportContext,
  source: AsyncIterable<Uint8Array>,
): Promise<ImportedLayer> {
  const { parts, lease, options } = context;
  const { onProgress } = options;
  const abort = new AbortController();
  const signal =
    options.signal === undefined ? abort.signal : AbortSignal.any([options.signal, abort.signal]);
  const { storing, bytes } = storeFollowed(parts, interruptible(source, signal), {
    lease,
    signal,
  });
  const unpacking = parts.unpacker.unpackNew({
    bytes,
    signal,
    onProgress: (current) => onProgress?.({ status: 'Importing', current }),
  });
  try {
    const [blob, { result }] = await Promise.all([storing, unpacking]);
    if (blob.digest !== result.digest)
      throw new EngineError('internal', 'Cannot import: the stored stream is not the unpacked one');
    return { blob, result };
  } catch (error) {
    abort.abort();
    const ends = await Promise.allSettled([storing, unpacking]);
    // One fails, the other hears that it stopped: whoever is first, the cause is told.
    const reasons = ends.map((end): unknown =>
      end.status === 'rejected' ? end.reason : undefined,
    );
    throw reasons.find((reason) => reason !== undefined && !isConsequence(reason)) ?? error;
  } finally {
    // A blob that was whole before the unpacking failed is taken away again.
    await storing.then(
      ({ digest }) => context.stored.push(digest),
      () => undefined,
    );
  }
}

/** Store a stream whose digest nobody knows; `bytes`: the same for a reader beside the writer. */
function storeFollowed(
  { content }: ImageParts,
  source: AsyncIterable<Uint8Array>,
  options: Pick<PutOptions, 'lease' | 'signal'>,
): { readonly storing: Promise<BlobInfo>; readonly bytes: () => Promise<LayerBytes> } {
  const growth = new Growth();
  const opened = Promise.withResolvers<string | undefined>();
  const follower = {
    onOpen: opened.resolve,
    onWritten: (sizeBytes: number) => growth.advance(sizeBytes),
  };
  const storing = content.put(source, { ...options, deferSync: true, follower });
  storing.then(
    () => {
      growth.complete();
      opened.resolve(undefined);
    },
    (error: unknown) => {
      growth.fail(error);
      opened.resolve(undefined);
    },
  );
  const bytes = async (): Promise<LayerBytes> => {
    const path = await opened.promise;
    const growing = path === undefined ? undefined : await followFile(path, growth);
    return growing ?? (await bytesOf(content, await storing));
  };
  return { storing, bytes };
}

/** It failed because the other side did. */
function isConsequence(reason: unknown): boolean {
  return isEngineError(reason) && reason.kind === 'cancelled';
}
