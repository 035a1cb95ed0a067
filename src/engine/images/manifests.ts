/**
 * The manifests behind an image: its own, and those of the index its names
 * stand for that are not here. Source: Engine API `ImageManifestSummary`.
 */

import type { ImageRecord } from '../../images/store.ts';
import type { ImageDescriptor, ImageManifestSummary } from '../../spec/docker/image.ts';
import { ANNOTATION, type Descriptor } from '../../spec/oci/image.ts';
import type { EngineParts } from '../parts.ts';
import { usersOf } from './users.ts';

/** In the order of the index; only the image's own manifest when no index led to it. */
export async function manifestsOf(
  parts: EngineParts,
  image: ImageRecord,
): Promise<readonly ImageManifestSummary[]> {
  const offered = await parts.images.offered(image.id);
  const isListed = offered.some(({ digest }) => digest === image.manifest.digest);
  const entries = isListed ? offered : [image.manifest, ...offered];
  const byDigest = new Map(parts.images.list().map((other) => [other.manifest.digest, other]));
  return entries.map((entry) => summarise(parts, entry, byDigest.get(entry.digest)));
}

function summarise(
  parts: EngineParts,
  entry: Descriptor,
  image: ImageRecord | undefined,
): ImageManifestSummary {
  const { annotations } = entry;
  const platform = entry.platform ?? image?.platform;
  const contentBytes = image === undefined ? 0 : contentBytesOf(image);
  const unpackedBytes = image?.sizeBytes ?? 0;
  const common = {
    ID: entry.digest,
    Descriptor: descriptorOf(entry, platform),
    Available: image !== undefined,
    Size: { Total: contentBytes + unpackedBytes, Content: contentBytes },
  };
  if (annotations?.[ANNOTATION.attestationType] !== undefined) {
    const attested = annotations[ANNOTATION.attestationDigest] ?? '';
    return { ...common, Kind: 'attestation', AttestationData: { For: attested } };
  }
  if (platform === undefined) return { ...common, Kind: 'unknown' };
  const users = image === undefined ? [] : usersOf(parts)(image.id);
  const Containers = users.map(({ containerId }) => containerId);
  const Size = { Unpacked: unpackedBytes };
  return { ...common, Kind: 'image', ImageData: { Platform: platform, Containers, Size } };
}

function descriptorOf(
  { mediaType, digest, size, annotations }: Descriptor,
  platform: ImageDescriptor['platform'] | undefined,
): ImageDescriptor {
  return {
    mediaType,
    digest,
    size,
    ...(annotations === undefined ? {} : { annotations }),
    ...(platform === undefined ? {} : { platform }),
  };
}

/** Manifest, configuration and layers, each blob once. */
function contentBytesOf(image: ImageRecord): number {
  const blobs = new Map(
    [image.manifest, image.configDescriptor, ...image.layers].map(({ digest, size }) => [
      digest,
      size,
    ]),
  );
  return [...blobs.values()].reduce((sum, size) => sum + size, 0);
}
