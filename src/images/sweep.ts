/**
 * What an operation put into the content store and no image came to name:
 * `repositories`, `manifest.json`, everything of a load that failed.
 */
import type { Digest } from '../base/brand.ts';
import type { ArchiveFiles } from './archive.ts';
import type { ImageParts } from './parts.ts';
import { contentRoots } from './roots.ts';

/** Remove the files of an archive that nothing names.  */
export async function sweepLoaded(parts: ImageParts, files: ArchiveFiles): Promise<void> {
  const digests: Digest[] = [];
  for (const name of files.names()) {
    const file = files.find(name);
    if (file !== undefined) digests.push(file.digest);
  }
  await sweep(parts, digests);
}

/** Remove those of `digests` that no image and no lease needs. */
export async function sweep(parts: ImageParts, digests: readonly Digest[]): Promise<void> {
  for (const digest of digests)
    await parts.content.remove(digest, () => contentRoots(parts.table).has(digest));
}
