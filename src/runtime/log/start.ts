/**
 * Where a reading starts: by the index for a time, backwards for a count of
 * last lines, without reading what comes before.
 */

import type { FileHandle } from 'node:fs/promises';
import {
  HEADER_BYTES,
  newlinesAt,
  offsetBefore,
  RECORD_MAX_BYTES,
  recordAt,
  recordLengthBefore,
  type StreamName,
} from './format.ts';
import { TailFinder } from './lines.ts';
import {
  endOfRecords,
  listSegments,
  openSegment,
  type Place,
  readAt,
  readSegmentHeader,
} from './segments.ts';

const WINDOW_BYTES = 256 * 1024;

/** A place, and what to leave out from there. */
export interface Start extends Place {
  /** Count of lines. */
  readonly surplus: number;
}

/** The oldest record. */
export const LOG_BEGIN: Start = { number: 0, offset: HEADER_BYTES, surplus: 0 };

/** The last segment that began before `sinceNs`, and there the last indexed record before it. */
export async function startAtTime(dir: string, sinceNs: bigint): Promise<Start> {
  const numbers = await listSegments(dir);
  for (const number of numbers.toReversed()) {
    const file = await openSegment(dir, number);
    if (file === undefined) continue;
    try {
      const header = await readSegmentHeader(file);
      if (header === undefined || header.createdNs > sinceNs) continue;
      return { number, offset: offsetBefore(header, sinceNs), surplus: 0 };
    } finally {
      await file.close();
    }
  }
  return LOG_BEGIN;
}

/** Where the whole records of a segment end: from its last index entry forwards, so that a torn end is seen. */
async function endOfSegment(file: FileHandle): Promise<number> {
  const header = await readSegmentHeader(file);
  let offset = header?.index.at(-1)?.offset ?? HEADER_BYTES;
  for (;;) {
    const end = endOfRecords(await readAt(file, offset, WINDOW_BYTES));
    if (end === 0) return offset;
    offset += end;
  }
}

/** Start of the last `count` lines of `streams`; `countsPartial`: an unfinished last line is one. */
export async function startAtTail(
  dir: string,
  options: {
    readonly count: number;
    readonly countsPartial: boolean;
    readonly streams: ReadonlySet<StreamName>;
  },
): Promise<Start> {
  const numbers = await listSegments(dir);
  const finder = new TailFinder(options);
  let place: Place = LOG_BEGIN;
  for (const number of numbers.toReversed()) {
    const file = await openSegment(dir, number);
    if (file === undefined) break;
    try {
      const end = await endOfSegment(file);
      const offset =
        options.count === 0 ? end : await walkBack(file, end, { finder, streams: options.streams });
      place = { number, offset };
      if (options.count === 0 || finder.isDone || offset > HEADER_BYTES) break;
    } finally {
      await file.close();
    }
  }
  return { ...place, surplus: finder.surplus };
}

/** Visit records from `end` backwards; the offset of the last one visited. Damage ends the walk. */
async function walkBack(
  file: FileHandle,
  end: number,
  to: { readonly finder: TailFinder; readonly streams: ReadonlySet<StreamName> },
): Promise<number> {
  const { finder, streams } = to;
  let at = end;
  while (at > HEADER_BYTES) {
    const begin = Math.max(HEADER_BYTES, at - WINDOW_BYTES);
    const window = await readAt(file, begin, at - begin);
    const least = begin === HEADER_BYTES ? 0 : RECORD_MAX_BYTES;
    let position = window.byteLength;
    while (position > least) {
      const length = recordLengthBefore(window, 0, position);
      if (length === 0) return begin + position;
      position -= length;
      const record = recordAt(window, position);
      if (!streams.has(record.stream)) continue;
      finder.visit(record, newlinesAt(window, position));
      if (finder.isDone) return begin + position;
    }
    at = begin + position;
  }
  return at;
}
