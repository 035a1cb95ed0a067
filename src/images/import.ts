/**
 * `import`: a root file system in a tar → an image of one layer. The stream is
 * stored and unpacked at once; nothing is read twice.
 *
 * Source: Docker CLI reference `docker import`; OCI image-spec 1.1.1 config.md.
 */
import type { Digest } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import type { BlobInfo, Lease } from '../content/store.ts';
import type { UnpackResult } from '../layers/unpack-job.ts';
import { digestBytes } from '../spec/digest.ts';
import { mergeCaptured } from '../spec/layer.ts';
import { layerMediaType, MEDIA_TYPE } from '../spec/media-type.ts';
import type { ImageConfig } from '../spec/oci/image.ts';
import { formatReference, parseReference, withDefaultTag } from '../spec/reference.ts';
import { recordOf } from './add.ts';
import { applyChanges } from './changes.ts';
import { putManifest } from './load.ts';
import type { ImageParts } from './parts.ts';
import type { ImageOptions, ImageRecord, ImportOptions } from './store.ts';
import { sweep } from './sweep.ts';
import { Tee } from './tee.ts';

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
  const stored: Digest[] = [];
  let unpin: (() => void) | undefined;
  try {
    const { blob, result } = await storeAndUnpack(parts, source, lease, options);
    stored.push(blob.digest);
    unpin = parts.pins.pin([result.facts.diffId as string as ImageRecord['chain'][number]]);
    const created = new Date(parts.nowMs()).toISOString();
    const { os, architecture, variant } = options.platform ?? parts.host;
    const config: ImageConfig = {
      created,
      architecture,
      os,
      ...(variant === undefined ? {} : { variant }),
      config: execution,
      rootfs: { type: 'layers', diff_ids: [result.facts.diffId] },
      history: [
        {
          created,
          comment: `Imported from ${options.sourceName ?? '-'}`,
          ...(options.message === undefined || options.message === ''
            ? {}
            : { comment: options.message }),
        },
      ],
    };
    const bytes = Buffer.from(JSON.stringify(config));
    const configBlob = await parts.content.putBytes(bytes, { lease, deferSync: true });
    stored.push(configBlob.digest);
    const layer = {
      mediaType: layerMediaType(result.compression),
      digest: blob.digest,
      size: blob.sizeBytes,
    };
    const configDescriptor = {
      mediaType: MEDIA_TYPE.ociConfig,
      digest: digestBytes(bytes),
      size: bytes.length,
    };
    const { manifestDescriptor } = await putManifest(
      parts,
      configDescriptor,
      config,
      [layer],
      lease,
    );
    await parts.content.sync();
    const image = {
      id: configDescriptor.digest,
      manifest: manifestDescriptor,
      configDescriptor,
      config,
      layers: [layer],
      layerSizesBytes: [result.facts.sizeBytes],
      captured: mergeCaptured([result.facts]),
    };
    const names =
      name === undefined ? [] : [{ name, imageId: image.id, target: manifestDescriptor }];
    parts.table.add([image], names, parts.nowMs());
    return recordOf(parts, image.id);
  } finally {
    lease.release();
    unpin?.();
    await sweep(parts, stored);
  }
}

/** Full name with a tag for what someone typed. Errors: `invalid`. */
export function fullName(text: string): string {
  const reference = parseReference(text);
  if (reference.digest !== undefined)
    throw new EngineError('invalid', 'refusing to create a tag with a digest reference');
  return formatReference(withDefaultTag(reference));
}

async function storeAndUnpack(
  parts: ImageParts,
  source: AsyncIterable<Uint8Array>,
  lease: Lease,
  options: ImageOptions,
): Promise<{ readonly blob: BlobInfo; readonly result: UnpackResult }> {
  const tee = new Tee(source);
  const abort = new AbortController();
  const signal =
    options.signal === undefined ? abort.signal : AbortSignal.any([options.signal, abort.signal]);
  const { onProgress } = options;
  const storing = parts.content.put(tee.first, { lease, deferSync: true, signal });
  const unpacking = parts.unpacker.unpackNew({
    bytes: { kind: 'stream', chunks: tee.second },
    signal,
    ...(onProgress === undefined
      ? {}
      : {
          onProgress: (current: number) => {
            onProgress({ status: 'Importing', current });
          },
        }),
  });
  try {
    const [blob, { result }] = await Promise.all([storing, unpacking]);
    if (blob.digest !== result.digest)
      throw new EngineError('internal', 'Cannot import: the stored stream is not the unpacked one');
    return { blob, result };
  } catch (error) {
    tee.fail(error);
    abort.abort();
    await Promise.allSettled([storing, unpacking]);
    throw error;
  }
}
