/**
 * Lines of records: joins the parts of a line per stream, because one record
 * is one read(2) and ends anywhere.
 *
 * **Invariant:** at most 1 MiB per stream is held; a longer line comes in pieces.
 */

import { endsLine, type LogRecord, type StreamName } from './format.ts';

/** A line with its newline (the last may lack it), or a chunk of many. */
export interface LogEntry {
  readonly stream: StreamName;
  /** When its first byte was read, nanoseconds since the epoch. */
  readonly timeNs: bigint;
  readonly bytes: Uint8Array;
}

const LINE_MAX_BYTES = 1024 * 1024;
const NEWLINE = 10;

interface PartialLine {
  parts: Uint8Array[];
  sizeBytes: number;
  timeNs: bigint;
}

/** Turns the records of one reading, in order, into lines in the order in which they end. */
export class LineAssembler {
  readonly #partial: Record<StreamName, PartialLine> = {
    stdout: { parts: [], sizeBytes: 0, timeNs: 0n },
    stderr: { parts: [], sizeBytes: 0, timeNs: 0n },
  };
  readonly #dropsHeadless: boolean;
  /** Streams inside a line whose beginning was not read. */
  readonly #isHeadless: Record<StreamName, boolean> = { stdout: false, stderr: false };

  /** `dropsHeadless`: a line whose beginning lies before the first record is left out. */
  constructor(options: { readonly dropsHeadless: boolean }) {
    this.#dropsHeadless = options.dropsHeadless;
  }

  /** Append the lines that `record` ends to `lines`. */
  push(record: LogRecord, lines: LogEntry[]): void {
    const { stream, timeNs, payload } = record;
    if (record.isNote) {
      lines.push({ stream, timeNs, bytes: payload });
      return;
    }
    const partial = this.#partial[stream];
    if (!record.isContinued) {
      this.#isHeadless[stream] = false;
      this.#flush(stream, lines);
    } else if (partial.sizeBytes === 0 && this.#dropsHeadless) this.#isHeadless[stream] = true;
    let start = 0;
    for (let end = payload.indexOf(NEWLINE); end >= 0; end = payload.indexOf(NEWLINE, start)) {
      const line = payload.subarray(start, end + 1);
      start = end + 1;
      if (this.#isHeadless[stream]) this.#isHeadless[stream] = false;
      else if (partial.sizeBytes === 0) lines.push({ stream, timeNs, bytes: line });
      else {
        this.#hold(stream, timeNs, line);
        this.#flush(stream, lines);
      }
    }
    if (start === payload.byteLength || this.#isHeadless[stream]) return;
    this.#hold(stream, timeNs, payload.subarray(start));
    if (partial.sizeBytes >= LINE_MAX_BYTES) this.#flush(stream, lines);
  }

  /** Append the lines that never ended: nothing follows. */
  finish(lines: LogEntry[]): void {
    this.#flush('stdout', lines);
    this.#flush('stderr', lines);
  }

  #hold(stream: StreamName, timeNs: bigint, part: Uint8Array): void {
    const partial = this.#partial[stream];
    if (partial.sizeBytes === 0) partial.timeNs = timeNs;
    partial.parts.push(part);
    partial.sizeBytes += part.byteLength;
  }

  #flush(stream: StreamName, lines: LogEntry[]): void {
    const partial = this.#partial[stream];
    if (partial.sizeBytes === 0) return;
    lines.push({ stream, timeNs: partial.timeNs, bytes: Buffer.concat(partial.parts) });
    partial.parts = [];
    partial.sizeBytes = 0;
  }
}

/** Joins neighbouring records of one stream into chunks: bulk reading without a look at the lines. */
export class ChunkAssembler {
  #parts: Uint8Array[] = [];
  #sizeBytes = 0;
  #stream: StreamName = 'stdout';
  #timeNs = 0n;

  push(record: LogRecord, chunks: LogEntry[]): void {
    if (record.stream !== this.#stream) this.finish(chunks);
    if (this.#parts.length === 0) {
      this.#stream = record.stream;
      this.#timeNs = record.timeNs;
    }
    this.#parts.push(record.payload);
    this.#sizeBytes += record.payload.byteLength;
  }

  /** Append what is held; called at the end of each block, so that nothing waits. */
  finish(chunks: LogEntry[]): void {
    const [only] = this.#parts;
    if (only === undefined) return;
    const bytes = this.#parts.length === 1 ? only : Buffer.concat(this.#parts, this.#sizeBytes);
    chunks.push({ stream: this.#stream, timeNs: this.#timeNs, bytes });
    this.#parts = [];
    this.#sizeBytes = 0;
  }
}

/**
 * Decides, walking backwards from the newest record, where a reading of the
 * last `count` lines must start. Lines are in the order in which they end.
 */
export class TailFinder {
  readonly #count: number;
  readonly #countsPartial: boolean;
  readonly #seen: Record<StreamName, { isSeen: boolean; isWhole: boolean; oldestRank: number }> = {
    stdout: { isSeen: false, isWhole: true, oldestRank: 0 },
    stderr: { isSeen: false, isWhole: true, oldestRank: 0 },
  };
  #lines = 0;

  /** `countsPartial`: an unfinished last line is a line (nobody follows). */
  constructor(options: { readonly count: number; readonly countsPartial: boolean }) {
    this.#count = options.count;
    this.#countsPartial = options.countsPartial;
  }

  /** Take the next older record, with the newlines its head names. */
  visit(record: LogRecord, newlines: number): void {
    if (record.isNote) {
      this.#lines += 1;
      return;
    }
    const seen = this.#seen[record.stream];
    const isLastPartial = !endsLine(record.payload) && (!seen.isSeen || seen.isWhole);
    /* A line without an end is a line when another follows it, that is when a new run began. */
    const isLine = isLastPartial && (seen.isSeen || this.#countsPartial);
    this.#lines += newlines + (isLine ? 1 : 0);
    if (newlines > 0 || isLine) seen.oldestRank = this.#lines;
    seen.isSeen = true;
    seen.isWhole = !record.isContinued;
  }

  /** True when the lines wanted are whole from the last record visited on. */
  get isDone(): boolean {
    if (this.#lines < this.#count) return false;
    return [this.#seen.stdout, this.#seen.stderr].every(
      (seen) => !seen.isSeen || seen.isWhole || seen.oldestRank > this.#count,
    );
  }

  /** Lines to leave out when reading starts at the last record visited. */
  get surplus(): number {
    return Math.max(0, this.#lines - this.#count);
  }
}
