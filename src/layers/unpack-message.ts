/**
 * What the main thread and an unpack worker say to each other. Plain data only.
 *
 * A file is read by the worker itself. A stream travels as `chunk` messages; the worker grants {@link CHUNK_CREDIT}
 * at first and one more for each it took, so that at most that many wait.
 */
import { EngineError, type ErrorKind, isEngineError, messageOf } from '../base/error.ts';
import type { BelowFacts } from './tree.ts';
import type { UnpackJob, UnpackResult } from './unpack-job.ts';

/** Chunks that may be on their way to a worker. */
export const CHUNK_CREDIT = 8;

/** Where a worker finds the bytes. */
export type WorkerSource =
  | { readonly kind: 'file'; readonly path: string; readonly sizeBytes: number }
  /** An open file of the process; `grown` says how far it may be read. */
  | { readonly kind: 'growing'; readonly fd: number }
  | { readonly kind: 'messages' };

/** What a worker is to do. */
export interface WorkerTask {
  readonly job: UnpackJob;
  readonly source: WorkerSource;
}

/** Which run a message is about. */
interface OfRun {
  /** Number of the run in this process. */
  readonly run: number;
}

/** To a worker: a task, words about it, or that nothing follows. */
export type ToWorker =
  | ({ readonly kind: 'task'; readonly task: WorkerTask } & OfRun)
  | (RunWord & OfRun)
  | { readonly kind: 'leave' };

/** About a run; one that comes when the run is over is for nobody. */
export type RunWord =
  | { readonly kind: 'chunk'; readonly bytes: Uint8Array }
  | { readonly kind: 'grown'; readonly sizeBytes: number }
  /** Every chunk was sent, or the file is whole. */
  | { readonly kind: 'end' }
  /** The layers below are unpacked. */
  | { readonly kind: 'below'; readonly facts: BelowFacts }
  /** The source failed: drop everything. */
  | { readonly kind: 'cancel' };

/** From the worker, about the run of that number. `done` or `failed` comes once: then it waits for another task or, after `failed`, ends. `synced` comes some time after `done`. */
export type FromWorker = WorkerWord & OfRun;

/** What a worker says about a run. */
export type WorkerWord =
  | { readonly kind: 'taken' }
  /** The tar was read: tell about the layers below. */
  | { readonly kind: 'ask-below' }
  | { readonly kind: 'progress'; readonly readBytes: number }
  | { readonly kind: 'done'; readonly result: UnpackResult }
  | { readonly kind: 'synced'; readonly isSynced: boolean }
  | { readonly kind: 'failed'; readonly error: PlainError };

/** An error that crosses threads. */
export interface PlainError {
  readonly kind: ErrorKind;
  readonly message: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Any thrown value → plain data. */
export function encodeError(error: unknown): PlainError {
  if (isEngineError(error))
    return { kind: error.kind, message: error.message, hint: error.hint, details: error.details };
  return {
    kind: 'internal',
    message: `Cannot unpack layer: ${messageOf(error)}`,
    hint: undefined,
    details: {},
  };
}

/** The error again. */
export function decodeError(error: PlainError): EngineError {
  return new EngineError(error.kind, error.message, {
    details: error.details,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
