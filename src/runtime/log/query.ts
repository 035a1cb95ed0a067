/** What to read of a log, and what of the records that are read is handed out. */

import {
  type LogRecord,
  RECORD_HEAD_BYTES,
  RECORD_TAIL_BYTES,
  recordAt,
  type StreamName,
} from './format.ts';
import { ChunkAssembler, LineAssembler, type LogEntry } from './lines.ts';

/** What to read of a log. */
export interface LogQuery {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Count of last lines; `undefined`: all. Taken before the time bounds, as Docker does. */
  readonly tail?: number;
  /** Nanoseconds since the epoch, inclusive. */
  readonly sinceNs?: bigint;
  /** Nanoseconds since the epoch, inclusive. */
  readonly untilNs?: bigint;
  /** Go on until the process is gone. */
  readonly follow: boolean;
  /** Chunks of many lines may come as one, when no bound needs a look at the lines. */
  readonly bulk: boolean;
  readonly signal?: AbortSignal;
}

/** Takes records, gives entries. */
interface Assembler {
  push(record: LogRecord, entries: LogEntry[]): void;
  /** At the end of each block. */
  pause(entries: LogEntry[]): void;
  finish(entries: LogEntry[]): void;
}

/** Names of the streams a query asks for. */
export function streamsOf(query: LogQuery): ReadonlySet<StreamName> {
  const streams = new Set<StreamName>();
  if (query.stdout) streams.add('stdout');
  if (query.stderr) streams.add('stderr');
  return streams;
}

/** Turns blocks of records into the entries that a query asks for. */
export class LogSelection {
  readonly #query: LogQuery;
  readonly #streams: ReadonlySet<StreamName>;
  readonly #assembler: Assembler;
  #surplus: number;
  #isPastEnd = false;

  /** `surplus`: count of entries to leave out at the start. */
  constructor(query: LogQuery, surplus: number) {
    this.#query = query;
    this.#streams = streamsOf(query);
    this.#assembler = assemblerFor(query);
    this.#surplus = surplus;
  }

  /** True when a record after `untilNs` was seen. */
  get isPastEnd(): boolean {
    return this.#isPastEnd;
  }

  /** Entries of the whole records in `bytes` up to `end`. */
  take(bytes: Buffer, end: number): readonly LogEntry[] {
    const entries: LogEntry[] = [];
    const { untilNs } = this.#query;
    for (let at = 0; at < end; ) {
      const record = recordAt(bytes, at);
      at += RECORD_HEAD_BYTES + record.payload.byteLength + RECORD_TAIL_BYTES;
      this.#isPastEnd = untilNs !== undefined && record.timeNs > untilNs;
      if (this.#isPastEnd) break;
      if (this.#streams.has(record.stream)) this.#assembler.push(record, entries);
    }
    this.#assembler.pause(entries);
    return this.#pass(entries);
  }

  /** What never ended. */
  finish(): readonly LogEntry[] {
    const entries: LogEntry[] = [];
    this.#assembler.finish(entries);
    return this.#pass(entries);
  }

  #pass(entries: readonly LogEntry[]): readonly LogEntry[] {
    const skipped = Math.min(this.#surplus, entries.length);
    this.#surplus -= skipped;
    const rest = skipped === 0 ? entries : entries.slice(skipped);
    const { sinceNs } = this.#query;
    return sinceNs === undefined ? rest : rest.filter((entry) => entry.timeNs >= sinceNs);
  }
}

function assemblerFor(query: LogQuery): Assembler {
  const { tail, sinceNs, untilNs } = query;
  const isBounded = tail !== undefined || sinceNs !== undefined || untilNs !== undefined;
  if (query.bulk && !isBounded) {
    const chunks = new ChunkAssembler();
    return {
      push: (record, entries) => chunks.push(record, entries),
      pause: (entries) => chunks.finish(entries),
      finish: () => undefined,
    };
  }
  const lines = new LineAssembler({ dropsHeadless: sinceNs !== undefined && tail === undefined });
  return {
    push: (record, entries) => lines.push(record, entries),
    pause: () => undefined,
    finish: (entries) => lines.finish(entries),
  };
}
