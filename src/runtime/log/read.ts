/**
 * Reading a container's log: all of it, its tail, from a time, and what comes.
 *
 * **Invariant:** at most one block and one unfinished line per stream are in
 * memory, whatever the length of the log; the reader's pace is the consumer's.
 */

import { throwIfAborted } from '../../base/clock.ts';
import type { LogEntry } from './lines.ts';
import { type LogQuery, LogSelection, streamsOf } from './query.ts';
import { SegmentReader } from './segments.ts';
import { LOG_BEGIN, type Start, startAtTail, startAtTime } from './start.ts';
import { LogWatch } from './watch.ts';

/** Where a log is. */
export interface LogPlace {
  /** The monitor's state directory: the segments. */
  readonly stateDir: string;
  /** Its run directory: the socket, while the process lives. */
  readonly runDir: string;
}

/** Entries one at a time; see {@link readLogBatches}. */
export async function* readLogs(
  place: LogPlace,
  query: LogQuery,
): AsyncGenerator<LogEntry, void, undefined> {
  for await (const batch of readLogBatches(place, query)) yield* batch;
}

/**
 * Entries as they were read together, for consumers that count instructions.
 * The bytes are the consumer's to keep. Errors: `cancelled` when the signal aborts.
 */
export async function* readLogBatches(
  place: LogPlace,
  query: LogQuery,
): AsyncGenerator<readonly LogEntry[], void, undefined> {
  const watch = query.follow ? await LogWatch.open(place.runDir, query.signal) : undefined;
  try {
    const start = await findStart(place.stateDir, query, watch !== undefined);
    const reader = new SegmentReader(place.stateDir, start);
    const selection = new LogSelection(query, start.surplus);
    try {
      yield* readBlocks(reader, selection, { query, watch });
    } finally {
      await reader.close();
    }
    const last = selection.finish();
    if (last.length > 0) yield last;
  } finally {
    watch?.close();
  }
}

async function* readBlocks(
  reader: SegmentReader,
  selection: LogSelection,
  source: { readonly query: LogQuery; readonly watch: LogWatch | undefined },
): AsyncGenerator<readonly LogEntry[], void, undefined> {
  const { query, watch } = source;
  const untilMs = query.untilNs === undefined ? undefined : Number(query.untilNs / 1_000_000n) + 1;
  let isComplete = watch === undefined;
  while (!selection.isPastEnd) {
    throwIfAborted(query.signal);
    const block = await reader.next();
    if (block === undefined) {
      if (isComplete) return;
      // Even after its end was told: one more look, for what was written just before.
      isComplete = !((await watch?.wait(untilMs)) ?? false);
      continue;
    }
    const entries = selection.take(block.bytes, block.end);
    if (entries.length > 0) yield entries;
  }
}

async function findStart(dir: string, query: LogQuery, isFollowed: boolean): Promise<Start> {
  if (query.tail !== undefined) {
    const streams = streamsOf(query);
    return await startAtTail(dir, { count: query.tail, countsPartial: !isFollowed, streams });
  }
  return query.sinceNs === undefined ? LOG_BEGIN : await startAtTime(dir, query.sinceNs);
}
