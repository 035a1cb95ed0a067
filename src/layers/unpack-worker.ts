/**
 * Entry of an unpack worker thread: one job at a time. Everything heavy about a
 * layer (inflating, hashing, parsing) happens here, beside the daemon's event
 * loop.
 */
import { type MessagePort, parentPort } from 'node:worker_threads';
import { collectBetweenChunks } from '../base/collect.ts';
import type { BelowFacts } from './tree.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { Growth, readGrowing } from '../content/growth.ts';
import { readLayer } from './layer-bytes.ts';
import { runUnpackJob } from './unpack-job.ts';
import {
  encodeError,
  type FromWorker,
  type RunWord,
  type ToWorker,
  type WorkerSource,
  type WorkerTask,
  type WorkerWord,
} from './unpack-message.ts';

/** Progress is said at most this often, in milliseconds. */
const PROGRESS_MS = 50;

if (parentPort !== null) {
  collectBetweenChunks();
  serve(parentPort);
}

function serve(port: MessagePort): void {
  let job: Job | undefined;
  const unsynced = new Set<Promise<void>>();
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'leave') void Promise.all(unsynced).then(() => port.close());
    else if (message.kind === 'task') {
      const next = new Job(port, message.run);
      job = next;
      const over = next.work(message.task);
      unsynced.add(over);
      void over.then(() => unsynced.delete(over));
    } else if (message.run === job?.run) job.hear(message);
  });
}

/** One job and what is said about it. */
class Job {
  readonly run: number;
  readonly #port: MessagePort;
  readonly #abort = new AbortController();
  readonly #chunks = new ChunkQueue(() => this.#say({ kind: 'taken' }));
  readonly #growth = new Growth();
  readonly #belowFacts = Promise.withResolvers<BelowFacts>();

  constructor(port: MessagePort, run: number) {
    this.#port = port;
    this.run = run;
    this.#belowFacts.promise.catch(() => undefined);
  }

  hear(message: RunWord): void {
    switch (message.kind) {
      case 'chunk':
        this.#chunks.push(message.bytes);
        return;
      case 'grown':
        this.#growth.advance(message.sizeBytes);
        return;
      case 'end':
        this.#chunks.end();
        this.#growth.complete();
        return;
      case 'below':
        this.#belowFacts.resolve(message.facts);
        return;
      case 'cancel':
        this.#chunks.end();
        this.#abort.abort();
        this.#belowFacts.reject(new Error('cancelled'));
    }
  }

  /** Never rejects; resolves when its files are on the disk, or it failed. */
  async work({ job, source }: WorkerTask): Promise<void> {
    const below = async (): Promise<BelowFacts> => {
      this.#say({ kind: 'ask-below' });
      return await this.#belowFacts.promise;
    };
    const onProgress = throttled((readBytes) => this.#say({ kind: 'progress', readBytes }));
    const hooks = { signal: this.#abort.signal, below, onProgress };
    try {
      const { result, synced } = await runUnpackJob(job, this.#bytesOf(source), hooks);
      this.#say({ kind: 'done', result });
      this.#say({ kind: 'synced', isSynced: await synced });
    } catch (error) {
      this.#say({ kind: 'failed', error: encodeError(error) });
      this.#port.close();
    }
  }

  #bytesOf(source: WorkerSource): AsyncIterable<Uint8Array> {
    if (source.kind === 'messages') return this.#chunks;
    if (source.kind === 'file') return readLayer(source, 'blocking');
    return readGrowing(source.fd, this.#growth, 'blocking');
  }

  #say(word: WorkerWord): void {
    this.#port.postMessage({ ...word, run: this.run } satisfies FromWorker);
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
