/** Manifests that carve writes itself: for imports, commits and old archives. */
import type { Lease } from '../content/store.ts';
import { MEDIA_TYPE } from '../spec/media-type.ts';
import type { Descriptor, ImageConfig, ImageManifest } from '../spec/oci/image.ts';
import type { ResolvedImage } from './add.ts';
import type { ImageParts } from './parts.ts';

/** What a manifest is made of. */
export interface ManifestContent {
  readonly config: ImageConfig;
  readonly configDescriptor: Descriptor;
  /** Base first. */
  readonly layers: readonly Descriptor[];
  /** Holds the manifest. */
  readonly lease: Lease;
}

/** Store the manifest of a configuration and its layers. */
export async function putManifest(
  parts: ImageParts,
  content: ManifestContent,
): Promise<ResolvedImage> {
  const { config, configDescriptor, layers, lease } = content;
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: configDescriptor,
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const { digest, sizeBytes } = await parts.content.putBytes(bytes, { lease, deferSync: true });
  return {
    manifestDescriptor: { mediaType: MEDIA_TYPE.ociManifest, digest, size: sizeBytes },
    manifest,
    config,
  };
}

/** Store a configuration. */
export async function putConfig(
  parts: ImageParts,
  config: ImageConfig,
  lease: Lease,
): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(config));
  const { digest, sizeBytes } = await parts.content.putBytes(bytes, { lease, deferSync: true });
  return { mediaType: MEDIA_TYPE.ociConfig, digest, size: sizeBytes };
}
