/**
 * Segment files: which there are, and their records block by block while the
 * monitor goes on writing, rotating and removing them.
 *
 * **Invariant:** a block holds whole, sane records only; a torn end is either
 * still being written (the next look finds it whole) or never read.
 */

import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isEngineError } from '../../base/error.ts';
import {
  HEADER_BYTES,
  offsetAfter,
  parseSegmentHeader,
  parseSegmentName,
  RECORD_MAX_BYTES,
  recordLength,
  type SegmentHeader,
  segmentName,
} from './format.ts';

const BLOCK_MIN_BYTES = 64 * 1024;
const BLOCK_MAX_BYTES = 1024 * 1024;

/** Whole records. */
export interface Block {
  readonly bytes: Buffer;
  /** Offset in bytes where the whole records end. */
  readonly end: number;
}

/** A place in the log. `number` 0: before the first segment there is. */
export interface Place {
  /** Count of its segment. */
  readonly number: number;
  /** Bytes from the start of its segment. */
  readonly offset: number;
}

/** Numbers of the segments in `dir`, ascending; empty when the directory is gone. */
export async function listSegments(dir: string): Promise<readonly number[]> {
  const names = await readdir(dir).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const numbers = names.map(parseSegmentName).filter((number) => number !== undefined);
  return numbers.sort((a, b) => a - b);
}

/** `undefined` when it was rotated away. */
export async function openSegment(dir: string, number: number): Promise<FileHandle | undefined> {
  try {
    return await open(join(dir, segmentName(number)), 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** `undefined` for a file without a valid header: a segment being made, or a damaged one. */
export async function readSegmentHeader(file: FileHandle): Promise<SegmentHeader | undefined> {
  const bytes = await readAt(file, 0, HEADER_BYTES);
  try {
    return parseSegmentHeader(bytes);
  } catch (error) {
    if (isEngineError(error) && error.kind === 'corrupt') return undefined;
    throw error;
  }
}

/** At most `count` bytes from `offset`; fewer at the end of the file. */
export async function readAt(file: FileHandle, offset: number, count: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(count);
  const { bytesRead } = await file.read(bytes, 0, count, offset);
  return bytes.subarray(0, bytesRead);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Where the whole records at the start of `bytes` end. */
export function endOfRecords(bytes: Buffer): number {
  let end = 0;
  for (let length = recordLength(bytes, 0, bytes.byteLength); length > 0; ) {
    end += length;
    length = recordLength(bytes, end, bytes.byteLength);
  }
  return end;
}

/** Reads forwards from a place to the present end of the log, again and again. Close it. */
export class SegmentReader {
  readonly #dir: string;
  #file: FileHandle | undefined;
  #number: number;
  #offset: number;
  #blockBytes = BLOCK_MIN_BYTES;

  constructor(dir: string, from: Place) {
    this.#dir = dir;
    this.#number = from.number;
    this.#offset = from.offset;
  }

  /** The next records; `undefined` when there are none yet. */
  async next(): Promise<Block | undefined> {
    for (;;) {
      if (
        this.#file === undefined &&
        !(await this.#openAt(this.#number, this.#offset)) &&
        !(await this.#moveOn())
      )
        return undefined;
      const block = (await this.#readBlock()) ?? (await this.#skipDamage());
      if (block !== undefined) return block;
      const hasNext = (await this.#nextNumber()) !== undefined;
      if (!hasNext) return undefined;
      /* The monitor may have written here after we looked and before it began the next segment. */
      const late = await this.#readBlock();
      if (late !== undefined) return late;
      if (!(await this.#moveOn())) return undefined;
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #openAt(number: number, offset: number): Promise<boolean> {
    if (number === 0) return false;
    this.#file = await openSegment(this.#dir, number);
    this.#number = number;
    this.#offset = offset;
    return this.#file !== undefined;
  }

  async #nextNumber(): Promise<number | undefined> {
    const numbers = await listSegments(this.#dir);
    return numbers.find((number) => number > this.#number);
  }

  async #moveOn(): Promise<boolean> {
    await this.close();
    for (let next = await this.#nextNumber(); next !== undefined; next = await this.#nextNumber()) {
      if (await this.#openAt(next, HEADER_BYTES)) return true;
    }
    return false;
  }

  async #readBlock(): Promise<Block | undefined> {
    if (this.#file === undefined) return undefined;
    const bytes = await readAt(this.#file, this.#offset, this.#blockBytes);
    const end = endOfRecords(bytes);
    this.#blockBytes =
      bytes.byteLength === this.#blockBytes
        ? Math.min(this.#blockBytes * 2, BLOCK_MAX_BYTES)
        : BLOCK_MIN_BYTES;
    if (end === 0) return undefined;
    this.#offset += end;
    return { bytes, end };
  }

  /** Bytes that are no record although more than one record follows: go on at the next one the index names. */
  async #skipDamage(): Promise<Block | undefined> {
    if (this.#file === undefined) return undefined;
    const { size } = await this.#file.stat();
    if (size - this.#offset < RECORD_MAX_BYTES) return undefined;
    // Perhaps all of it was written since we looked: only now a missing record is damage.
    const late = await this.#readBlock();
    if (late !== undefined) return late;
    const header = await readSegmentHeader(this.#file);
    const offset = header === undefined ? undefined : offsetAfter(header, this.#offset);
    if (offset === undefined) return undefined;
    this.#offset = offset;
    return await this.#readBlock();
  }
}
