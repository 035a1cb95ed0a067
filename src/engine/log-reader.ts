/** The contract of what reads a container's log; the segments are `runtime/log`'s. */

import type { HostPath } from '../base/brand.ts';

/** One line, or a part of one, as it was written. */
export interface LogLine {
  readonly stream: 'stdout' | 'stderr';
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint;
  /** With its newline, unless it is the unfinished last one. */
  readonly bytes: Uint8Array;
}

/** What to read. */
export interface LogQuery {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Count of last lines; `undefined`: all. */
  readonly tail?: number;
  /** Nanoseconds since the epoch. */
  readonly sinceNs?: bigint;
  /** Nanoseconds since the epoch. */
  readonly untilNs?: bigint;
  /** Go on with what comes until the process is gone. */
  readonly follow: boolean;
  /** Chunks of several lines of one stream may come as one, for speed. */
  readonly bulk: boolean;
  readonly signal?: AbortSignal;
}

/** Reads logs of containers. */
export interface LogReader {
  /**
   * Lines in the batches they were read in. `stateDir` holds the segments,
   * `runDir` the monitor's socket while the process lives.
   */
  read(
    place: { readonly stateDir: HostPath; readonly runDir: HostPath },
    query: LogQuery,
  ): AsyncIterable<readonly LogLine[]>;
}
