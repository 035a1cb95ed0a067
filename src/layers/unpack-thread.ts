/**
 * Runs an unpack job in a worker thread, or here when it is small or no worker
 * is configured. Both look the same to the caller.
 *
 * **Invariant:** when a run settles, its chisel is gone, nobody reads its bytes
 * and its worker ends by itself; a worker that dies is a failed run, never a failed daemon.
 */
import { Worker } from 'node:worker_threads';
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
  type ToWorker,
  type WorkerSource,
  type WorkerTask,
} from './unpack-message.ts';

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
  /** Module of the worker; `undefined`: here. */
  readonly worker: URL | undefined;
}

/** Run a job; its bytes are released whatever the outcome. Errors: those of the job and of the source. */
export async function runUnpack(task: UnpackTask): Promise<UnpackRun> {
  const { job, bytes, hooks, worker } = task;
  let isHere = true;
  try {
    throwIfAborted(hooks.signal);
    isHere = worker === undefined || isSmall(task);
    if (!isHere && worker !== undefined) return await new WorkerRun(worker, task).started;
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

/** One job in one worker. */
class WorkerRun {
  readonly started: Promise<UnpackRun>;
  readonly #worker: Worker;
  readonly #hooks: UnpackHooks;
  readonly #result = Promise.withResolvers<UnpackResult>();
  readonly #synced = Promise.withResolvers<boolean>();
  #credit = CHUNK_CREDIT;
  #sourceError: unknown;
  #wake: () => void = () => undefined;
  #isSettled = false;

  constructor(url: URL, { job, bytes, hooks }: UnpackTask) {
    this.#hooks = hooks;
    const workerData: WorkerTask = { job, source: sourceOf(bytes) };
    this.#worker = new Worker(url, { workerData, env: {}, stdin: false });
    this.#worker.on('message', (message: FromWorker) => {
      this.#onMessage(message);
    });
    this.#worker.on('error', (cause) => {
      this.#fail(
        new EngineError('internal', `Cannot unpack layer: its worker failed (${String(cause)})`, {
          cause,
        }),
      );
    });
    const exited = Promise.withResolvers<undefined>();
    this.#worker.on('exit', () => {
      this.#fail(new EngineError('internal', 'Cannot unpack layer: its worker ended early'));
      this.#synced.resolve(false);
      exited.resolve(undefined);
    });
    const onAbort = (): void => {
      this.#say({ kind: 'cancel' });
    };
    hooks.signal?.addEventListener('abort', onAbort, { once: true });
    if (bytes.kind === 'stream') void this.#feed(bytes.chunks);
    if (bytes.kind === 'growing') void this.#follow(bytes.growth);
    const settle = async (): Promise<UnpackRun> => {
      try {
        return { result: await this.#result.promise, synced: this.#synced.promise };
      } catch (error) {
        // It may still read.
        await exited.promise;
        throw error;
      } finally {
        hooks.signal?.removeEventListener('abort', onAbort);
        await releaseBytes(bytes);
      }
    };
    this.started = settle();
  }

  #say(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #onMessage(message: FromWorker): void {
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
        this.#result.resolve(message.result);
        return;
      case 'synced':
        this.#synced.resolve(message.isSynced);
        return;
      case 'failed':
        this.#fail(this.#sourceError ?? decodeError(message.error));
    }
  }

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
