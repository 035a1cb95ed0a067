/**
 * The bytes of a log segment: its header with the index, and its records.
 * Pure; the writer is `chisel/log.c`.
 *
 * **Invariant:** no field of a segment is trusted beyond the bounds checked
 * here: payloads are the container's, and a killed monitor leaves torn ends.
 * Source: docs/chisel-protocol.md "Log segments".
 */

import { EngineError } from '../../base/error.ts';

/** Bytes of a segment before its first record. */
export const HEADER_BYTES = 4096;
/** Bytes of a record before its payload. */
export const RECORD_HEAD_BYTES = 16;
/** Bytes of a record after its payload. */
export const RECORD_TAIL_BYTES = 4;
/** Greatest payload of one record in bytes. */
export const PAYLOAD_MAX_BYTES = 61440;
/** Greatest record in bytes. */
export const RECORD_MAX_BYTES: number = RECORD_HEAD_BYTES + PAYLOAD_MAX_BYTES + RECORD_TAIL_BYTES;
const MAGIC = Buffer.from('CRVLOG1\n', 'latin1');
const VERSION = 1;
const FIXED_BYTES = 24;
const ENTRY_BYTES = 24;
const ENTRY_MAX = 160;
const STDOUT = 1;
const STDERR = 2;
const FLAG_NOTE = 1;
const FLAG_CONTINUES = 2;
const NEWLINE = 10;

/** Stream of a record; a note of carve's is on `stderr`. */
export type StreamName = 'stdout' | 'stderr';

/** Where a record stands, when it was written, and the newlines before it in its segment. */
export interface IndexEntry {
  /** Bytes from the start of the segment. */
  readonly offset: number;
  readonly timeNs: bigint;
  /** Count of newlines. */
  readonly lines: number;
}

/** What the first 4096 bytes of a segment say. */
export interface SegmentHeader {
  readonly createdNs: bigint;
  /** Ascending offsets; one record per interval. */
  readonly index: readonly IndexEntry[];
}

/** One read(2) of the monitor. */
export interface LogRecord {
  readonly stream: StreamName;
  readonly timeNs: bigint;
  readonly payload: Uint8Array;
  /** Written by carve itself, a whole line. */
  readonly isNote: boolean;
  /** The payload starts inside a line of its stream. */
  readonly isContinued: boolean;
}

/** File name of segment `number`. */
export function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.log`;
}

/** Number of the segment in file `name`; `undefined` when it is another file. */
export function parseSegmentName(name: string): number | undefined {
  if (!/^\d{8,10}\.log$/.test(name)) return undefined;
  const number = Number.parseInt(name, 10);
  return number > 0 && number < 2 ** 32 ? number : undefined;
}

/** Errors: `corrupt` when this is no segment of a version we know. */
export function parseSegmentHeader(bytes: Buffer): SegmentHeader {
  if (
    bytes.byteLength < HEADER_BYTES ||
    bytes.compare(MAGIC, 0, 8, 0, 8) !== 0 ||
    bytes.readUInt32LE(8) !== VERSION
  ) {
    throw new EngineError('corrupt', 'Cannot read the log: a segment has no valid header');
  }
  const index: IndexEntry[] = [];
  let leastOffset = HEADER_BYTES;
  for (let i = 0; i < ENTRY_MAX; i++) {
    const at = FIXED_BYTES + i * ENTRY_BYTES;
    const offset = Number(bytes.readBigUInt64LE(at));
    if (offset < leastOffset || !Number.isSafeInteger(offset)) break;
    index.push({
      offset,
      timeNs: bytes.readBigUInt64LE(at + 8),
      lines: Number(bytes.readBigUInt64LE(at + 16)),
    });
    leastOffset = offset + 1;
  }
  return { createdNs: bytes.readBigUInt64LE(16), index };
}

/** Length with head and tail of the record at `at`; 0 when no whole, sane record stands there before `end`. */
export function recordLength(bytes: Buffer, at: number, end: number): number {
  if (at + RECORD_HEAD_BYTES >= end) return 0;
  const n = bytes.readUInt32LE(at);
  const length = n + RECORD_HEAD_BYTES + RECORD_TAIL_BYTES;
  if (n === 0 || n > PAYLOAD_MAX_BYTES || at + length > end) return 0;
  const stream = bytes[at + 4];
  if (
    (stream !== STDOUT && stream !== STDERR) ||
    (bytes[at + 5] ?? 0) > (FLAG_NOTE | FLAG_CONTINUES)
  )
    return 0;
  return bytes.readUInt32LE(at + length - RECORD_TAIL_BYTES) === n ? length : 0;
}

/**
 * Length of the record that ends at `end`, found by its trailing length; 0 when
 * none does after `begin`.
 */
export function recordLengthBefore(bytes: Buffer, begin: number, end: number): number {
  if (end - begin < RECORD_HEAD_BYTES + RECORD_TAIL_BYTES + 1) return 0;
  const length =
    bytes.readUInt32LE(end - RECORD_TAIL_BYTES) + RECORD_HEAD_BYTES + RECORD_TAIL_BYTES;
  if (length > RECORD_MAX_BYTES || end - length < begin) return 0;
  return recordLength(bytes, end - length, end) === length ? length : 0;
}

/** The record at `at`. Precondition: `recordLength` gave its length. The payload shares memory with `bytes`. */
export function recordAt(bytes: Buffer, at: number): LogRecord {
  const n = bytes.readUInt32LE(at);
  const flags = bytes[at + 5] ?? 0;
  return {
    stream: bytes[at + 4] === STDOUT ? 'stdout' : 'stderr',
    timeNs: bytes.readBigUInt64LE(at + 8),
    payload: bytes.subarray(at + RECORD_HEAD_BYTES, at + RECORD_HEAD_BYTES + n),
    isNote: (flags & FLAG_NOTE) !== 0,
    isContinued: (flags & FLAG_CONTINUES) !== 0,
  };
}

/** Newlines in the payload of the record at `at`, as its head says. */
export function newlinesAt(bytes: Buffer, at: number): number {
  return bytes.readUInt16LE(at + 6);
}

/** True when the last byte of `payload` ends a line. */
export function endsLine(payload: Uint8Array): boolean {
  return payload[payload.byteLength - 1] === NEWLINE;
}

/** Offset from which a search for records at or after `sinceNs` must start. */
export function offsetBefore(header: SegmentHeader, sinceNs: bigint): number {
  let offset = HEADER_BYTES;
  for (const entry of header.index) {
    if (entry.timeNs >= sinceNs) break;
    offset = entry.offset;
  }
  return offset;
}

/** First indexed offset after `at`, where reading can go on behind damaged bytes; `undefined`: none. */
export function offsetAfter(header: SegmentHeader, at: number): number | undefined {
  return header.index.find((entry) => entry.offset > at)?.offset;
}
