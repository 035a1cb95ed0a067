/**
 * Entry of an unpack worker thread: one job, then it ends. Everything heavy
 * about a layer (inflating, hashing, parsing) happens here, beside the daemon's
 * event loop.
 */
import { createReadStream } from 'node:fs';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { BelowFacts } from './tree.ts';
import { runUnpackJob } from './unpack-job.ts';
import { encodeError, type FromWorker, type ToWorker, type WorkerTask } from './unpack-message.ts';

/** Bytes of one read of a blob. */
const READ_BYTES = 1024 * 1024;
/** Progress is said at most this often, in milliseconds. */
const PROGRESS_MS = 50;

if (parentPort !== null) void work(parentPort, workerData as WorkerTask);

async function work(port: MessagePort, task: WorkerTask): Promise<void> {
  const say = (message: FromWorker): void => {
    port.postMessage(message);
  };
  const abort = new AbortController();
  const source =
    task.path === undefined
      ? receive(port, say)
      : createReadStream(task.path, { highWaterMark: READ_BYTES });
  const belowFacts = Promise.withResolvers<BelowFacts>();
  belowFacts.promise.catch(() => undefined);
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'below') belowFacts.resolve(message.facts);
    if (message.kind !== 'cancel') return;
    abort.abort();
    belowFacts.reject(new Error('cancelled'));
  });
  const below = async (): Promise<BelowFacts> => {
    say({ kind: 'ask-below' });
    return await belowFacts.promise;
  };
  let saidAtMs = 0;
  const onProgress = (readBytes: number): void => {
    const nowMs = performance.now();
    if (nowMs - saidAtMs < PROGRESS_MS) return;
    saidAtMs = nowMs;
    say({ kind: 'progress', readBytes });
  };
  try {
    const run = await runUnpackJob(task.job, source, { signal: abort.signal, below, onProgress });
    say({ kind: 'done', result: run.result });
    say({ kind: 'synced', isSynced: await run.synced });
  } catch (error) {
    say({ kind: 'failed', error: encodeError(error) });
  } finally {
    port.close();
  }
}

/** Chunks from messages, in order, until `end` or `cancel`. */
async function* receive(
  port: MessagePort,
  say: (message: FromWorker) => void,
): AsyncGenerator<Uint8Array> {
  const queue: Uint8Array[] = [];
  let isEnded = false;
  let wake: () => void = () => undefined;
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'chunk') queue.push(message.bytes);
    else if (message.kind !== 'below') isEnded = true;
    wake();
  });
  for (;;) {
    const chunk = queue.shift();
    if (chunk !== undefined) {
      say({ kind: 'taken' });
      yield chunk;
    } else if (isEnded) return;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
}
