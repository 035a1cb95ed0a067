/**
 * Entry of an unpack worker thread: one job, then it ends. Everything heavy
 * about a layer (inflating, hashing, parsing) happens here, beside the daemon's
 * event loop.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { BelowFacts } from './tree.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { Growth, readGrowing } from '../content/growth.ts';
import { readLayer } from './layer-bytes.ts';
import { runUnpackJob } from './unpack-job.ts';
import { decodeTask } from './decode-task.ts';
import { encodeError, type FromWorker, type ToWorker, type WorkerTask } from './unpack-message.ts';

/** Progress is said at most this often, in milliseconds. */
const PROGRESS_MS = 50;

if (parentPort !== null) void work(parentPort, decodeTask(workerData));

async function work(port: MessagePort, { job, source }: WorkerTask): Promise<void> {
  const say = (message: FromWorker): void => {
    port.postMessage(message);
  };
  const abort = new AbortController();
  const chunks = new ChunkQueue(() => say({ kind: 'taken' }));
  const growth = new Growth();
  const belowFacts = Promise.withResolvers<BelowFacts>();
  belowFacts.promise.catch(() => undefined);
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'chunk') chunks.push(message.bytes);
    else if (message.kind === 'grown') growth.advance(message.sizeBytes);
    else if (message.kind === 'end') {
      chunks.end();
      growth.complete();
    } else if (message.kind === 'below') belowFacts.resolve(message.facts);
    else {
      chunks.end();
      abort.abort();
      belowFacts.reject(new Error('cancelled'));
    }
  });
  const below = async (): Promise<BelowFacts> => {
    say({ kind: 'ask-below' });
    return await belowFacts.promise;
  };
  const bytes =
    source.kind === 'messages'
      ? chunks
      : source.kind === 'file'
        ? readLayer(source)
        : readGrowing(source.fd, growth);
  const onProgress = throttled((readBytes) => say({ kind: 'progress', readBytes }));
  try {
    const run = await runUnpackJob(job, bytes, { signal: abort.signal, below, onProgress });
    say({ kind: 'done', result: run.result });
    say({ kind: 'synced', isSynced: await run.synced });
  } catch (error) {
    say({ kind: 'failed', error: encodeError(error) });
  } finally {
    port.close();
  }
}

/** At most one call each {@link PROGRESS_MS}. */
function throttled(call: (readBytes: number) => void): (readBytes: number) => void {
  let saidAtMs = 0;
  return (readBytes) => {
    const nowMs = performance.now();
    if (nowMs - saidAtMs < PROGRESS_MS) return;
    saidAtMs = nowMs;
    call(readBytes);
  };
}
