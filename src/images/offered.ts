/** What the indexes offer that an image's names stand for. Source: OCI image-spec 1.1.1 image-index.md. */
import type { Digest } from '../base/brand.ts';
import { isEngineError } from '../base/error.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import { DOCUMENT_MAX_BYTES, parseTarget } from './documents.ts';
import type { ImageParts } from './parts.ts';

/** Entries of all indexes, each once, in their order. A damaged index offers nothing. */
export async function offeredBeside(parts: ImageParts, id: Digest): Promise<readonly Descriptor[]> {
  const { table, content } = parts;
  const targets = new Map(
    table.namesOf(id).flatMap((name) => {
      const target = table.targetOf(name);
      return target === undefined ? [] : [[target.digest, target] as const];
    }),
  );
  const entries = new Map<Digest, Descriptor>();
  for (const { digest, size, mediaType } of targets.values()) {
    try {
      const bytes = await content.read(digest, DOCUMENT_MAX_BYTES, { sizeBytes: size });
      const document = parseTarget(bytes, mediaType);
      if (document.kind === 'manifest') continue;
      for (const entry of document.index.manifests) entries.set(entry.digest, entry);
    } catch (error) {
      if (!isEngineError(error)) throw error;
    }
  }
  return [...entries.values()];
}
