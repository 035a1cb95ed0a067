/**
 * Rows of the image tables → values. The rows are carve's own and were checked
 * before they were written, so they are only given their types.
 */
import type { Digest } from '../base/brand.ts';
import type { CapturedFile, CapturedPath } from '../spec/layer.ts';
import type { Descriptor, ImageConfig } from '../spec/oci/image.ts';

/** An image without its names. */
export interface NewImage {
  readonly id: Digest;
  readonly manifest: Descriptor;
  readonly configDescriptor: Descriptor;
  readonly config: ImageConfig;
  readonly layers: readonly Descriptor[];
  readonly layerSizesBytes: readonly number[];
  readonly captured: Readonly<Record<CapturedPath, CapturedFile>>;
  readonly parent?: Digest;
}

/** An image and when it came and got its last name. */
export interface ImageRow extends NewImage {
  readonly addedAtMs: number;
  readonly lastTaggedAtMs: number | undefined;
  readonly lastUsedAtMs: number | undefined;
}

/** A name's image and what it was given for. */
export interface NameRow {
  readonly name: string;
  readonly imageId: Digest;
  readonly target: Descriptor;
}

/** A row of `image_names`. */
export function decodeName(row: Readonly<Record<string, unknown>>): NameRow {
  return {
    name: String(row['name']),
    imageId: String(row['image_id']) as Digest,
    target: parse(row['target']),
  };
}

/** A row of `images`. */
export function decodeImage(row: Readonly<Record<string, unknown>>): ImageRow {
  const parent = row['parent'];
  const tagged = row['last_tagged_at_ms'];
  const used = row['last_used_at_ms'];
  return {
    id: String(row['id']) as Digest,
    manifest: parse(row['manifest']),
    configDescriptor: parse(row['config_descriptor']),
    config: parse(row['config']),
    layers: parse(row['layers']),
    layerSizesBytes: parse(row['layer_sizes']),
    captured: parse(row['captured']),
    ...(typeof parent === 'string' ? { parent: parent as Digest } : {}),
    addedAtMs: Number(row['added_at_ms']),
    lastTaggedAtMs: typeof tagged === 'number' ? tagged : undefined,
    lastUsedAtMs: typeof used === 'number' ? used : undefined,
  };
}

function parse<T>(value: unknown): T {
  return JSON.parse(String(value)) as T;
}
