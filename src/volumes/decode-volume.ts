/** Volume records as JSON text and back; the text is this engine's own. */

import type { VolumeRecord } from './store.ts';

/** Text of the column `volume`. */
export function encodeVolume(volume: VolumeRecord): string {
  return JSON.stringify({ ...volume, createdAtNs: String(volume.createdAtNs) });
}

/** Errors: any, when the row is damaged. */
export function decodeVolume(text: string): VolumeRecord {
  const stored = JSON.parse(text) as Omit<VolumeRecord, 'createdAtNs'> & {
    readonly createdAtNs: string;
  };
  return { ...stored, createdAtNs: BigInt(stored.createdAtNs) };
}
