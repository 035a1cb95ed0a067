/**
 * A hijacked stream joined to this program's own streams: output to where it
 * belongs, input to the container, until either side is done.
 */

import { EngineError } from '../../base/error.ts';
import { Demultiplexer } from '../../client/framing.ts';
import type { HijackedStream } from '../../client/transport.ts';
import { DetachWatch, parseDetachKeys } from '../../spec/docker/detach-keys.ts';
import type { Io } from '../io.ts';
import { enterRawMode } from './terminal.ts';

/** How a session ended. */
export type SessionEnd = 'finished' | 'detached';

/** What is joined. */
export interface SessionOptions {
  /** The container has a console: output is raw, keys are watched. */
  readonly tty: boolean;
  /** Send this program's input. */
  readonly stdin: boolean;
  /** The keys that leave; `undefined`: ctrl-p,ctrl-q. */
  readonly detachKeys: string | undefined;
}

/** A session under way. */
export interface Session {
  /** Settles when output has ended or the user left. Throws what went wrong with either. */
  readonly ended: Promise<SessionEnd>;
  /** Leaves at once; `ended` settles. */
  close(): void;
}

/** Joins `stream` to `io`. A terminal on both sides is raw until the session ends. */
export function joinStreams(stream: HijackedStream, io: Io, options: SessionOptions): Session {
  const isInteractive = options.tty && options.stdin && io.stdin.isTerminal;
  const watch = isInteractive ? new DetachWatch(parseDetachKeys(options.detachKeys)) : undefined;
  const terminal = isInteractive ? enterRawMode(io) : undefined;
  const detached = Promise.withResolvers<SessionEnd>();
  if (options.stdin) {
    void sendInput(stream, io, watch).then(
      (end) => {
        if (end === 'detached') detached.resolve('detached');
      },
      (error: unknown) => {
        detached.reject(error);
      },
    );
  }
  const finished = copyOutput(stream, io, options.tty).then((): SessionEnd => 'finished');
  const ended = Promise.race([finished, detached.promise]).finally(() => {
    terminal?.restore();
    stream.close();
  });
  // Once the user has left, what the cut output says is of no interest.
  finished.catch(() => undefined);
  return {
    ended,
    close: () => {
      stream.close();
    },
  };
}

async function sendInput(
  stream: HijackedStream,
  io: Io,
  watch: DetachWatch | undefined,
): Promise<SessionEnd> {
  for await (const chunk of io.stdin.chunks()) {
    const { bytes, isDetached } =
      watch === undefined ? { bytes: chunk, isDetached: false } : watch.push(chunk);
    if (bytes.length > 0 && !(await stream.write(bytes))) return 'finished';
    if (isDetached) return 'detached';
  }
  const held = watch?.flush();
  if (held !== undefined && held.length > 0) await stream.write(held);
  stream.endInput();
  return 'finished';
}

async function copyOutput(stream: HijackedStream, io: Io, isRaw: boolean): Promise<void> {
  if (isRaw) {
    for await (const chunk of stream.output) await io.stdout.write(chunk);
    return;
  }
  await copyFrames(stream.output, io);
}

/** Frames to standard output and standard error, each in order. Throws a failure the engine reports in them. */
export async function copyFrames(frames: AsyncIterable<Buffer>, io: Io): Promise<void> {
  const demultiplexer = new Demultiplexer();
  for await (const chunk of frames) {
    for (const { stream, bytes } of demultiplexer.push(chunk)) await io[stream].write(bytes);
    if (demultiplexer.failure !== undefined) throw demultiplexer.failure;
  }
  if (demultiplexer.isInsideFrame) {
    throw new EngineError(
      'unavailable',
      'Lost the connection to the carve daemon in the middle of the output',
      {
        details: { code: 'ECONNRESET' },
      },
    );
  }
}
