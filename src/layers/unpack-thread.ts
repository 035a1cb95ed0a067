/**
 * Runs an unpack job in a worker thread, or here when it is small or no worker
 * is configured. Both look the same to the caller.
 *
 * **Invariant:** when a run settles, its chisel is gone and nobody reads its
 * bytes; a worker that dies is a failed run, never a failed daemon, and one
 * whose run failed is not used again.
 */
import type { Worker } from 'node:worker_threads';
import { EngineError } from '../base/error.ts';
import type { Growth } from '../content/growth.ts';
import { type LayerBytes, readLayer, releaseBytes } from './layer-bytes.ts';
import {
  runUnpackJob,
  throwIfAborted,
  type UnpackHooks,
  type UnpackJob,
  type UnpackResult,
  type UnpackRun,
} from './unpack-job.ts';
import {
  CHUNK_CREDIT,
  decodeError,
  type FromWorker,
  type RunWord,
  type ToWorker,
  type WorkerSource,
} from './unpack-message.ts';
import type { WorkerPool } from './worker-pool.ts';

/** Layers of fewer bytes are not worth a thread. */
const WORKER_MIN_BYTES = 2 * 1024 * 1024;

/**
 * The worker's module, for the one place that names it. A compiled program has
 * the worker as its second entry point (`bun build --compile src/bin.ts
 * src/layers/unpack-worker.ts`), at the same place relative to the main module;
 * so has the bundle for Node.js.
 * `mainPath` is `process.argv[1]`.
 */
export function unpackWorkerUrl(mainPath: string): URL {
  if (mainPath.startsWith('/$bunfs/'))
    return new URL('./layers/unpack-worker.js', `file://${mainPath}`);
  if (mainPath.endsWith('.cjs')) return new URL('./layers/unpack-worker.cjs', `file://${mainPath}`);
  return new URL('./unpack-worker.ts', import.meta.url);
}

/** A job with its bytes, and where to run it. */
export interface UnpackTask {
  readonly job: UnpackJob;
  readonly bytes: LayerBytes;
  readonly hooks: UnpackHooks;
  /** Where workers come from; `undefined`: here. */
  readonly workers: WorkerPool | undefined;
}

/** Run a job; its bytes are released whatever the outcome. Errors: those of the job and of the source. */
export async function runUnpack(task: UnpackTask): Promise<UnpackRun> {
  const { job, bytes, hooks, workers } = task;
  let isHere = true;
  try {
    throwIfAborted(hooks.signal);
    isHere = workers === undefined || isSmall(task);
    if (!isHere && workers !== undefined) return await new WorkerRun(workers, task).started;
    return await runUnpackJob(job, readLayer(bytes), hooks);
  } finally {
    // A worker's run knows when they are not read any more.
    if (isHere) await releaseBytes(bytes);
  }
}

function isSmall({ job, bytes }: UnpackTask): boolean {
  const sizeBytes = bytes.kind === 'file' ? bytes.sizeBytes : job.sizeBytes;
  return sizeBytes !== undefined && sizeBytes < WORKER_MIN_BYTES;
}

/** Tells the words of one run from those of another in the same worker. */
let runCount = 0;

/** One job in one worker. */
class WorkerRun {
  readonly started: Promise<UnpackRun>;
  readonly #run = ++runCount;
  readonly #workers: WorkerPool;
  readonly #worker: Worker;
  readonly #hooks: UnpackHooks;
  readonly #result = Promise.withResolvers<UnpackResult>();
  readonly #synced = Promise.withResolvers<boolean>();
  readonly #exited = Promise.withResolvers<undefined>();
  #credit = CHUNK_CREDIT;
  #sourceError: unknown;
  #wake: () => void = () => undefined;
  #isSettled = false;

  constructor(workers: WorkerPool, task: UnpackTask) {
    this.#workers = workers;
    this.#hooks = task.hooks;
    this.#worker = workers.take();
    this.#worker.on('message', this.#onMessage);
    this.#worker.on('error', this.#onError);
    this.#worker.on('exit', this.#onExit);
    this.started = this.#start(task);
  }

  async #start({ job, bytes, hooks }: UnpackTask): Promise<UnpackRun> {
    const task = { job, source: sourceOf(bytes) };
    this.#worker.postMessage({ kind: 'task', run: this.#run, task } satisfies ToWorker);
    const onAbort = (): void => {
      this.#say({ kind: 'cancel' });
    };
    hooks.signal?.addEventListener('abort', onAbort, { once: true });
    if (bytes.kind === 'stream') void this.#feed(bytes.chunks);
    if (bytes.kind === 'growing') void this.#follow(bytes.growth);
    try {
      return { result: await this.#result.promise, synced: this.#synced.promise };
    } catch (error) {
      // It may still read.
      await this.#exited.promise;
      throw error;
    } finally {
      hooks.signal?.removeEventListener('abort', onAbort);
      await releaseBytes(bytes);
    }
  }

  #say(word: RunWord): void {
    this.#worker.postMessage({ ...word, run: this.#run } satisfies ToWorker);
  }

  readonly #onError = (cause: unknown): void => {
    this.#fail(
      new EngineError('internal', `Cannot unpack layer: its worker failed (${String(cause)})`, {
        cause,
      }),
    );
  };

  readonly #onExit = (): void => {
    this.#fail(new EngineError('internal', 'Cannot unpack layer: its worker ended early'));
    this.#synced.resolve(false);
    this.#exited.resolve(undefined);
  };

  #leave(): void {
    this.#worker.off('message', this.#onMessage);
    this.#worker.off('error', this.#onError);
    this.#worker.off('exit', this.#onExit);
  }

  readonly #onMessage = (message: FromWorker): void => {
    // The worker may have another run by now, when the files of this one reach the disk.
    if (message.run !== this.#run) return;
    switch (message.kind) {
      case 'taken':
        this.#credit++;
        this.#wake();
        return;
      case 'ask-below':
        void this.#answerBelow();
        return;
      case 'progress':
        this.#hooks.onProgress?.(message.readBytes);
        return;
      case 'done':
        this.#isSettled = true;
        this.#wake();
        this.#workers.giveBack(this.#worker);
        this.#result.resolve(message.result);
        return;
      case 'synced':
        this.#leave();
        this.#synced.resolve(message.isSynced);
        return;
      case 'failed':
        this.#fail(this.#sourceError ?? decodeError(message.error));
    }
  };

  async #answerBelow(): Promise<void> {
    try {
      const facts = await this.#hooks.below?.();
      if (facts !== undefined) this.#say({ kind: 'below', facts });
    } catch (error) {
      this.#sourceError = error;
      this.#say({ kind: 'cancel' });
    }
  }

  #fail(error: unknown): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#wake();
    this.#result.reject(error);
    this.#synced.resolve(false);
  }

  async #feed(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const bytes of chunks) {
        while (this.#credit === 0 && !this.#isSettled) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        if (this.#isSettled) return;
        this.#credit--;
        this.#say({ kind: 'chunk', bytes });
      }
      this.#say({ kind: 'end' });
    } catch (error) {
      this.#sourceError = error;
      this.#say({ kind: 'cancel' });
    }
  }

  /** The worker reads the file by itself; it is told how far it may. */
  async #follow(growth: Growth): Promise<void> {
    try {
      while (!this.#isSettled) {
        const { changed } = growth;
        growth.throwFailure();
        this.#say({ kind: 'grown', sizeBytes: growth.sizeBytes });
        if (growth.isComplete) break;
        await changed;
      }
      this.#say({ kind: 'end' });
    } catch (error) {
      this.#sourceError = error;
      this.#say({ kind: 'cancel' });
    }
  }
}

function sourceOf(bytes: LayerBytes): WorkerSource {
  if (bytes.kind === 'file') return bytes;
  if (bytes.kind === 'stream') return { kind: 'messages' };
  return { kind: 'growing', fd: bytes.file.fd };
}
