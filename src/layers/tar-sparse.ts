/**
 * Sparse files: maps of data segments in GNU's old headers and in pax 1.0 data.
 *
 * **Invariant:** a checked map is ascending, does not overlap, stays inside the
 * file, and accounts for every byte of data in the archive.
 * Source: GNU tar manual "Storing Sparse Files".
 */
import { archiveTooLarge, corruptArchive, quoteName } from './tar-entry.ts';
import { numberField, TAR_BLOCK } from './tar-header.ts';

/** A run of data in a file; what lies between runs is a hole. */
export interface TarSegment {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** Segments of one block: 4 in a GNU header (at 386), 21 in an extension block (at 0). */
export function gnuSegments(
  block: Buffer,
  name: string,
  isExtension: boolean,
): readonly TarSegment[] {
  const start = isExtension ? 0 : 386;
  const segments: TarSegment[] = [];
  for (let i = 0; i < (isExtension ? 21 : 4); i++) {
    const at = start + i * 24;
    // The list ends at the first entry without a size field.
    if ((block[at + 12] ?? 0) === 0) break;
    segments.push({
      offsetBytes: numberField(block, { at, length: 12, what: 'sparse map', name }),
      sizeBytes: numberField(block, { at: at + 12, length: 12, what: 'sparse map', name }),
    });
  }
  return segments;
}

/** True when another extension block follows. */
export function hasMoreSegments(block: Buffer, isExtension: boolean): boolean {
  return block[isExtension ? 504 : 482] !== 0;
}

/** Size of a GNU sparse file with its holes. */
export function gnuRealSize(block: Buffer, name: string): number {
  return numberField(block, { at: 483, length: 12, what: 'real size', name });
}

/** Check a map against the file's size and the data in the archive. Errors: `corrupt`. */
export function checkSegments(
  segments: readonly TarSegment[],
  file: { readonly name: string; readonly realBytes: number; readonly dataBytes: number },
): void {
  const { name, realBytes, dataBytes } = file;
  let end = 0;
  let total = 0;
  for (const { offsetBytes, sizeBytes } of segments) {
    if (offsetBytes < end || sizeBytes < 0 || !Number.isSafeInteger(offsetBytes + sizeBytes)) {
      throw corruptArchive(`the sparse map of ${quoteName(name)} is not in order`);
    }
    end = offsetBytes + sizeBytes;
    total += sizeBytes;
  }
  if (end > realBytes)
    throw corruptArchive(`the sparse map of ${quoteName(name)} goes beyond its size`);
  if (total !== dataBytes)
    throw corruptArchive(`the sparse map of ${quoteName(name)} does not fit its data`);
}

/** Reads the map at the start of pax 1.0 data: decimal lines, padded to a block. */
export class SparseMapReader {
  readonly #name: string;
  readonly #maxSegments: number;
  readonly #numbers: number[] = [];
  #digits = '';
  #bytes = 0;

  constructor(name: string, maxSegments: number) {
    this.#name = name;
    this.#maxSegments = maxSegments;
  }

  /** Bytes of map read so far. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  /** Read one block; the segments once the map is complete, else `undefined`. */
  push(block: Buffer): readonly TarSegment[] | undefined {
    this.#bytes += TAR_BLOCK;
    for (const byte of block) {
      if (byte === 10) {
        this.#finishNumber();
        if (this.#isComplete()) return this.#segments();
      } else this.#addDigit(byte);
    }
    return undefined;
  }

  #addDigit(byte: number): void {
    if (byte < 48 || byte > 57 || this.#digits.length > 14)
      throw corruptArchive(`the sparse map of ${quoteName(this.#name)} is malformed`);
    this.#digits += String.fromCharCode(byte);
  }

  #finishNumber(): void {
    if (this.#digits === '')
      throw corruptArchive(`the sparse map of ${quoteName(this.#name)} is malformed`);
    this.#numbers.push(Number(this.#digits));
    this.#digits = '';
    if ((this.#numbers[0] ?? 0) > this.#maxSegments)
      throw archiveTooLarge(`the sparse map of ${quoteName(this.#name)} has too many segments`);
  }

  #isComplete(): boolean {
    return this.#numbers.length === 1 + 2 * (this.#numbers[0] ?? 0);
  }

  #segments(): readonly TarSegment[] {
    const segments: TarSegment[] = [];
    for (let i = 1; i < this.#numbers.length; i += 2) {
      segments.push({ offsetBytes: this.#numbers[i] ?? 0, sizeBytes: this.#numbers[i + 1] ?? 0 });
    }
    return segments;
  }
}
