/** `history`: the steps of an image, with the sizes and images that are known here. Source: OCI image-spec 1.1.1 config.md "history". */
import type { HistoryEntry } from '../spec/oci/image.ts';
import type { ImageTable } from './image-table.ts';
import type { ImageRecord, ImageStep } from './store.ts';

/** Steps, oldest first. An image without a history has one step for each layer. */
export function historyOf(table: ImageTable, image: ImageRecord): readonly ImageStep[] {
  const entries: readonly HistoryEntry[] = image.config.history ?? image.layers.map(() => ({}));
  const known = knownEnds(table, image);
  let layer = 0;
  return entries.map((entry, index) => {
    const isEmpty = entry.empty_layer === true;
    const sizeBytes = isEmpty ? 0 : (image.layerSizesBytes[layer++] ?? 0);
    const end = known.get(index);
    return { ...entry, sizeBytes, ...(end === undefined ? {} : { image: end }) };
  });
}

/** Which image ends with which step: this one, and those it was made from. */
function knownEnds(table: ImageTable, image: ImageRecord): ReadonlyMap<number, ImageRecord> {
  const ends = new Map<number, ImageRecord>();
  const seen = new Set<string>();
  for (
    let current: ImageRecord | undefined = image;
    current !== undefined && !seen.has(current.id);
  ) {
    seen.add(current.id);
    ends.set((current.config.history ?? current.layers).length - 1, current);
    current = current.parent === undefined ? undefined : table.get(current.parent);
  }
  return ends;
}
