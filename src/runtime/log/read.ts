/**
 * Reading a container's log: all of it, its tail, from a time, and what comes.
 *
 * **Invariant:** at most one block and one unfinished line per stream are in
 * memory, whatever the length of the log; the reader's pace is the consumer's.
 */

import { EngineError } from '../../base/error.ts';
import { type LogRecord, recordAt, recordLength, type StreamName } from './format.ts';
import { ChunkAssembler, LineAssembler, type LogEntry } from './lines.ts';
import { type Block, SegmentReader } from './segments.ts';
import { LOG_BEGIN, type Start, startAtTail, startAtTime } from './start.ts';
import { LogWatch } from './watch.ts';

/** Where a log is. */
export interface LogPlace {
  /** The monitor's state directory: the segments. */
  readonly stateDir: string;
  /** Its run directory: the socket, while the process lives. */
  readonly runDir: string;
}

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

/** Entries one at a time; see {@link readLogBatches}. */
export async function* readLogs(place: LogPlace, query: LogQuery): AsyncGenerator<LogEntry, void, undefined> {
  for await (const batch of readLogBatches(place, query)) yield* batch;
}

/**
 * Entries as they were read together, for consumers that count instructions.
 * The bytes are the consumer's to keep. Errors: `cancelled` when the signal aborts.
 */
export async function* readLogBatches(place: LogPlace, query: LogQuery): AsyncGenerator<readonly LogEntry[], void, undefined> {
  const streams = new Set<StreamName>();
  if (query.stdout) streams.add('stdout');
  if (query.stderr) streams.add('stderr');
  const watch = query.follow ? await LogWatch.open(place.runDir, query.signal) : undefined;
  try {
    yield* readFrom(place, query, streams, watch);
  } finally {
    watch?.close();
  }
}

async function* readFrom(
  place: LogPlace,
  query: LogQuery,
  streams: ReadonlySet<StreamName>,
  watch: LogWatch | undefined,
): AsyncGenerator<readonly LogEntry[], void, undefined> {
  const start = await findStart(place.stateDir, query, streams, watch !== undefined);
  const filter = new EntryFilter(query, start.surplus);
  const assembler = assemblerFor(query);
  const reader = new SegmentReader(place.stateDir, start);
  const untilMs = query.untilNs === undefined ? undefined : Number(query.untilNs / 1_000_000n) + 1;
  let isComplete = watch === undefined;
  try {
    for (;;) {
      if (query.signal?.aborted === true) throw new EngineError('cancelled', 'The operation was cancelled');
      const block = await reader.next();
      if (block !== undefined) {
        const entries: LogEntry[] = [];
        const isPastEnd = assemble(block, { streams, query, assembler }, entries);
        const passed = filter.pass(entries);
        if (passed.length > 0) yield passed;
        if (isPastEnd) break;
      } else if (isComplete) break;
      else isComplete = !((await watch?.wait(untilMs)) ?? false);
    }
    const last: LogEntry[] = [];
    assembler.finish(last);
    const passed = filter.pass(last);
    if (passed.length > 0) yield passed;
  } finally {
    await reader.close();
  }
}

/** True when a record after `untilNs` was seen. */
function assemble(
  block: Block,
  to: { readonly streams: ReadonlySet<StreamName>; readonly query: LogQuery; readonly assembler: Assembler },
  entries: LogEntry[],
): boolean {
  const { untilNs } = to.query;
  for (let at = 0; at < block.end; at += recordLength(block.bytes, at, block.end)) {
    const record = recordAt(block.bytes, at);
    if (untilNs !== undefined && record.timeNs > untilNs) return true;
    if (to.streams.has(record.stream)) to.assembler.push(record, entries);
  }
  to.assembler.pause(entries);
  return false;
}

function assemblerFor(query: LogQuery): Assembler {
  const isBulk = query.bulk && query.tail === undefined && query.sinceNs === undefined && query.untilNs === undefined;
  if (isBulk) {
    const chunks = new ChunkAssembler();
    return {
      push: (record, entries) => chunks.push(record, entries),
      pause: (entries) => chunks.finish(entries),
      finish: () => undefined,
    };
  }
  const lines = new LineAssembler({ dropsHeadless: query.sinceNs !== undefined && query.tail === undefined });
  return {
    push: (record, entries) => lines.push(record, entries),
    pause: () => undefined,
    finish: (entries) => lines.finish(entries),
  };
}

async function findStart(dir: string, query: LogQuery, streams: ReadonlySet<StreamName>, isFollowed: boolean): Promise<Start> {
  if (query.tail !== undefined) return await startAtTail(dir, { count: query.tail, countsPartial: !isFollowed, streams });
  return query.sinceNs === undefined ? LOG_BEGIN : await startAtTime(dir, query.sinceNs);
}

/** Leaves out the lines before the tail and those before the time. */
class EntryFilter {
  readonly #sinceNs: bigint | undefined;
  #surplus: number;

  constructor(query: LogQuery, surplus: number) {
    this.#sinceNs = query.sinceNs;
    this.#surplus = surplus;
  }

  pass(entries: readonly LogEntry[]): readonly LogEntry[] {
    const skipped = Math.min(this.#surplus, entries.length);
    this.#surplus -= skipped;
    const rest = skipped === 0 ? entries : entries.slice(skipped);
    const sinceNs = this.#sinceNs;
    return sinceNs === undefined ? rest : rest.filter((entry) => entry.timeNs >= sinceNs);
  }
}
